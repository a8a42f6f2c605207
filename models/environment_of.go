package models

import (
	"cmp"
	"encoding/json"
	"path"

	"sigs.k8s.io/yaml"

	"berth.dev/berth"
)

// Environment is what a version of an environment asks for, in the form of either version of the SDK, and what the rules need to know of
// it besides.
type Environment struct {
	berth.ServiceEnvironment
	BaseImage string   // the image to which packages are to be added
	NoImage   bool     // its packages are the user's own, and no image has them
	Added     bool     // packages are to be added to the image of a Dockerfile
	Unread    []string // dependencies that are neither a name nor a list of pip
}

// environmentV2 is an environment of version 2 of the SDK: the "properties" of its version.
type environmentV2 struct {
	Image           string           `json:"image"`
	CondaFile       string           `json:"condaFile"`
	Build           *buildContext    `json:"build"`
	InferenceConfig *inferenceConfig `json:"inferenceConfig"`
}

// buildContext is a folder with a Dockerfile.
type buildContext struct {
	URI        string `json:"contextUri"`
	Dockerfile string `json:"dockerfilePath"`
}

// path is that of the Dockerfile below the folder.
func (b *buildContext) path() string { return path.Clean(cmp.Or(b.Dockerfile, "Dockerfile")) }

type inferenceConfig struct {
	Liveness  *berth.InferenceRoute `json:"livenessRoute"`
	Readiness *berth.InferenceRoute `json:"readinessRoute"`
	Scoring   *berth.InferenceRoute `json:"scoringRoute"`
}

// EnvironmentOf reads a version of an environment that either version of the SDK has registered.
func EnvironmentOf(r *berth.Resource) (Environment, error) {
	v := r.Body.(*berth.EnvironmentVersion)
	e, err := v1Environment(v)
	if err != nil {
		return Environment{}, err
	}
	out := Environment{BaseImage: e.Docker.BaseImage, Added: e.added(), NoImage: !v.V2 && e.noImage(), Unread: e.unreadPackages()}
	out.ServiceEnvironment = e.toServe()
	out.Name = r.ID.Parent().Name()
	if v.V2 {
		in, err := decodeV2(v.Request)
		if err != nil {
			return Environment{}, err
		}
		out.Inference = in.routes()
		if in.Build != nil {
			out.Image, out.Login = "", nil
			out.Build = &berth.ServiceBuild{Path: in.Build.path(), Folder: v.Folder}
		}
	}
	return out, nil
}

// v1Environment is a version as version 1 of the SDK has it.
func v1Environment(v *berth.EnvironmentVersion) (*environment, error) {
	var out environment
	if !v.V2 {
		return &out, decode(v.Request, &out)
	}
	in, err := decodeV2(v.Request)
	if err != nil {
		return nil, err
	}
	out.Docker.BaseImage = in.Image
	if in.CondaFile == "" {
		out.Python.UserManaged = true // the image is complete
		return &out, nil
	}
	return &out, in.conda(&out.Python.Conda)
}

// toServe is the environment as pods run in it.
func (e *environment) toServe() berth.ServiceEnvironment {
	out := berth.ServiceEnvironment{Name: e.Name, Variables: e.Variables}
	switch {
	case e.Docker.BaseDockerfile != "":
		out.Build = &berth.ServiceBuild{Text: e.Docker.BaseDockerfile}
	case e.Python.UserManaged:
		out.Image, out.Login = e.ready()
	default:
		out.Python, out.Conda, out.Pip = e.packages()
	}
	return out
}

// noImage reports whether no image has the packages that the user manages.
func (e *environment) noImage() bool {
	return e.Python.UserManaged && e.Docker.BaseImage == "" && e.Docker.BaseDockerfile == ""
}

// added reports whether packages are to be added to the image of a Dockerfile.
func (e *environment) added() bool { return e.Docker.BaseDockerfile != "" && !e.Python.UserManaged }

func decodeV2(request json.RawMessage) (in environmentV2, err error) { return in, decode(request, &in) }

// maxConda is how large the text of a conda specification may be, in bytes.
const maxConda = 256 << 10

// conda reads the text of a conda specification, which is YAML.
func (e *environmentV2) conda(into any) error {
	if len(e.CondaFile) > maxConda {
		return berth.Errorf(berth.CodeBadRequest, "The conda file of the environment has %d bytes; at most %d are possible.", len(e.CondaFile),
			maxConda)
	}
	if err := yaml.Unmarshal([]byte(e.CondaFile), into); err != nil {
		return berth.Errorf(berth.CodeBadRequest, "The conda file of the environment is not valid YAML with a list of dependencies.")
	}
	return nil
}

func (e *environmentV2) routes() *berth.InferenceRoutes {
	c := e.InferenceConfig
	if c == nil {
		return nil
	}
	return &berth.InferenceRoutes{Liveness: or(c.Liveness, berth.InferenceRoute{}), Readiness: or(c.Readiness, berth.InferenceRoute{}),
		Scoring: or(c.Scoring, berth.InferenceRoute{})}
}

// environmentOfV2 is an environment of version 2 of the SDK for version 1.
func environmentOfV2(v *berth.EnvironmentVersion) object {
	in, err := decodeV2(v.Request)
	conda := object{}
	if err == nil && in.CondaFile != "" {
		err = in.conda(&conda)
	}
	if err != nil { // it was read when it was registered
		conda = object{}
	}
	return object{
		"docker":               object{"baseImage": plain(in.Image), "baseDockerfile": nil, "enabled": false, "arguments": []any{}},
		"python":               object{"userManagedDependencies": in.CondaFile == "", "condaDependencies": conda, "interpreterPath": "python"},
		"environmentVariables": object{}, "spark": nil,
	}
}
