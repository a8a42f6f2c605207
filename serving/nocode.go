package serving

import (
	"cmp"
	_ "embed" // the scripts
	"encoding/json"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"berth.dev/berth"
)

// Format is the format of a model that is served without an entry script: Berth has a script for it.
type Format string

// Formats of models.
const (
	MLflow      Format = "MLflow"      // a folder that MLflow has saved; it names the packages that it needs
	ScikitLearn Format = "ScikitLearn" // one file that joblib or pickle has saved
)

// NoCode is a model that is served without an entry script.
type NoCode struct {
	Format Format
	// Path is the folder of the model below AppRoot. The model is in it, or in its only folder.
	Path string
	// Version is that of the library that saved the model; for MLflow the model says it.
	Version string
}

var (
	//go:embed mlflow.py
	mlflowScript string
	//go:embed sklearn.py
	sklearnScript string
)

const (
	modelVariable = "BERTH_MODEL" // where those scripts find the model
	scriptKey     = "score.py"    // in the ConfigMap of the files
	maxDescribing = 1 << 20       // bytes of a file that describes a model
)

// noCode adds to the deployment what a model without an entry script needs: a script and packages.
func (a *advance) noCode(open Source) error {
	n := a.d.NoCode
	switch {
	case n == nil:
		return nil
	case !a.base || a.d.EntryScript != "":
		a.refuse(StepFiles, berth.Errorf(berth.CodeBadRequest, "The deployment has an entry script or an image, and a model that is to be "+
			"served without one. Leave one of them out."))
		return nil
	}
	var e *berth.Error
	var err error
	switch n.Format {
	case MLflow:
		e, err = a.mlflow(open)
	case ScikitLearn:
		e = a.sklearn()
	default:
		e = berth.Errorf(berth.CodeBadRequest, "Models of the format '%.40s' are not served without an entry script. Write one "+
			"(score.py).", n.Format)
	}
	a.refuse(StepFiles, e)
	return err
}

// withModel sets the script, the place of the model and further packages. The deployment of the caller stays as it is.
func (a *advance) withModel(script, model string, requirements ...string) {
	a.script = script
	variables := map[string]string{modelVariable: path.Join(a.modelsAt(), strings.TrimPrefix(model, modelsDir))}
	for name, value := range a.d.Environment.Variables {
		variables[name] = value
	}
	a.d.Environment.Variables = variables
	a.d.Environment.Requirements = slices.Concat(a.d.Environment.Requirements, requirements)
}

// modelsAt is where the models are in a container.
func (a *advance) modelsAt() string { return cmp.Or(a.d.ModelMount, path.Join(AppRoot, modelsDir)) }

func (a *advance) sklearn() *berth.Error {
	var files []string
	for _, f := range a.d.Files {
		if strings.HasPrefix(f.Path, a.d.NoCode.Path+"/") {
			files = append(files, f.Path)
		}
	}
	if len(files) != 1 {
		return berth.Errorf(berth.CodeBadRequest, "A model of scikit-learn without an entry script is one file, and this one has %d files. "+
			"Register the file, or deploy with an entry script.", len(files))
	}
	wanted := "scikit-learn"
	if a.d.NoCode.Version != "" {
		wanted += "==" + a.d.NoCode.Version
	} else {
		a.p.Warnings = append(a.p.Warnings, "The model does not say which version of scikit-learn has saved it (model_framework_version); the "+
			"newest one loads it.")
	}
	a.withModel(sklearnScript, files[0], wanted)
	return nil
}

// mlmodel is what is read of the file MLmodel.
type mlmodel struct {
	Flavors struct {
		Python *struct {
			Env json.RawMessage `json:"env"` // "conda.yaml", or {"conda": "conda.yaml", "virtualenv": "python_env.yaml"}
		} `json:"python_function"`
	} `json:"flavors"`
}

// condaFile is the name of the file that names the packages.
func (m *mlmodel) condaFile() string {
	var both struct{ Conda string }
	var name string
	if json.Unmarshal(m.Flavors.Python.Env, &name) != nil {
		_ = json.Unmarshal(m.Flavors.Python.Env, &both) // neither: the usual name
		name = both.Conda
	}
	return path.Clean("/" + cmp.Or(name, "conda.yaml"))[1:]
}

// mlflow reads what a model of MLflow says of itself. Its packages are installed as it names them, besides those of the deployment.
func (a *advance) mlflow(open Source) (*berth.Error, error) {
	root, found := a.mlflowRoot()
	if !found {
		return berth.Errorf(berth.CodeBadRequest, "The model has no file MLmodel, or has it in an archive. Register the folder that MLflow has "+
			"saved (mlflow.sklearn.save_model), or deploy with an entry script."), nil
	}
	var m mlmodel
	if _, e, err := a.describes(open, root+"/MLmodel", &m); e != nil || err != nil {
		return e, err
	}
	if m.Flavors.Python == nil {
		return berth.Errorf(berth.CodeBadRequest, "The MLflow model has no flavor python_function, by which it would be loaded. Save it with a "+
			"library of Python, or deploy with an entry script."), nil
	}
	var env struct {
		Dependencies []json.RawMessage `json:"dependencies"`
	}
	there, e, err := a.describes(open, path.Join(root, m.condaFile()), &env)
	if e != nil || err != nil {
		return e, err
	}
	var pip []string
	if there {
		var conda []string
		if conda, pip, e = condaPackages(env.Dependencies); e != nil {
			return e, nil
		}
		a.d.Environment.Conda = slices.Concat(a.d.Environment.Conda, conda)
	} else if pip, e, err = a.pipFile(open, root); e != nil || err != nil {
		return e, err
	}
	a.withModel(mlflowScript, root, pip...)
	a.needs("mlflow-skinny", "mlflow", "mlflow-skinny")
	a.needs("pandas", "pandas", "mlflow")
	return nil, nil
}

