package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"berth.dev/berth/client"
)

const (
	endpointsPath  = inGroup + "Microsoft.MachineLearningServices/workspaces/w/onlineEndpoints"
	endpointPath   = endpointsPath + "/ep1"
	deploymentPath = endpointPath + "/deployments/blue"
)

// withEndpoint is a scripted server that has the endpoint ep1 with the deployment blue, and is its scoring address too.
func withEndpoint(t *testing.T) *world {
	t.Helper()
	w := newWorld(t).fill()
	w.ok("configure", "--defaults", "group=g", "workspace=w")
	endpoint := `{"name":"ep1","tags":{"old":"1"},` +
		`"properties":{"provisioningState":"Succeeded","authMode":"Key","compute":"/x/computes/myaks",` +
		`"scoringUri":"https://` + w.host() + `/score"}}`
	deployment := `{"name":"blue","sku":{"capacity":2},"properties":{"provisioningState":"Succeeded","readyReplicas":1,` +
		`"endpointComputeType":"Kubernetes","model":"/x/models/m/versions/3","environmentId":"/x/environments/e/versions/1",` +
		`"codeConfiguration":{"codeId":"/subscriptions/x/codes/c/versions/1","scoringScript":"score.py"},` +
		`"scaleSettings":{"scaleType":"Default"},"description":null,"requestSettings":` +
		`{"requestTimeout":"PT5S","maxQueueWait":"PT0.5S","maxConcurrentRequestsPerInstance":1}}}`
	for request, reply := range map[string]string{
		"GET " + endpointPath: endpoint, "PUT " + endpointPath: "201 " + endpoint, "PATCH " + endpointPath: "202 " + endpoint,
		"DELETE " + endpointPath: "202 ", "GET " + endpointsPath: `{"value":[` + endpoint + `]}`,
		"POST " + endpointPath + "/listKeys":       `{"primaryKey":"first-key","secondaryKey":"second-key"}`,
		"POST " + endpointPath + "/regenerateKeys": "202 ",
		"GET " + endpointPath + "/deployments":     `{"value":[{"name":"blue"},{"name":"green"}]}`,
		"GET " + deploymentPath:                    deployment, "PUT " + deploymentPath: "201 " + deployment,
		"PATCH " + deploymentPath:  "202 " + deployment,
		"DELETE " + deploymentPath: "202 ", "POST " + deploymentPath + "/getLogs": `{"content":"one\ntwo\n"}`, "POST /score": `[1,2]`,
		"GET " + strings.Replace(endpointsPath, "onlineEndpoints", "environments/env/versions", 1): `{"value":[{"name":"7"}]}`,
	} {
		w.on(request, reply)
	}
	return w
}

// sent fails the test unless each of these requests was seen.
func (w *world) sent(methods string, wanted ...string) {
	w.t.Helper()
	seen := ""
	for method := range strings.FieldsSeq(methods) {
		seen += strings.ReplaceAll(w.requests(method), endpointsPath, "…")
	}
	for _, want := range wanted {
		if !strings.Contains(seen, want+"\n") {
			w.t.Errorf("%s was not sent, but:\n%s", want, seen)
		}
	}
}

