package studio

import (
	"cmp"
	"strings"

	"sigs.k8s.io/yaml"

	"berth.dev/berth"
	"berth.dev/berth/client"
)

// onlineCode makes the same endpoint and deployment as the form with other tools.
func (f deployForm) onlineCode(v *visit, asked onlineRequest) []snippet {
	if f.endpointName() == "" {
		f.Name = "ENDPOINT"
	}
	f.Deployment = cmp.Or(f.Deployment, "DEPLOYMENT")
	f.Compute = cmp.Or(f.Compute, "COMPUTE")
	return tools(map[string]string{"SDK v2": f.sdk2(v), "az ml": f.commands(v, "az ml"), "berth ml": f.commands(v, "berth ml"),
		"curl": f.onlineCurl(v, asked)})
}

// tools are snippets in the order of the page, which has a place for each tool: one that does not do this has no text.
func tools(texts map[string]string) (out []snippet) {
	for _, name := range []string{"SDK v1", "SDK v2", "az ml", "berth ml", "curl"} {
		out = append(out, snippet{name, texts[name]})
	}
	return out
}

func (f deployForm) authWord() string {
	if f.Auth == "token" {
		return "aml_token"
	}
	return "key"
}

// modelWord names the model as the SDK and YAML do; empty for one that is uploaded.
func (f deployForm) modelWord() string {
	if f.Source == "upload" {
		return ""
	}
	return "azureml:" + f.Model
}

// sdk2Arguments are the arguments of a deployment in Python, and the classes that they need.
func (f deployForm) sdk2Arguments() (names, arguments []string) {
	names = []string{"KubernetesOnlineDeployment", "OnlineRequestSettings"}
	arguments = []string{"name=" + py(f.Deployment), "endpoint_name=" + py(f.endpointName())}
	add := func(name, argument string) {
		if name != "" {
			names = append(names, name)
		}
		arguments = append(arguments, argument)
	}
	if model := f.modelWord(); model != "" {
		add("", "model="+py(model))
	} else {
		file, name := f.modelPlace()
		typ := ""
		if f.kind() != "" {
			typ = ", type=" + py(f.kind())
		}
		add("Model", "model=Model(path="+py(file)+", name="+py(name)+typ+")")
	}
	if script := f.scriptName(); script != "" {
		add("CodeConfiguration", "code_configuration=CodeConfiguration(code=\".\", scoring_script="+py(script)+")")
	}
	switch f.PackagesFrom {
	case "typed":
		add("Environment", "environment=Environment(image="+py(baseImage)+", conda_file="+oneLine(f.condaObject())+")")
	case "registered":
		add("", "environment="+py("azureml:"+f.Environment+"@latest"))
	}
	if f.InstanceType != "" {
		add("", "instance_type="+py(f.InstanceType))
	}
	if f.Scaling == "auto" {
		add("TargetUtilizationScaleSettings", "scale_settings=TargetUtilizationScaleSettings(min_instances="+f.Least+", max_instances="+
			f.Most+", target_utilization_percentage="+f.Occupied+")")
	} else {
		add("", "instance_count="+f.Replicas)
	}
	add("", "request_settings=OnlineRequestSettings(request_timeout_ms="+f.Timeout+")")
	return names, arguments
}

func (f deployForm) sdk2(v *visit) string {
	var b strings.Builder
	names, arguments := f.sdk2Arguments()
	if f.Endpoint == "" {
		names = append(names, "KubernetesOnlineEndpoint")
	}
	b.WriteString("from azure.ai.ml import MLClient\nfrom azure.ai.ml.entities import (\n    " + strings.Join(names, ",\n    ") + ",\n)\n\n" +
		"ml_client = MLClient(credential, " + py(v.SubscriptionID) + ", " + py(v.Group()) + ", " + py(v.Workspace()) + ")\n")
	if f.Endpoint == "" {
		b.WriteString("endpoint = KubernetesOnlineEndpoint(name=" + py(f.Name) + ", compute=" + py(f.Compute) +
			", auth_mode=" + py(f.authWord()) + ")\nml_client.online_endpoints.begin_create_or_update(endpoint).result()\n")
	}
	b.WriteString("deployment = KubernetesOnlineDeployment(\n    " + strings.Join(arguments, ",\n    ") + ",\n)\n" +
		"ml_client.online_deployments.begin_create_or_update(deployment).result()")
	if f.Serve {
		if f.Endpoint != "" {
			b.WriteString("\nendpoint = ml_client.online_endpoints.get(" + py(f.Endpoint) + ")")
		}
		b.WriteString("\nendpoint.traffic = {" + py(f.Deployment) + ": 100}\n" +
			"ml_client.online_endpoints.begin_create_or_update(endpoint).result()")
	}
	return b.String()
}

