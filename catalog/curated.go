package catalog

import (
	"slices"
	"strings"
)

// CuratedEnvironment is what Berth installs for the name of one of Azure ML's own (curated) environments. It has the packages that a
// model of that environment needs to be loaded and scored, and not the image.
type CuratedEnvironment struct {
	Name   string
	Python string // of the original
	// Packages are requirements of pip: the version of the original where the Python at hand has a wheel of it, and else the nearest one.
	Packages []string
}

// CuratedVersion is the version of each of them: they do not change.
const CuratedVersion = "1"

// scientific are packages of the years of those environments. What is compiled for NumPy 1 does not load with NumPy 2.
var scientific = []string{`numpy<2; python_version<"3.13"`, `scipy<1.12; python_version<"3.13"`, `pandas<2.2; python_version<"3.13"`,
	`numpy; python_version>="3.13"`, `scipy; python_version>="3.13"`, `pandas; python_version>="3.13"`, "joblib"}

// sklearn is scikit-learn in a version, and in later ones for a Python that has no wheel of it: until names the first such Python.
func sklearn(version, until string) []string {
	later := []struct{ version, python, until string }{{"1.0.2", "3.10", "3.11"}, {"1.1.3", "3.11", "3.12"}, {"1.3.2", "3.12", "3.13"}}
	out := append(slices.Clone(scientific), "scikit-learn=="+version+`; python_version<"`+until+`"`)
	begun := false
	for _, l := range later {
		if begun = begun || l.python == until; begun {
			out = append(out, "scikit-learn=="+l.version+`; python_version=="`+l.python+`"`)
		}
	}
	return append(out, `scikit-learn==1.5.2; python_version>="3.13"`)
}

// curated lists those whose packages have wheels. The names are from Microsoft's list of prebuilt images for inference and from the list
// of curated environments for training.
var curated = []CuratedEnvironment{
	{"AzureML-minimal-ubuntu18.04-py37-cpu-inference", "3.7", nil},
	{"AzureML-minimal-ubuntu20.04-py38-cpu-inference", "3.8", nil},
	{"AzureML-minimal-ubuntu22.04-py39-cpu-inference", "3.9", nil},
	{"AzureML-sklearn-0.24-ubuntu18.04-py37-cpu", "3.7", sklearn("0.24.2", "3.10")},
	{"AzureML-sklearn-0.24.1-ubuntu18.04-py37-cpu-inference", "3.7", sklearn("0.24.1", "3.10")},
	{"AzureML-sklearn-1.0-ubuntu20.04-py38-cpu", "3.8", sklearn("1.0.2", "3.11")},
	{"AzureML-sklearn-1.0-ubuntu20.04-py38-cpu-inference", "3.8", sklearn("1.0.2", "3.11")},
	{"AzureML-sklearn-1.1-ubuntu20.04-py38-cpu", "3.8", sklearn("1.1.3", "3.12")},
	{"AzureML-sklearn-1.5-ubuntu22.04-py310-cpu", "3.10", []string{"scikit-learn==1.5.2", "numpy<2.3", "scipy<1.16", "pandas<3", "joblib"}},
	{"AzureML-onnxruntime-1.6-ubuntu18.04-py37-cpu-inference", "3.7", []string{`onnxruntime==1.6.0; python_version<"3.9"`,
		`onnxruntime; python_version>="3.9"`, "numpy"}},
	{"AzureML-mlflow-ubuntu20.04-py38-cpu-inference", "3.8", []string{"mlflow-skinny", "pandas", "numpy"}},
	{"AzureML-mlflow-ubuntu22.04-py39-cpu-inference", "3.9", []string{"mlflow-skinny", "pandas", "numpy"}},
}

// CuratedEnvironments lists them in the order of their names.
func CuratedEnvironments() []CuratedEnvironment { return curated }

// Curated finds one by its name, in any casing as Azure ML does.
func Curated(name string) (CuratedEnvironment, bool) {
	i := slices.IndexFunc(curated, func(e CuratedEnvironment) bool { return strings.EqualFold(e.Name, name) })
	if i < 0 {
		return CuratedEnvironment{}, false
	}
	return curated[i], true
}

// ReservedEnvironment reports whether a name is one that only Azure ML's own environments may have.
func ReservedEnvironment(name string) bool {
	name = strings.ToLower(name)
	return strings.HasPrefix(name, "azureml") || strings.HasPrefix(name, "microsoft")
}