func TestEndpoints(t *testing.T) {
	w := withEndpoint(t)
	file := write(t, []byte(`{"a": 1}`), t.TempDir(), "request.json")
	yml := write(t, []byte("name: ep1\ncompute: azureml:myaks\nauth_mode: aml_token\ntags: {a: b}\ntraffic: {blue: 100}\n"), t.TempDir(),
		"e.yml")
	for line, want := range map[string]string{
		"show -n ep1 --query properties.authMode": "\"Key\"\n", "get-credentials -n ep1 --query primaryKey": "\"first-key\"\n",
		"list -o table": "Name    State      Compute    AuthMode    ScoringUri", "invoke -n ep1 -r " + file + " -d blue --query [1]": "2\n",
		"create -f " + yml + " -o none": "", "update -n ep1 --traffic blue=100 -o none": "", "regenerate-keys -n ep1 --key-type secondary": "",
		"create -n ep1 --compute other -o none": "", "delete -n ep1 -y": "", "update -f " + yml + " --set tags.a=1 --mirror-traffic= -o none": "",
		"update --set auth_mode=aml_token tags.new=x --remove tags.old -n ep1 -o none": "",
	} {
		if out := w.ok(strings.Fields("ml online-endpoint " + line)...); !strings.HasPrefix(out, want) {
			t.Errorf("%s: %q", line, out)
		}
	}
	computes := strings.TrimSuffix(endpointsPath, "onlineEndpoints") + "computes/"
	w.sent("PUT PATCH POST DELETE", `PUT …/ep1 {"properties":{"authMode":"AMLToken","compute":"`+computes+`myaks","description":"",`+
		`"properties":null,"traffic":{"blue":100}},"tags":{"a":"b"}}`, `PATCH …/ep1 {"properties":{"traffic":{"blue":100,"green":0}}}`,
		`PUT …/ep1 {"properties":{"authMode":"Key","compute":"`+computes+`other","description":"","properties":null}}`,
		`PUT …/ep1 {"properties":{"authMode":"AMLToken","compute":"`+computes+`myaks","description":"","mirrorTraffic":{"blue":0,"green":0},`+
			`"properties":null,"traffic":{"blue":100}},"tags":{"a":"1"}}`,
		`PUT …/ep1 {"properties":{"authMode":"AMLToken","compute":"/x/computes/myaks","description":"","properties":null},"tags":{"new":"x"}}`,
		`POST …/ep1/regenerateKeys {"keyType":"Secondary"}`, "POST /score {\"a\": 1}", "DELETE …/ep1")
	bad := write(t, []byte("name: ep1\nspeed: 3\n"), t.TempDir(), "bad.yml")
	for line, want := range map[string]string{
		"create": "2 --name/-n", "create -f " + bad: `2 unknown field "speed"`, "update -n ep1": "2 nothing to change",
		"update -n ep1 --traffic blue": "2 takes percentages", "invoke -n ep1": "2 --request-file/-r", "delete -n other -y": "3 There is no",
		"regenerate-keys -n ep1 --key-type third": "2 primary or secondary", "update --set a=b": "2 --name/-n",
		"update -n ep1 --set a": "2 PATH=VALUE", "update -n ep1 --set speed=3": `2 --set cannot be used`,
		"update -n ep1 --set name.first=x": "2 'name' has nothing in it",
		"update -n ep1 --remove traffic":   "2 there is no 'traffic'", "update -n ep1 --set tags..a=b": "2 is not a path",
	} {
		if r := offTerminal(strings.Fields("ml online-endpoint " + line)...); r.code != int(want[0]-'0') || !strings.Contains(r.err, want[2:]) {
			t.Errorf("%s: %d %s", line, r.code, r.err)
		}
	}
	w.on("POST /score", `502 {"no":1}`)
	r := offTerminal("ml", "online-endpoint", "invoke", "-n", "ep1", "-r", file, "--debug")
	if r.code != exitFailed || !strings.Contains(r.err, "the model answered 502 Bad Gateway after") || strings.Contains(r.err, "first-key") {
		t.Errorf("%+v", r)
	}
}

const blueYAML = `$schema: https://azuremlschemas.azureedge.net/latest/kubernetesOnlineDeployment.schema.json
name: blue
type: kubernetes
endpoint_name: ep1
model: azureml:m:3
environment: azureml:env@latest
code_configuration: {code: "azureml:/x/codes/c/versions/1", scoring_script: score.py}
environment_variables: {A: b, COUNT: 3}
instance_count: 2
resources: {requests: {cpu: 0.5, memory: 1Gi}, limits: {nvidia.com/gpu: "1"}}
request_settings: {request_timeout_ms: 2500, max_concurrent_requests_per_instance: 4}
liveness_probe: {initial_delay: 20, failure_threshold: 3}
scale_settings: {type: target_utilization, min_instances: 1, max_instances: 3, polling_interval: 2}
data_collector: {rolling_rate: hour, collections: {request: {enabled: 'True', sampling_rate: 0.5}, response: {enabled: false}},
  request_logging: {capture_headers: [x-team]}}
`