// oneLine is a value as Python and JSON write it alike: texts, lists and objects of them.
func oneLine(value any) string {
	return strings.TrimSpace(strings.Join(strings.Fields(indented(value)), " "))
}

// deploymentYAML is the deployment as az ml takes it.
func (f deployForm) deploymentYAML() client.Object {
	out := client.Object{"$schema": "https://azuremlschemas.azureedge.net/latest/kubernetesOnlineDeployment.schema.json", "name": f.Deployment,
		"type": "kubernetes", "endpoint_name": f.endpointName(), "request_settings": client.Object{"request_timeout_ms": word(f.Timeout)}}
	if model := f.modelWord(); model != "" {
		out["model"] = model
	} else {
		file, name := f.modelPlace()
		model := client.Object{"name": name, "version": 1, "path": file}
		if f.kind() != "" {
			model["type"] = f.kind()
		}
		out["model"] = model
	}
	if script := f.scriptName(); script != "" {
		out["code_configuration"] = client.Object{"code": ".", "scoring_script": script}
	}
	switch f.PackagesFrom {
	case "typed":
		out["environment"] = client.Object{"image": baseImage, "conda_file": f.condaObject()}
	case "registered":
		out["environment"] = "azureml:" + f.Environment + "@latest"
	}
	if f.InstanceType != "" {
		out["instance_type"] = f.InstanceType
	}
	if f.Scaling == "auto" {
		out["scale_settings"] = client.Object{"type": "target_utilization", "min_instances": word(f.Least), "max_instances": word(f.Most),
			"target_utilization_percentage": word(f.Occupied)}
	} else {
		out["instance_count"] = word(f.Replicas)
	}
	return out
}

// word is a number as such, and else the text: it is shown as it was typed.
func word(typed string) any {
	if n := (figure{typed: typed}).value(); n != nil {
		return n
	}
	return typed
}

// commands are az's or Berth's own: they have the same grammar.
func (f deployForm) commands(v *visit, tool string) string {
	var b strings.Builder
	where := " -g " + sh(v.Group()) + " -w " + sh(v.Workspace())
	file := func(name string, content client.Object) string {
		text, _ := yaml.Marshal(content) // texts and numbers
		b.WriteString("cat > " + sh(name) + " <<'EOF'\n" + string(text) + "EOF\n")
		return sh(name)
	}
	if f.Endpoint == "" {
		endpoint := file("endpoint.yml", client.Object{
			"$schema": "https://azuremlschemas.azureedge.net/latest/kubernetesOnlineEndpoint.schema.json", "name": f.Name,
			"compute": "azureml:" + f.Compute, "auth_mode": f.authWord()})
		b.WriteString(tool + " online-endpoint create -f " + endpoint + where + "\n")
	}
	deployment := file(f.Deployment+".yml", f.deploymentYAML())
	b.WriteString(tool + " online-deployment create -f " + deployment)
	if f.Serve {
		b.WriteString(" --all-traffic")
	}
	b.WriteString(where)
	return b.String()
}

func (f deployForm) onlineCurl(v *visit, asked onlineRequest) string {
	var b strings.Builder
	put := func(id berth.ID, body client.Object) {
		b.WriteString("curl --cacert \"$SSL_CERT_FILE\" -X PUT -H \"Authorization: Bearer $TOKEN\" -H 'Content-Type: application/json' \\\n  " +
			sh(v.Endpoint+client.Path(id)+"?api-version=2024-04-01") + " \\\n  -d " + sh(indented(body)) + "\n")
	}
	endpoint := v.onlineID(f.endpointName())
	if asked.Endpoint != nil {
		put(endpoint, asked.Endpoint)
	}
	p := client.Object{}
	for key, value := range objectsOf(asked.Deployment["properties"]) {
		p[key] = value
	}
	if f.Source == "upload" {
		_, name := f.modelPlace()
		p["model"] = v.versionID(name + ":1")
	}
	if asked.Environment != nil {
		env := client.Asset{Collection: "environments", Name: f.Deployment + "-env", Version: "1"}
		p["environmentId"] = v.arm.AssetID(v.space(), env)
		if id, err := berth.ParseID(v.arm.AssetID(v.space(), env)); err == nil {
			put(id, client.Object{"properties": asked.Environment})
		}
	}
	if script := f.scriptName(); script != "" {
		p["codeConfiguration"] = client.Object{"scoringScript": script,
			"codeId": v.arm.AssetID(v.space(), client.Asset{Collection: "codes", Name: "CODE", Version: "1"})}
	}
	body := client.Object{"properties": p}
	if sku := asked.Deployment["sku"]; sku != nil {
		body["sku"] = sku
	}
	put(endpoint.Child("deployments", f.Deployment), body)
	return strings.TrimRight(b.String(), "\n")
}
