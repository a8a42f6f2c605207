package serving

import (
	_ "embed" // the names
	"regexp"
	"slices"
	"strings"

	"berth.dev/berth"
)

// renamed are packages of Python that have another name in conda than on PyPI.
var renamed = map[string]string{
	"pytorch": "torch", "pytorch-cpu": "torch", "py-xgboost": "xgboost", "py-xgboost-cpu": "xgboost", "opencv": "opencv-python-headless",
	"py-opencv": "opencv-python-headless", "tensorflow-gpu": "tensorflow", "tensorflow-cpu": "tensorflow", "msgpack-python": "msgpack",
	"pytables": "tables", "py-lightgbm": "lightgbm", "onnxruntime-cpu": "onnxruntime",
	"matplotlib-base": "matplotlib", "python-graphviz": "graphviz",
}

// sameText are packages of Python that have the same name in both.
//
//go:embed conda.txt
var sameText string

var same = strings.Fields(sameText)

// librariesText are packages of conda that are no packages of Python: what the wheels bring along, and what the base image has.
// `conda env export` lists them all.
//
//go:embed conda_libraries.txt
var librariesText string

var libraries = strings.Fields(librariesText)

// cuda are those that the wheels of PyTorch bring along.
var cuda = []string{"cudatoolkit", "cudnn", "pytorch-cuda", "pytorch-mutex", "nccl", "cuda"}

var condaSpec = regexp.MustCompile(`^([A-Za-z0-9_][-._A-Za-z0-9]*)\s*([=<>!~ ].*)?$`)

// conda adds packages by their names in conda. python is the version that they ask for.
func (p *plan) conda(e Environment) (python string, fault *berth.Error) {
	var unknown, mapped, left []string
	torch := slices.ContainsFunc(slices.Concat(e.Conda, e.Requirements), isTorch)
	for _, spec := range e.Conda {
		if _, plain, found := strings.Cut(spec, "::"); found { // of a channel
			spec = plain
		}
		m := condaSpec.FindStringSubmatch(strings.TrimSpace(spec))
		if m == nil {
			unknown = append(unknown, spec)
			continue
		}
		name := strings.ToLower(m[1])
		version := strings.TrimSpace(m[2])
		to := renamed[name]
		switch {
		case name == "python":
			python = strings.TrimLeft(version, "= ")
			if plain, _, build := strings.Cut(python, "="); build && !strings.ContainsAny(plain, "<>!~") {
				python = plain
			}
			continue
		case name == "pip":
			continue
		case slices.Contains(libraries, name), torch && slices.Contains(cuda, name):
			left = append(left, m[1])
			continue
		case to != "":
		case slices.Contains(same, name):
			to = name
		default:
			unknown = append(unknown, m[1])
			continue
		}
		if fault := p.require(to + pipVersion(version)); fault != nil {
			return "", fault
		}
		mapped = append(mapped, m[1])
	}
	if len(unknown) > 0 {
		return "", berth.Errorf(CodeEnvironment, "Berth does not know these conda packages as packages of Python: %s. Name them below pip, or "+
			"use an image that has them.", strings.Join(unknown, ", "))
	}
	if len(left) > 0 {
		p.note("These conda packages are left out, because wheels bring along such libraries or the image has them: %s.",
			strings.Join(left, ", "))
	}
	if len(mapped) > 0 {
		p.note("These conda packages are installed from the index of Python packages: %s.", strings.Join(mapped, ", "))
	}
	return python, nil
}

// isTorch reports whether a package of conda or a requirement of pip is PyTorch.
func isTorch(spec string) bool {
	_, plain, found := strings.Cut(spec, "::")
	if !found {
		plain = spec
	}
	m := requirement.FindStringSubmatch(strings.TrimSpace(plain))
	return m != nil && slices.Contains([]string{"torch", "pytorch"}, normalName(m[1]))
}

// pipVersion writes a version of conda as pip reads it: =1.2 is any 1.2.x, and what follows a second = names a build.
func pipVersion(v string) string {
	switch {
	case v == "", v == "*":
		return ""
	case strings.HasPrefix(v, "=="):
		exact, _, _ := strings.Cut(v[2:], "=")
		return "==" + strings.TrimSpace(exact)
	case strings.HasPrefix(v, "="):
		version, build, _ := strings.Cut(v[1:], "=")
		version = strings.TrimSuffix(strings.TrimSpace(version), ".*")
		if build != "" {
			return "==" + version
		}
		return "==" + version + ".*"
	}
	return v
}