// needs adds a package unless one of these is there that brings it.
func (a *advance) needs(name string, or ...string) {
	e := &a.d.Environment
	for _, line := range slices.Concat(e.Requirements, e.Conda) {
		if m := requirement.FindStringSubmatch(strings.TrimSpace(line)); m != nil && slices.Contains(or, normalName(m[1])) {
			return
		}
	}
	a.p.Warnings = append(a.p.Warnings, fmt.Sprintf("The MLflow model does not name the package %s, without which it is not served; it is "+
		"added.", name))
	e.Requirements = append(e.Requirements, name)
}

// mlflowRoot is the folder with the file MLmodel: that of the model, or the only one in it that has one.
func (a *advance) mlflowRoot() (root string, found bool) {
	for _, f := range a.d.Files {
		dir := path.Dir(f.Path)
		if path.Base(f.Path) != "MLmodel" || f.Unpack || dir != a.d.NoCode.Path && path.Dir(dir) != a.d.NoCode.Path {
			continue
		}
		if dir == a.d.NoCode.Path {
			return dir, true
		}
		if found {
			return "", false
		}
		root, found = dir, true
	}
	return root, found
}

// describes reads a file of the deployment, in YAML; false when there is none.
func (a *advance) describes(open Source, name string, into any) (bool, *berth.Error, error) {
	text, found, e, err := a.read(open, name)
	if !found || e != nil || err != nil {
		return false, e, err
	}
	if err := yaml.Unmarshal(text, into); err != nil {
		return false, berth.Errorf(berth.CodeBadRequest, "The file %s of the model is not what MLflow writes: %.200s.", path.Base(name), err), nil
	}
	return true, nil, nil
}

// read is the content of a small file of the deployment.
func (a *advance) read(open Source, name string) (text []byte, found bool, e *berth.Error, err error) {
	i := slices.IndexFunc(a.d.Files, func(f File) bool { return f.Path == name && !f.Unpack })
	if i < 0 {
		return nil, false, nil, nil
	}
	if a.d.Files[i].Size > maxDescribing {
		return nil, true, berth.Errorf(berth.CodeBadRequest, "The file %s of the model has %d bytes; at most %d are possible.", path.Base(name),
			a.d.Files[i].Size, maxDescribing), nil
	}
	from, err := open(a.ctx, a.d.Files[i].Digest, 0)
	if err != nil {
		return nil, true, nil, err
	}
	defer func() { _ = from.Close() }()
	text, err = io.ReadAll(io.LimitReader(from, maxDescribing))
	return text, true, nil, err
}

// pipFile reads the packages of a model that has no conda.yaml.
func (a *advance) pipFile(open Source, root string) ([]string, *berth.Error, error) {
	var env struct{ Python string }
	if _, e, err := a.describes(open, root+"/python_env.yaml", &env); e != nil || err != nil {
		return nil, e, err
	}
	a.d.Environment.Python = cmp.Or(a.d.Environment.Python, env.Python)
	text, found, e, err := a.read(open, root+"/requirements.txt")
	if e != nil || err != nil {
		return nil, e, err
	}
	if !found {
		return nil, berth.Errorf(berth.CodeBadRequest, "The MLflow model has neither conda.yaml nor requirements.txt, so it is not known which "+
			"packages it needs. Save it again with MLflow, or deploy with an environment and an entry script."), nil
	}
	return strings.Split(string(text), "\n"), nil, nil
}

// condaPackages splits the dependencies of a conda specification into those of conda and those of pip.
func condaPackages(dependencies []json.RawMessage) (conda, pip []string, e *berth.Error) {
	for _, raw := range dependencies {
		var name string
		var nested struct {
			Pip []string `json:"pip"`
		}
		switch {
		case json.Unmarshal(raw, &name) == nil:
			conda = append(conda, name)
		case json.Unmarshal(raw, &nested) == nil && nested.Pip != nil:
			pip = append(pip, nested.Pip...)
		default:
			return nil, nil, berth.Errorf(CodeEnvironment, "The dependency %.100s of the environment is neither a name nor a list of pip.", raw)
		}
	}
	return conda, pip, nil
}

// mountable says what is wrong with the place for models that is asked for.
func mountable(p string) *berth.Error {
	if p == "" || path.IsAbs(p) && path.Clean(p) == strings.TrimSuffix(p, "/") && len(p) <= 512 && !strings.ContainsAny(p, ":\x00") &&
		!slices.ContainsFunc([]string{"/proc", "/sys", "/dev", "/berth", envRoot, "/tmp"}, func(own string) bool {
			return p == own || strings.HasPrefix(p, own+"/")
		}) {
		return nil
	}
	return berth.Errorf(berth.CodeBadRequest, "The models cannot be mounted at '%.200s'. Name a folder by its whole path, such as "+
		"/var/models (model_mount_path).", p)
}

// modelDir is where a container finds the models or, when there is one, the model.
func (a *advance) modelDir() string {
	dir := cmp.Or(a.d.ModelDir, modelsDir)
	if rest, is := strings.CutPrefix(dir, modelsDir); is && (rest == "" || rest[0] == '/') {
		return path.Join(a.modelsAt(), rest)
	}
	return path.Join(AppRoot, dir)
}