// blueUpdated is the request that changes the time of blue, and leaves all else as it is.
const blueUpdated = `PUT …/ep1/deployments/blue {"properties":{"appInsightsEnabled":false,"codeConfiguration":` +
	`{"codeId":"/subscriptions/x/codes/c/versions/1","scoringScript":"score.py"},"containerResourceRequirements":` +
	`{"containerResourceLimits":{"gpu":"1"},"containerResourceRequests":{}},"description":"","endpointComputeType":"Kubernetes",` +
	`"environmentId":"/x/environments/e/versions/1","instanceType":"","model":"/x/models/m/versions/3","modelMountPath":"",` +
	`"properties":null,"requestSettings":{"maxConcurrentRequestsPerInstance":1,"maxQueueWait":"PT0.5S","requestTimeout":"PT9S"},` +
	`"scaleSettings":{"maxInstances":null,"minInstances":null,"pollingInterval":null,"scaleType":"Default",` +
	`"targetUtilizationPercentage":null}},` +
	`"sku":{"capacity":2,"name":"Default"}}`

func TestDeployments(t *testing.T) {
	w := withEndpoint(t)
	yml := write(t, []byte(blueYAML), t.TempDir(), "blue.yml")
	for line, want := range map[string]string{
		"show -n blue -e ep1 --query sku.capacity": "2\n", "get-logs -n blue -e ep1 -l 5 -c storage-initializer": "one\ntwo\n",
		"create -f " + yml + " --all-traffic -o table": "Name    State      Ready    Model    Script", "delete -n blue -e ep1 -y": "",
		"update -n blue -e ep1 --instance-count 3 --variable A=c -o none":                                                         "",
		"update -f " + yml + " --instance-count 4 -o none":                                                                        "",
		`update -n blue -e ep1 --set request_settings.request_timeout_ms=9000 resources.limits.nvidia\.com/gpu=1 -o none`:         "",
		"update -n blue -e ep1 --add data_collector.request_logging.capture_headers x-a x-b --set tags.n=1 description=2 -o none": "",
		"list -e ep1 --query [1].name": "\"green\"\n",
	} {
		if out := w.ok(strings.Fields("ml online-deployment " + line)...); !strings.HasPrefix(out, want) {
			t.Errorf("%s: %q", line, out)
		}
	}
	ws := strings.TrimSuffix(endpointsPath, "/onlineEndpoints")
	w.sent("PUT PATCH POST DELETE", `PUT …/ep1/deployments/blue {"properties":{"appInsightsEnabled":false,`+
		`"codeConfiguration":{"codeId":"/x/codes/c/versions/1","scoringScript":"score.py"},"containerResourceRequirements":`+
		`{"containerResourceLimits":{"gpu":"1"},"containerResourceRequests":{"cpu":"0.5","memory":"1Gi"}},`+
		`"dataCollector":{"collections":{"request":{"dataCollectionMode":"Enabled","samplingRate":0.5},`+
		`"response":{"dataCollectionMode":"Disabled"}},"requestLogging":{"captureHeaders":["x-team"]},"rollingRate":"hour"},"description":"",`+
		`"endpointComputeType":"Kubernetes","environmentId":"`+ws+`/environments/env/versions/7","environmentVariables":{"A":"b","COUNT":"3"},`+
		`"instanceType":"","livenessProbe":{"failureThreshold":3,"initialDelay":"PT20S","period":null,"successThreshold":null,"timeout":null},`+
		`"model":"`+ws+`/models/m/versions/3","modelMountPath":"","properties":null,"requestSettings":{"maxConcurrentRequestsPerInstance":4,`+
		`"maxQueueWait":null,"requestTimeout":"PT2.5S"},"scaleSettings":{"maxInstances":3,"minInstances":1,"pollingInterval":"PT2S",`+
		`"scaleType":"TargetUtilization","targetUtilizationPercentage":null}},"sku":{"capacity":2,"name":"Default"}}`,
		blueUpdated, `PATCH …/ep1 {"properties":{"traffic":{"blue":100,"green":0}}}`,
		`PATCH …/ep1/deployments/blue {"properties":{"environmentVariables":{"A":"c"},"scaleSettings":{"scaleType":"Default"}},`+
			`"sku":{"capacity":3}}`, `POST …/ep1/deployments/blue/getLogs {"containerType":"StorageInitializer","tail":5}`,
		"DELETE …/ep1/deployments/blue")
	if added := `"requestLogging":{"captureHeaders":["x-a","x-b"]}`; !strings.Contains(w.requests("PUT"), added) {
		t.Errorf("%s was not sent", added)
	}
	noVersion := write(t, []byte(strings.Replace(blueYAML, "m:3", "m", 1)), t.TempDir(), "b.yml")
	noCode := write(t, []byte(strings.Replace(blueYAML, `"azureml:/x/codes/c/versions/1"`, "nowhere", 1)), t.TempDir(), "c.yml")
	for line, want := range map[string]string{
		"create": "2 --file/-f", "create -f " + noVersion: "2 'm' names no version", "create -f " + noCode: "1 score.py does not exist",
		"update -n blue -e ep1": "2 nothing to change", "update -n blue --set a=b": "2 endpoint_name",
		"update -f " + yml + " -n other": "3 There is no", "update -f " + yml + " --set instance_count=3": "2 scaled by its use",
		"update -n blue -e ep1 --set instances=3": `2 unknown field "instances"`, "get-logs -n blue -e ep1 -c other": "2 storage-initializer",
		"create -f " + yml + " -e other": "3 There is no", "delete -n other -e ep1 -y": "3 There is no",
	} {
		if r := offTerminal(strings.Fields("ml online-deployment " + line)...); r.code != int(want[0]-'0') || !strings.Contains(r.err, want[2:]) {
			t.Errorf("%s: %d %s", line, r.code, r.err)
		}
	}
}

