package studio

import (
	"strings"

	"berth.dev/berth/client"
)

// code deploys the same as the form with other tools.
func (f deployForm) code(v *visit, body client.Object) []snippet {
	if f.Name == "" {
		f.Name = "NAME"
	}
	if f.Compute == "" {
		f.Compute = "COMPUTE"
	}
	return tools(map[string]string{"SDK v1": f.sdk1(v), "berth ml": f.berthML(v), "curl": f.curl(v, body)})
}

// modelPlace is the file or folder of an uploaded model, and the name that it is registered under.
func (f deployForm) modelPlace() (file, name string) {
	file, name = "model.pkl", f.ModelName
	if files := f.modelFiles(); len(files) > 0 {
		file, _, _ = strings.Cut(files[0], "/")
	}
	if len(f.modelFiles()) > 1 && len(f.ModelFiles.Paths) == 0 { // a folder, or one that holds them
		file = "model/"
	}
	if name == "" {
		name = f.Name
	}
	return file, name
}

func (f deployForm) sdk1(v *visit) string {
	var b strings.Builder
	b.WriteString("from azureml.core import Environment, Workspace\nfrom azureml.core.conda_dependencies import CondaDependencies\n" +
		"from azureml.core.model import InferenceConfig, Model\nfrom azureml.core.webservice import AksWebservice\n\n" +
		"ws = Workspace(" + py(v.SubscriptionID) + ", " + py(v.Group()) + ", " + py(v.Workspace()) + ", auth=auth)\n")
	if f.Source == "upload" {
		file, name := f.modelPlace()
		b.WriteString("model = Model.register(ws, model_path=" + py(file) + ", model_name=" + py(name) + ")\n")
	} else {
		name, version, _ := strings.Cut(f.Model, ":")
		b.WriteString("model = Model(ws, name=" + py(name))
		if version != "" {
			b.WriteString(", version=" + pyVersion(version))
		}
		b.WriteString(")\n")
	}
	if f.PackagesFrom == "registered" {
		b.WriteString("env = Environment.get(ws, " + py(f.Environment) + ")\n")
	} else {
		var packages []string
		for _, p := range f.requirements() {
			packages = append(packages, py(p))
		}
		b.WriteString("env = Environment(\"berth\")\nenv.python.conda_dependencies = CondaDependencies.create(pip_packages=[" +
			strings.Join(packages, ", ") + "])\n")
	}
	script := f.scriptName()
	if script == "" {
		script = "score.py"
	}
	settings := []string{"cpu_cores=" + f.CPU, "memory_gb=" + f.Memory}
	if f.Scaling == "auto" {
		settings = append(settings, "autoscale_enabled=True", "autoscale_min_replicas="+f.Least, "autoscale_max_replicas="+f.Most,
			"autoscale_target_utilization="+f.Occupied)
	} else {
		settings = append(settings, "num_replicas="+f.Replicas)
	}
	switch f.Auth {
	case "token":
		settings = append(settings, "token_auth_enabled=True", "auth_enabled=False")
	case "none":
		settings = append(settings, "auth_enabled=False")
	}
	settings = append(settings, "scoring_timeout_ms="+f.Timeout)
	b.WriteString("config = AksWebservice.deploy_configuration(" + strings.Join(settings, ", ") + ")\n" +
		"service = Model.deploy(ws, " + py(f.Name) + ", [model], InferenceConfig(entry_script=" + py(script) + ", environment=env),\n" +
		"                       config, ws.compute_targets[" + py(f.Compute) + "])\nservice.wait_for_deployment(show_output=True)")
	return b.String()
}

func (f deployForm) berthML(v *visit) string {
	var b strings.Builder
	where := " -g " + sh(v.Group()) + " -w " + sh(v.Workspace())
	model := f.Model
	if f.Source == "upload" {
		file, name := f.modelPlace()
		b.WriteString("berth ml model register -n " + sh(name) + " -p " + sh(file) + where + "\n")
		model = name
	}
	b.WriteString("berth ml model deploy")
	add := func(option, value string) {
		if value != "" {
			b.WriteString(" \\\n  " + option + " " + sh(value))
		}
	}
	add("-n", f.Name)
	add("-m", model)
	add("--ct", f.Compute)
	add("--entry-script", f.scriptName())
	if f.PackagesFrom == "registered" {
		add("-e", f.Environment)
	} else {
		for _, p := range f.requirements() {
			add("--pip-package", p)
		}
	}
	add("--cc", f.CPU)
	add("--gb", f.Memory)
	if f.Scaling == "auto" {
		add("--autoscale-min-replicas", f.Least)
		add("--autoscale-max-replicas", f.Most)
		add("--autoscale-target-utilization", f.Occupied)
	} else {
		add("--num-replicas", f.Replicas)
	}
	switch f.Auth {
	case "token":
		b.WriteString(" \\\n  --auth-enabled=false --token-auth-enabled")
	case "none":
		b.WriteString(" \\\n  --auth-enabled=false")
	}
	add("--scoring-timeout-ms", f.Timeout)
	b.WriteString(" \\\n " + where)
	return b.String()
}

func (f deployForm) curl(v *visit, body client.Object) string {
	shown := client.Object{}
	for key, value := range body {
		shown[key] = value
	}
	image := client.Object{}
	for key, value := range objectsOf(body["environmentImageRequest"]) {
		image[key] = value
	}
	if f.ScriptFrom != "file" {
		image["assets"] = []any{scriptAsset(client.Uploaded{Prefix: "LocalUpload/UPLOAD/", Paths: []string{f.scriptName()}})}
	}
	if f.Source == "upload" {
		_, name := f.modelPlace()
		image["modelIds"] = []string{name}
	}
	shown["environmentImageRequest"] = image
	return "curl --cacert \"$SSL_CERT_FILE\" -X POST -H \"Authorization: Bearer $TOKEN\" -H 'Content-Type: application/json' \\\n  " +
		sh(v.Endpoint+v.v1Path("/services")) + " \\\n  -d " + sh(indented(shown))
}
