package serving

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"berth.dev/berth"
)

// plan is an environment as it is built: equal plans are built once in a namespace.
type plan struct {
	Image        string
	Python       string
	Requirements []string
	Index        string // the digest of where packages come from

	notes []string // sentences about what differs from what was asked for
}

func (p *plan) digest() string { return digestOf(p)[:16] }

// server is the scoring server, which runs every entry script.
const server = "azureml-inference-server-http"

// oldestServer keeps the resolver from taking a version of years ago, where newer ones conflict with what is asked for.
const oldestServer = ">=1.0"

// left are packages of Azure ML that have no part in scoring; some have no wheel.
var left = []string{
	"azureml-sdk", "azureml-dataset-runtime", "azureml-dataprep", "azureml-dataprep-rslex", "azureml-dataprep-native", "azureml-telemetry",
	"azureml-train", "azureml-train-core", "azureml-train-restclients-hyperdrive", "azureml-pipeline", "azureml-pipeline-core",
	"azureml-pipeline-steps", "azureml-widgets", "azureml-monitoring", "azureml-explain-model", "azureml-model-management-sdk",
	"azureml-automl-core", "azureml-contrib-services",
}

var (
	requirement = regexp.MustCompile(`^([A-Za-z0-9](?:[-._A-Za-z0-9]*[A-Za-z0-9])?)\s*(\[[^\]]*\])?\s*(.*)$`)
	separators  = regexp.MustCompile(`[-_.]+`)
)

// normalName is the name of a package as indexes compare it.
func normalName(name string) string { return strings.ToLower(separators.ReplaceAllString(name, "-")) }

// newPlan makes a plan of what is asked for, or says by name what is not possible.
func (s *Serving) newPlan(e Environment) (*plan, *berth.Error) {
	p := &plan{Image: s.python(), Python: s.pythonVersion(), Index: digestOf(s.o.Index)[:8]}
	want, err := p.conda(e)
	if err != nil {
		return nil, err
	}
	if want == "" {
		want = e.Python
	}
	if want != "" && !fits(want, p.Python) {
		if s.o.ExactPython {
			return nil, berth.Errorf(CodeEnvironment, "The environment asks for Python %s, and this server has Python %s, by which alone it builds "+
				"environments (--python exact). Ask for that one, or use an image that has yours.", want, p.Python)
		}
		p.note("The environment asks for Python %s; Python %s runs it, because this server has no other. A model that was pickled with another "+
			"Python may not load.", want, p.Python)
	}
	for _, line := range e.Requirements {
		if err := p.require(line); err != nil {
			return nil, err
		}
	}
	if !p.has(server) {
		p.Requirements = append(p.Requirements, server+oldestServer)
	}
	slices.Sort(p.Requirements)
	p.Requirements = slices.Compact(p.Requirements)
	return p, nil
}

// Judge is why an environment cannot be built, as far as that is known without trying it; nil when nothing speaks against it.
func (s *Serving) Judge(e Environment) *berth.Error {
	if !e.base() {
		return nil
	}
	_, fault := s.newPlan(e)
	return fault
}

func (p *plan) note(format string, args ...any) {
	p.notes = append(p.notes, fmt.Sprintf(format, args...))
}

func (p *plan) has(name string) bool {
	return slices.ContainsFunc(p.Requirements, func(line string) bool {
		m := requirement.FindStringSubmatch(line)
		return m != nil && normalName(m[1]) == name
	})
}

const maxRequirement = 1000 // characters of one line

// require adds one line as pip reads it.
func (p *plan) require(line string) *berth.Error {
	line, _, _ = strings.Cut(line, " #")
	line = strings.TrimSpace(line)
	switch {
	case line == "", strings.HasPrefix(line, "#"):
		return nil
	case len(line) > maxRequirement || strings.ContainsAny(line, "\r\n\x00"):
		return berth.Errorf(CodeEnvironment, "A line of the pip packages has more than %d characters or a line break. Write one package in a "+
			"line.", maxRequirement)
	case strings.ContainsAny(line, "$\\"): // the resolver would put in settings of the server, passwords among them
		return berth.Errorf(CodeEnvironment, "The line '%.200s' of the pip packages has a '$' or a backslash, which is not possible here.", line)
	case strings.HasPrefix(line, "-"):
		return p.option(line)
	}
	m := requirement.FindStringSubmatch(line)
	if m == nil {
		return berth.Errorf(CodeEnvironment, "'%.200s' is no requirement of a package, such as 'scikit-learn==1.5'.", line)
	}
	switch name := normalName(m[1]); {
	case name == "azureml-defaults":
		p.note("The package azureml-defaults is replaced by %s, the part of it that scoring needs.", server)
	case name == "azureml-core" && m[3] != "":
		p.note("The package azureml-core is installed in the newest version for this Python, and not in the version '%s'.", m[3])
		p.Requirements = append(p.Requirements, "azureml-core")
	case slices.Contains(left, name):
		p.note("The package %s is left out, because scoring does not need it.", m[1])
	case strings.Contains(m[3], "://") && !plainURL(m[3]):
		return badAddress(m[1])
	default:
		p.Requirements = append(p.Requirements, line)
	}
	return nil
}

func badAddress(what string) *berth.Error {
	return berth.Errorf(CodeEnvironment, "The address of '%.200s' is not one that begins with https:// and has no password. "+
		"Settings with passwords belong to the server (UV_INDEX_URL).", what)
}

// option takes over those lines that say where packages come from.
func (p *plan) option(line string) *berth.Error {
	name, value, _ := strings.Cut(strings.Replace(line, "=", " ", 1), " ")
	value = strings.TrimSpace(value)
	switch name {
	case "--extra-index-url", "--index-url", "-i", "--find-links", "-f":
		if !plainURL(value) {
			return badAddress(name)
		}
		if name == "-i" {
			name = "--index-url"
		} else if name == "-f" {
			name = "--find-links"
		}
		p.Requirements = append(p.Requirements, name+" "+value)
		return nil
	}
	return berth.Errorf(CodeEnvironment, "The line '%.200s' of the pip packages is not possible here. Name packages, --extra-index-url or "+
		"--find-links.", line)
}

// plainURL reports whether a text holds an address of https and no password.
func plainURL(text string) bool {
	at := strings.Index(text, "https://")
	if at < 0 {
		return false
	}
	u, err := url.Parse(strings.Fields(text[at:])[0])
	return err == nil && u.Host != "" && u.User == nil
}
