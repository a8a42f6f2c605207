package studio

import (
	"path"
	"strings"

	"berth.dev/berth/client"
)

// deployForm is the form of a new endpoint, as typed.
type deployForm struct {
	Name, Description      string
	Source                 string // of the model: registered | upload
	Model, ModelName       string // the id of a version; the name for an upload, that of the endpoint when empty
	ModelKind              string // of an upload: custom_model or client.KindMLflow; empty for what the files are
	ScriptFrom, Script     string // text | file | none
	PackagesFrom, Packages string // typed | registered | none
	Environment            string // the name of a registered one
	Compute, Auth          string
	Timeout                string // milliseconds
	sizeForm
	onlineForm
	ModelFiles, ScriptFile client.Uploaded // that have come
	// In a check while the user types, files have not come yet: these are their names.
	modelChosen  []string
	scriptChosen string
}

// startScript is the entry script that the form begins with.
const startScript = `import json
import os

import joblib


def init():
    """Runs once, when a replica starts."""
    global model
    folder = os.environ["AZUREML_MODEL_DIR"]  # the files of the model
    files = [os.path.join(at, f) for at, _, names in os.walk(folder) for f in names]
    model = joblib.load(files[0])


def run(raw_data):
    """Answers one request."""
    data = json.loads(raw_data)["data"]
    return model.predict(data).tolist()
`

const (
	startPackages = "scikit-learn\n"
	startTimeout  = "60000"
)

func startForm() deployForm {
	size := sizeForm{CPU: "0.1", Memory: "0.5", Scaling: "fixed", Replicas: "1", Least: "1", Most: "10", Occupied: "70"}
	return deployForm{Source: "registered", ScriptFrom: "text", Script: startScript, PackagesFrom: "typed", Packages: startPackages,
		Auth: "key", Timeout: startTimeout, sizeForm: size, onlineForm: onlineForm{Kind: kindService, Deployment: "blue", Serve: true}}
}

func deployFormOf(r *received) deployForm {
	f := r.text
	return deployForm{
		Name: f("name"), Description: f("description"), Source: f("source"), Model: f("model"), ModelName: f("modelname"),
		ModelKind: f("modelkind"), modelChosen: chosen(r.Values["modelfile"]), scriptChosen: f("scriptfile"),
		ScriptFrom: f("scriptfrom"), Script: strings.ReplaceAll(r.Get("script"), "\r\n", "\n"), PackagesFrom: f("packagesfrom"),
		Packages: strings.ReplaceAll(r.Get("packages"), "\r\n", "\n"), Environment: f("environment"), Compute: f("compute"), Auth: f("auth"),
		Timeout: f("timeout"), sizeForm: sizeForm{CPU: f("cpu"), Memory: f("memory"), Scaling: f("scaling"), Replicas: f("replicas"),
			Least: f("least"), Most: f("most"), Occupied: f("occupied")},
		onlineForm: onlineForm{Kind: f("kind"), Endpoint: f("endpoint"), Deployment: f("deployment"), InstanceType: f("instancetype"),
			Serve: f("serve") != ""},
		ModelFiles: r.kept("modelfile"), ScriptFile: r.kept("scriptfile"),
	}
}

// chosen are the names of the files that are chosen in the fields of one name: a field without a file sends an empty one.
func chosen(names []string) (out []string) {
	for _, name := range names[:min(len(names), maxUploads)] {
		if name != "" {
			out = append(out, name)
		}
	}
	return out
}

// modelFiles are the files of an uploaded model, or what they are called before they have come.
func (f deployForm) modelFiles() []string {
	if len(f.ModelFiles.Paths) > 0 {
		return f.ModelFiles.Paths
	}
	return f.modelChosen
}

// kind is the kind of an uploaded model.
func (f deployForm) kind() string { return modelKind(f.ModelKind, f.modelFiles()) }

// KeptModel and KeptScript are how the form names files that have come.
func (f deployForm) KeptModel() string { return keptText(f.ModelFiles) }

// KeptScript is that of the entry script.
func (f deployForm) KeptScript() string { return keptText(f.ScriptFile) }

// scriptName is what the entry script is called; empty when there is none.
func (f deployForm) scriptName() string {
	switch {
	case f.ScriptFrom == "none":
		return ""
	case f.ScriptFrom != "file" && strings.TrimSpace(f.Script) != "":
		return "score.py"
	case f.ScriptFrom == "file" && len(f.ScriptFile.Paths) > 0:
		return path.Base(f.ScriptFile.Paths[0])
	case f.ScriptFrom == "file":
		return f.scriptChosen
	}
	return ""
}

// requirements are the packages, one a line, without comments.
func (f deployForm) requirements() (out []string) {
	for line := range strings.Lines(f.Packages) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			out = append(out, line)
		}
	}
	return out
}

// Advanced reports whether a field of the advanced part has a value of its own.
func (f deployForm) Advanced() bool { return f.Description != "" || f.Timeout != startTimeout }

// Size is the part of the form that is about the size.
func (f deployForm) Size() sizeForm { return f.sizeForm }