// TestDeploymentAssets: what a file describes is uploaded and registered, and the request names it.
func TestDeploymentAssets(t *testing.T) {
	atServer(t)
	dir := t.TempDir()
	yml := write(t, []byte(`model: {path: model/, name: net, version: 4, type: mlflow_model}
code_configuration: {code: src, scoring_script: score.py}
environment: {image: mcr.microsoft.com/azureml/x, conda_file: conda.yml}
`), dir, "d.yml")
	for name, text := range map[string]string{"model/MLmodel": "flavors: {}", "src/score.py": "pass",
		"conda.yml": "dependencies: [python=3.11]"} {
		write(t, []byte(text), dir, name)
	}
	in := deploymentFile{}
	doc := &document{file: yml}
	if err := doc.load(&in); err != nil {
		t.Fatal(err)
	}
	c := newCLI(strings.NewReader(""), os.Stdout, os.Stderr)
	cl, err := c.connect()
	if err != nil {
		t.Fatal(err)
	}
	properties := client.Object{}
	u := &assetUpload{c: c, cl: cl, in: client.WorkspaceName{Group: "g", Name: "work"}, folder: filepath.Dir(yml)}
	if err := u.add(t.Context(), &in, properties); err != nil {
		t.Fatal(err)
	}
	for field, words := range map[string][]string{"model": {"/models/net/versions/4"}, "environmentId": {"/environments/", "/versions/1"}} {
		for _, word := range words {
			if !strings.Contains(str(properties, field), word) {
				t.Errorf("%s is %v", field, properties[field])
			}
		}
	}
	for _, id := range []string{str(properties, "model"), str(properties, "environmentId"), str(properties, "codeConfiguration", "codeId")} {
		var got client.Object
		if err := cl.Get(t.Context(), id, &got); err != nil {
			t.Errorf("%s: %v", id, err)
		}
	}
}

// TestCollectorIsKept: a change of one field of a deployment leaves its data collector as it is.
func TestCollectorIsKept(t *testing.T) {
	doc := &document{file: write(t, []byte(blueYAML), t.TempDir(), "blue.yml")}
	in := deploymentFile{}
	if err := doc.load(&in); err != nil {
		t.Fatal(err)
	}
	collector := func(o client.Object) string {
		text, err := json.Marshal(o["properties"].(client.Object)["dataCollector"])
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	text, err := json.Marshal(in.body())
	if err != nil {
		t.Fatal(err)
	}
	now, again := client.Object{}, deploymentFile{} // as the server answers it
	if err := json.Unmarshal(text, &now); err != nil {
		t.Fatal(err)
	}
	changed := &document{content: deploymentYAML(now), changes: changes{all: []changed{{setOption, []string{"description=other"}}}}}
	if err := errors.Join(changed.change(), changed.decode(&again)); err != nil {
		t.Fatal(err)
	}
	if got, want := collector(again.body()), collector(in.body()); got != want || !strings.Contains(want, "x-team") {
		t.Errorf("it is %s, and was %s", got, want)
	}
}
