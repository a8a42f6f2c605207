package models

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"berth.dev/berth"
)

// payload is the request for a web service as azureml-core sends it. What it leaves out has the default of the original.
type payload struct {
	Name        string            `json:"name"`
	ComputeType string            `json:"computeType"`
	ComputeName string            `json:"computeName"`
	KVTags      map[string]string `json:"kvTags"`
	NumReplicas *int              `json:"numReplicas"`
	AutoScaler  struct {
		Enabled *bool `json:"autoscaleEnabled"`
		Min     *int  `json:"minReplicas"`
		Max     *int  `json:"maxReplicas"`
		Target  *int  `json:"targetUtilization"`
		Refresh *int  `json:"refreshPeriodInSeconds"`
	} `json:"autoScaler"`
	Resources struct {
		CPU         *float64 `json:"cpu"`
		CPULimit    *float64 `json:"cpuLimit"`
		MemoryGB    *float64 `json:"memoryInGB"`
		MemoryLimit *float64 `json:"memoryInGBLimit"`
		GPU         *int     `json:"gpu"`
	} `json:"containerResourceRequirements"`
	Liveness struct {
		Delay     *int `json:"initialDelaySeconds"`
		Period    *int `json:"periodSeconds"`
		Timeout   *int `json:"timeoutSeconds"`
		Successes *int `json:"successThreshold"`
		Failures  *int `json:"failureThreshold"`
	} `json:"livenessProbeRequirements"`
	Concurrent *int   `json:"maxConcurrentRequestsPerContainer"`
	QueueWait  *int   `json:"maxQueueWaitMs"`
	Timeout    *int   `json:"scoringTimeoutMs"`
	Namespace  string `json:"namespace"`
	Keys       struct {
		Primary   string `json:"primaryKey"`
		Secondary string `json:"secondaryKey"`
	} `json:"keys"`
	KeyAuth        *bool                                          `json:"authEnabled"`
	TokenAuth      *bool                                          `json:"aadAuthEnabled"`
	AppInsights    *bool                                          `json:"appInsightsEnabled"`
	DataCollection struct{ StorageEnabled, EventHubEnabled bool } `json:"dataCollection"`
	Overwrite      bool                                           `json:"overwrite"`
	ImageID        string                                         `json:"imageId"`
	Image          *image                                         `json:"environmentImageRequest"`
}

// image is what the pods of a service have: models, other files, and an environment.
type image struct {
	DriverProgram string   `json:"driverProgram"`
	Models        []string `json:"modelIds"`
	Assets        []struct {
		ID     string `json:"id"`
		URL    string `json:"url"`
		Unpack bool   `json:"unpack"`
	} `json:"assets"`
	Environment *environment `json:"environment"`
}

// environment is an Environment of the SDK.
type environment struct {
	Name      string            `json:"name"`
	Version   string            `json:"version"`
	Variables map[string]string `json:"environmentVariables"`
	Python    struct {
		UserManaged bool `json:"userManagedDependencies"`
		Conda       struct {
			Dependencies []json.RawMessage `json:"dependencies"`
		} `json:"condaDependencies"`
	} `json:"python"`
	Docker struct {
		BaseImage      string        `json:"baseImage"`
		BaseDockerfile string        `json:"baseDockerfile"`
		Registry       imageRegistry `json:"baseImageRegistry"`
	} `json:"docker"`
}

// or is a value that may have been left out.
func or[T any](value *T, otherwise T) T {
	if value == nil {
		return otherwise
	}
	return *value
}

func seconds(value *int, otherwise int) time.Duration {
	return time.Duration(or(value, otherwise)) * time.Second
}

func milliseconds(value *int, otherwise int) time.Duration {
	return time.Duration(or(value, otherwise)) * time.Millisecond
}

// spec is the request as the engine works on it. The defaults are those of AksWebservice.deploy_configuration.
func (p *payload) spec() berth.ServiceSpec {
	out := berth.ServiceSpec{
		Compute: p.ComputeName, Auth: berth.AuthKey, PodSpec: berth.PodSpec{Replicas: or(p.NumReplicas, 0),
			CPU: or(p.Resources.CPU, 0.1), CPULimit: or(p.Resources.CPULimit, 0), MemoryGB: or(p.Resources.MemoryGB, 0.5),
			MemoryLimit: or(p.Resources.MemoryLimit, 0), GPUs: or(p.Resources.GPU, 0), Concurrent: or(p.Concurrent, 1),
			QueueWait: milliseconds(p.QueueWait, 500), Timeout: milliseconds(p.Timeout, 60_000),
			Liveness: berth.ServiceProbe{Delay: seconds(p.Liveness.Delay, 310), Period: seconds(p.Liveness.Period, 10),
				Timeout: seconds(p.Liveness.Timeout, 2), Successes: or(p.Liveness.Successes, 1), Failures: or(p.Liveness.Failures, 3)}},
	}
	switch {
	case or(p.TokenAuth, false):
		out.Auth = berth.AuthToken
	case !or(p.KeyAuth, true):
		out.Auth = berth.AuthNone
	}
	if or(p.AutoScaler.Enabled, p.NumReplicas == nil) {
		out.Scale = &berth.ServiceScale{Min: or(p.AutoScaler.Min, 1), Max: or(p.AutoScaler.Max, 10), Target: or(p.AutoScaler.Target, 70),
			Refresh: seconds(p.AutoScaler.Refresh, 1)}
		out.Replicas = out.Scale.Min
	}
	if p.Image != nil {
		p.Image.into(&out)
	}
	out.LogRequests = or(p.AppInsights, false)
	if p.DataCollection.StorageEnabled {
		out.Collect = &berth.DataCollection{Collections: map[string]float64{berth.CollectRequest: 1, berth.CollectResponse: 1}, Rolling: "Day"}
	}
	return out
}

