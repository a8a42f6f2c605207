package serving

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"berth.dev/berth"
)

const (
	mlmodelText = "flavors:\n  python_function:\n    env:\n      conda: conda.yaml\n      virtualenv: python_env.yaml\n" +
		"    loader_module: mlflow.sklearn\n"
	condaText = "dependencies:\n- python=3.10.11\n- pip<=23.1.2\n- pip:\n  - mlflow==2.7.1\n  - scikit-learn==1.3.0\n"
)

// TestNoCode: what a model says of itself becomes packages, a script and the place of the model, or a refusal in words.
func TestNoCode(t *testing.T) {
	for name, c := range map[string]struct {
		format Format
		files  map[string]string // below the folder of the model
		change func(*Deployment)
		want   []string // the packages
		model  string
		warns  string // part of the warnings
		fault  string // part of it
	}{
		"mlflow": {format: MLflow, files: map[string]string{"MLmodel": mlmodelText, "conda.yaml": condaText},
			want: []string{"mlflow==2.7.1", "scikit-learn==1.3.0"}, model: "/var/azureml-app/azureml-models/m/1"},
		"mlflow in its folder": {format: MLflow, files: map[string]string{"saved/MLmodel": mlmodelText, "saved/conda.yaml": condaText},
			want: []string{"mlflow==2.7.1", "scikit-learn==1.3.0"}, model: "/var/azureml-app/azureml-models/m/1/saved"},
		"mlflow elsewhere": {format: MLflow, files: map[string]string{"MLmodel": mlmodelText, "conda.yaml": condaText},
			change: func(d *Deployment) { d.ModelMount = "/var/models" }, want: []string{"mlflow==2.7.1", "scikit-learn==1.3.0"},
			model: "/var/models/m/1"},
		"mlflow of pip": {format: MLflow, files: map[string]string{"MLmodel": mlmodelText, "python_env.yaml": "python: 3.9.1\n",
			"requirements.txt": "mlflow-skinny\n\npandas\n"}, want: []string{"mlflow-skinny", "", "pandas", ""},
			model: "/var/azureml-app/azureml-models/m/1"},
		"mlflow that does not name itself": {format: MLflow, files: map[string]string{
			"MLmodel":    "flavors: {python_function: {env: conda.yaml}}",
			"conda.yaml": "dependencies: [numpy, {pip: [torch]}]"}, want: []string{"torch", "mlflow-skinny", "pandas"},
			model: "/var/azureml-app/azureml-models/m/1", warns: "does not name the package mlflow-skinny"},
		"mlflow without packages": {format: MLflow, files: map[string]string{"MLmodel": mlmodelText}, fault: "neither conda.yaml nor"},
		"mlflow without Python": {format: MLflow, files: map[string]string{"MLmodel": "flavors: {crate: {}}"},
			fault: "no flavor python_function"},
		"mlflow without MLmodel": {format: MLflow, files: map[string]string{"model.pkl": "x"}, fault: "has no file MLmodel"},
		"mlflow twice": {format: MLflow, files: map[string]string{"a/MLmodel": mlmodelText, "b/MLmodel": mlmodelText},
			fault: "has no file MLmodel"},
		"mlflow that is no YAML": {format: MLflow, files: map[string]string{"MLmodel": "a: [b"}, fault: "not what MLflow writes"},
		"mlflow that leads out": {format: MLflow, files: map[string]string{"MLmodel": "flavors: {python_function: {env: ../../x/conda.yaml}}"},
			fault: "neither conda.yaml nor"},
		"mlflow of a tree": {format: MLflow, files: map[string]string{"MLmodel": mlmodelText, "conda.yaml": "dependencies: [{pip: {a: b}}]"},
			fault: "neither a name nor a list of pip"},
		"mlflow that is large": {format: MLflow, files: map[string]string{"MLmodel": strings.Repeat("#", maxDescribing+1)},
			fault: "at most 1048576 are possible"},
		"scikit-learn": {format: ScikitLearn, files: map[string]string{"model.pkl": "x"},
			change: func(d *Deployment) { d.NoCode.Version = "1.5.2" }, want: []string{"scikit-learn==1.5.2"},
			model: "/var/azureml-app/azureml-models/m/1/model.pkl"},
		"scikit-learn of any version": {format: ScikitLearn, files: map[string]string{"model.pkl": "x"}, want: []string{"scikit-learn"},
			model: "/var/azureml-app/azureml-models/m/1/model.pkl", warns: "model_framework_version"},
		"scikit-learn of two files": {format: ScikitLearn, files: map[string]string{"a.pkl": "x", "b.pkl": "x"}, fault: "has 2 files"},
		"another format":            {format: "Caffe", files: map[string]string{"a": "x"}, fault: "the format 'Caffe' are not served"},
		"with a script": {format: MLflow, change: func(d *Deployment) { d.EntryScript = "score.py" },
			fault: "Leave one of them out"},
	} {
		t.Run(name, func(t *testing.T) {
			d := Deployment{NoCode: &NoCode{Format: c.format, Path: "azureml-models/m/1"}, ModelDir: "azureml-models/m/1"}
			contents := map[string]string{}
			for file, text := range c.files {
				contents[file] = text
				d.Files = append(d.Files, File{Path: "azureml-models/m/1/" + file, Digest: file, Size: int64(len(text))})
			}
			if c.change != nil {
				c.change(&d)
			}
			a := &advance{Serving: New(Options{}), ctx: t.Context(), d: &d, p: &Progress{}, base: true}
			err := a.noCode(func(_ context.Context, digest string, _ int64) (io.ReadCloser, error) {
				return io.NopCloser(strings.NewReader(contents[digest])), nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if a.p.Failure != nil || c.fault != "" {
				if a.p.Failure == nil || c.fault == "" || !strings.Contains(a.p.Failure.Message, c.fault) {
					t.Errorf("refused with %v", a.p.Failure)
				}
				return
			}
			e := d.Environment
			if !slices.Equal(e.Requirements, c.want) || e.Variables["BERTH_MODEL"] != c.model || a.script == "" {
				t.Errorf("%q, %q", e.Requirements, e.Variables)
			}
			if told := strings.Join(a.p.Warnings, " "); !strings.Contains(told, c.warns) || c.warns == "" && told != "" {
				t.Errorf("warns of %q", told)
			}
		})
	}
}

// TestModelDir: the variable follows the place where the models are.
func TestModelDir(t *testing.T) {
	for _, c := range []struct{ dir, mount, want string }{
		{"", "", "/var/azureml-app/azureml-models"}, {"azureml-models/m/1", "", "/var/azureml-app/azureml-models/m/1"},
		{"azureml-models/m/1", "/var/models", "/var/models/m/1"}, {"elsewhere", "/var/models", "/var/azureml-app/elsewhere"},
	} {
		a := &advance{d: &Deployment{ModelDir: c.dir, ModelMount: c.mount}}
		if got := a.modelDir(); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
	for p, good := range map[string]bool{"": true, "/var/models": true, "/var/models/": true, "models": false, "/": false,
		"/var/../etc": false, "/proc/self": false, "/opt/berth": false, "/tmp": false, "/tmpx": true, "/a:b": false} {
		if e := mountable(p); (e == nil) != good || e != nil && e.Code != berth.CodeBadRequest {
			t.Errorf("%q: %v", p, e)
		}
	}
}

// TestCollects: a script that collects data by itself finds the Service of the routers, unless it is to go elsewhere.
func TestCollects(t *testing.T) {
	for _, c := range []struct {
		collects bool
		own      map[string]string
		want     string
	}{
		{true, nil, "azureml-fe-data.azureml.svc 50011 true"}, {false, nil, "<nil> <nil> <nil>"},
		{true, map[string]string{"AZUREML_MDC_HOST": "elsewhere"}, "elsewhere 50011 true"},
	} {
		a := &advance{Serving: New(Options{}), d: &Deployment{Collects: c.collects, Environment: Environment{Variables: c.own}}}
		got := map[any]any{}
		for _, v := range a.variables() {
			got[v["name"]] = v["value"]
		}
		if said := fmt.Sprint(got["AZUREML_MDC_HOST"], " ", got["AZUREML_MDC_PORT"], " ", got["AZUREML_MDC_ENABLED"]); said != c.want {
			t.Errorf("%+v: %s", c, said)
		}
	}
}
