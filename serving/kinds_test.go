package serving_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"berth.dev/berth/serving"
)

// savesModels writes models in the formats that need no entry script, and hands out their files.
const savesModels = `
import base64, joblib, mlflow.sklearn, os
from sklearn.datasets import load_diabetes
from sklearn.linear_model import Ridge

def init():
    x, y = load_diabetes(return_X_y=True, as_frame=True)
    model = Ridge(alpha=0.5).fit(x, y)
    mlflow.sklearn.save_model(model, "/tmp/model", input_example=x[:1], pip_requirements=PACKAGES, serialization_format="cloudpickle")
    joblib.dump(Ridge(alpha=0.5).fit(x.to_numpy(), y), "/tmp/model/model.joblib")

def run(data):
    out = {}
    for folder, _, names in os.walk("/tmp/model"):
        for name in names:
            with open(os.path.join(folder, name), "rb") as f:
                out[os.path.relpath(f.name, "/tmp/model")] = base64.b64encode(f.read()).decode()
    return out
`

// packages are those that the test models name. They are those of the environment that saves them: so it is built once.
var packages = []string{"cloudpickle", "mlflow-skinny", "pandas", "scikit-learn"}

// TestWithoutScript: models of MLflow and scikit-learn are served without an entry script, and an image finds its model where it was asked
// for, and is asked at its own ports and paths.
func TestWithoutScript(t *testing.T) {
	w := newWorld(t, 1)
	names, err := json.Marshal(packages)
	if err != nil {
		t.Fatal(err)
	}
	w.serve(w.deployment("saver", strings.Replace(savesModels, "PACKAGES", string(names), 1), packages...))
	w.route("saver")
	var saved map[string][]byte
	if err := json.Unmarshal([]byte(w.scored("saver", "{}")), &saved); err != nil {
		t.Fatal(err)
	}
	joblib := saved["model.joblib"]
	delete(saved, "model.joblib")
	bare := func(name string, n serving.NoCode) serving.Deployment {
		d := w.deployment(name, "")
		d.Files, d.EntryScript = nil, ""
		d.NoCode, d.ModelDir = &n, n.Path
		d.Environment.Requirements = nil
		return d
	}
	t.Run("mlflow", func(t *testing.T) {
		w := w.as(t)
		d := bare("mlflow", serving.NoCode{Format: serving.MLflow, Path: "azureml-models/ridge/1"})
		for name, content := range saved {
			d.Files = append(d.Files, w.file("azureml-models/ridge/1/model/"+name, content))
		}
		d.ModelMount = "/var/models"
		w.serve(d)
		w.route("mlflow")
		const row = `[0.03,0.05,0.06,0.02,-0.04,-0.03,-0.04,0.0,0.02,-0.02]`
		table := w.scored("mlflow", `{"input_data": {"columns": ["age","sex","bmi","bp","s1","s2","s3","s4","s5","s6"], "data": [`+row+`]}}`)
		if list := w.scored("mlflow", `{"input_data": [`+row+`]}`); table != list || len(table) < 10 || table[0] != '[' {
			t.Errorf("a table is answered with %s, a list with %s", table, list)
		}
		for _, bad := range []string{`{"data": []}`, `{"input_data": {"columns": ["age"], "data": [[1]]}}`, `not JSON`} {
			if status, answer, err := w.score("mlflow", secretKey, bad); status != 400 || !strings.Contains(answer, "message") || err != nil {
				t.Errorf("%s is answered with %d %s, %v", bad, status, answer, err)
			}
		}
	})
	t.Run("scikit-learn", func(t *testing.T) {
		w := w.as(t)
		d := bare("sklearn", serving.NoCode{Format: serving.ScikitLearn, Path: "azureml-models/ridge/2"})
		d.Environment.Requirements = packages
		d.Files = []serving.File{w.file("azureml-models/ridge/2/model.joblib", joblib)}
		w.serve(d)
		w.route("sklearn")
		answer := w.scored("sklearn", `{"data": [[0,0,0,0,0,0,0,0,0,0]], "method": "predict"}`)
		if !strings.HasPrefix(answer, `{"predict": [15`) {
			t.Errorf("it answers %s", answer)
		}
		if status, answer, _ := w.score("sklearn", secretKey, `{"data": [[1]]}`); status != 400 || !strings.Contains(answer, "10 values") {
			t.Errorf("a short row is answered with %d %s", status, answer)
		}
	})
	t.Run("a model that does not load", func(t *testing.T) {
		w := w.as(t)
		d := bare("nothing", serving.NoCode{Format: serving.ScikitLearn, Path: "azureml-models/ridge/3"})
		d.Environment.Requirements = packages
		d.Files = []serving.File{w.file("azureml-models/ridge/3/model.joblib", nil)}
		p := w.deploy(d)
		if p.Failure == nil || p.Failure.Code != serving.CodeScript || p.Failure.Message != "The model cannot be loaded: EOFError." {
			t.Errorf("a model of 0 bytes is told as %v\n%s", p.Failure, p.Log)
		}
	})
	t.Run("a pickle of a stranger", func(t *testing.T) { w.as(t).reachesNothing(packages) })
	t.Run("a container", func(t *testing.T) { w.as(t).container() })
}

// container serves an image with its own command, ports and paths.
func (w *world) container() {
	w.Helper()
	d := w.deployment("container", "")
	d.EntryScript = ""
	d.ModelDir, d.ModelMount = "azureml-models/words/1", "/var/models"
	d.Files = []serving.File{w.file("azureml-models/words/1/live.txt", []byte("live")),
		w.file("azureml-models/words/1/word.txt", []byte("one"))}
	d.Environment = serving.Environment{Image: serving.PythonImage, Port: 8501, Variables: map[string]string{"HEALTH": "8502"},
		Command: []string{"sh", "-c", `cd "$AZUREML_MODEL_DIR" && [ "$PWD" = /var/models/words/1 ] && ` +
			`(python3 -m http.server "$HEALTH" & exec python3 -m http.server 8501)`}}
	d.Liveness, d.Readiness = serving.Probe{Port: 8502, Path: "/live.txt"}, serving.Probe{Port: 8501, Path: "/word.txt"}
	w.serve(d)
	w.routeTo("container", "/word.txt")
	w.until("an answer of the container", func() error {
		status, answer, err := w.ask(http.MethodGet, "container", secretKey, "")
		if err == nil && (status != http.StatusOK || answer != "one") {
			err = fmt.Errorf("%d %s", status, answer)
		}
		return err
	})
	d.Generation, d.Readiness.Path = 2, "/absent.txt"
	w.until("the probe that fails", func() error {
		p, err := w.s.Advance(w.Context(), w.conn, d, w.open)
		if told := p.Steps[len(p.Steps)-1].Text; err == nil && (!strings.Contains(told, "does not answer its probe yet") ||
			!strings.Contains(told, "404")) {
			err = fmt.Errorf("%+v", p)
		}
		return err
	})
	if status, _, err := w.ask(http.MethodGet, "container", secretKey, ""); status != http.StatusOK || err != nil {
		w.Errorf("what was served before answers %d, %v", status, err)
	}
}