// sourceDirectory and entryScript are the variables by which the SDK says what is run: "folder" and "folder/score.py".
const entryScript = "AZUREML_ENTRY_SCRIPT"

// into adds files and environment. The driver program, which the SDK makes for servers of old, is left out: the server of today imports
// the entry script itself.
func (i *image) into(spec *berth.ServiceSpec) {
	for _, a := range i.Assets {
		if name, is := strings.CutPrefix(a.URL, artifactURL); is && a.ID != i.DriverProgram {
			spec.Files = append(spec.Files, berth.ServiceFile{Name: a.ID, File: name, Unpack: a.Unpack})
		}
	}
	e := i.Environment
	if e == nil { // as the SDK asks for a model without a script; its framework is found with the model
		spec.NoCode = &berth.ServiceFramework{}
		return
	}
	spec.EntryScript = e.Variables[entryScript]
	spec.Environment = e.toServe()
	spec.Environment.Variables = maps.Clone(e.Variables)
}

// frameworkOf adds what a model says of itself to a service without a script: its framework, and its size where the request has none.
func (p *payload) frameworkOf(m *berth.ModelVersion, spec *berth.ServiceSpec) {
	var says struct {
		Framework        string `json:"framework"`
		FrameworkVersion string `json:"frameworkVersion"`
		Resources        *struct {
			CPU      *float64 `json:"cpu"`
			MemoryGB *float64 `json:"memoryInGB"`
			GPU      *int     `json:"gpu"`
		} `json:"resourceRequirements"`
	}
	_ = json.Unmarshal(m.Request, &says) // another shape is no framework, which the rules refuse
	*spec.NoCode = berth.ServiceFramework{Name: says.Framework, Version: says.FrameworkVersion}
	if r := says.Resources; r != nil {
		spec.CPU = or(p.Resources.CPU, or(r.CPU, spec.CPU))
		spec.MemoryGB = or(p.Resources.MemoryGB, or(r.MemoryGB, spec.MemoryGB))
		spec.GPUs = or(p.Resources.GPU, or(r.GPU, spec.GPUs))
	}
}

// artifactURL is how a request names an uploaded file.
const artifactURL = "aml://artifact/"

// packages are the dependencies of a conda specification: python, packages of conda, and requirements of pip.
func (e *environment) packages() (python string, conda, pip []string) {
	for _, raw := range e.Python.Conda.Dependencies {
		var name string
		if json.Unmarshal(raw, &name) == nil {
			if version, isPython := pythonVersion(name); isPython {
				python = version
			} else {
				conda = append(conda, strings.TrimSpace(name))
			}
			continue
		}
		var nested struct {
			Pip []string `json:"pip"`
		}
		if json.Unmarshal(raw, &nested) == nil { // what is neither is reported by unreadPackages
			pip = append(pip, nested.Pip...)
		}
	}
	return python, conda, slices.DeleteFunc(pip, func(r string) bool { return strings.TrimSpace(r) == "" })
}

// unreadPackages are the dependencies that are neither a name nor a list of pip.
func (e *environment) unreadPackages() (out []string) {
	for _, raw := range e.Python.Conda.Dependencies {
		var name string
		var nested map[string][]string
		if json.Unmarshal(raw, &name) != nil && (json.Unmarshal(raw, &nested) != nil || nested["pip"] == nil || len(nested) > 1) {
			out = append(out, fmt.Sprintf("%.100s", raw))
		}
	}
	return out
}

// pythonVersion reads "python=3.8.13" or "python>=3.9,<3.12": 3.8.13 and >=3.9,<3.12.
func pythonVersion(dependency string) (version string, is bool) {
	rest, is := strings.CutPrefix(strings.ReplaceAll(dependency, " ", ""), "python")
	if !is || rest != "" && !strings.ContainsAny(rest[:1], "=<>~!") {
		return "", false
	}
	return strings.TrimLeft(rest, "="), true
}
