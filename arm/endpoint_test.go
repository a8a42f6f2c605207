package arm_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"berth.dev/berth"
	"berth.dev/berth/app/apptest"
	"berth.dev/berth/provider/fake"
	"berth.dev/berth/store"
)

// endpointStage has a compute of each type, and a model, a code and an environment. No engine works on endpoints there: the test says what
// became of them.
type endpointStage struct{ *stage }

func newEndpointStage(t *testing.T) endpointStage {
	t.Helper()
	t.Parallel()
	s := endpointStage{newStage(t)}
	s.provider.(*fake.Provider).SaidReal = true
	s.must(s.send("PUT", s.workspace()+"/computes/aks", nil, `{"properties":{"computeType":"AKS","properties":{"clusterPurpose":"DevTest",
		"agentCount":1}}}`).is(http.StatusCreated))
	s.settle()
	for path, version := range map[string]berth.Body{
		"data/ep1-blue-request": &berth.DataVersion{Request: json.RawMessage(`{}`), // as the SDK registers it for collected data
			Files: []berth.AssetFiles{{Prefix: "modelDataCollector/ep1/blue/request"}}},
		"models/m": &berth.ModelVersion{V2: true, Request: json.RawMessage(`{}`)}, "codes/c": &berth.CodeVersion{Request: json.RawMessage(`{}`)},
		"environments/e": &berth.EnvironmentVersion{V2: true, Request: json.RawMessage(`{"image":"mcr.microsoft.com/azureml/openmpi:1",
			"condaFile":"dependencies: [python=3.11, {pip: [scikit-learn]}]"}`)},
	} {
		id, err := berth.ParseID(s.workspace() + "/" + path)
		s.must(err)
		s.keep(id, &berth.Versions{Type: id.Type(), Newest: 1})
		s.keep(id.Child("versions", "1"), version)
	}
	return s
}

// keep stores a resource that settles at once.
func (s endpointStage) keep(id berth.ID, body berth.Body) {
	s.t.Helper()
	_, _, err := s.store.Accept(s.t.Context(), store.Change{Verb: berth.VerbCreate, Settled: true,
		Resource: &berth.Resource{ID: id, Location: "westeurope", Body: body}})
	s.must(err)
}

// finish ends the operation that is under way as the engine would. A deployment that succeeds was served.
func (s endpointStage) finish(state berth.State) {
	s.t.Helper()
	c, err := s.store.Claim(s.t.Context(), "test", time.Minute)
	s.must(err)
	if c == nil {
		s.t.Fatal("nothing is under way")
	}
	if d, is := c.Resource.Body.(*berth.Deployment); is && state == berth.StateSucceeded {
		d.Serves(c.Resource.Generation)
	}
	s.must(s.store.Finish(s.t.Context(), c, store.Outcome{State: state, Gone: c.Operation.Verb.Removes()}))
	s.begun = nil
}

func (s endpointStage) endpoint(name string) string {
	return s.workspace() + "/onlineEndpoints/" + name
}

func (s endpointStage) deployment(name string) string {
	return s.endpoint("ep1") + "/deployments/" + name
}

// asked is the body of an endpoint on a compute, with more properties.
func (s endpointStage) asked(compute, more string) string {
	return fmt.Sprintf(`{"location":"westeurope","identity":{"type":"SystemAssigned"},"properties":{"authMode":"Key","compute":%q%s}}`,
		s.workspace()+"/computes/"+compute, more)
}

// deployed is the body of a deployment as azure-ai-ml sends it, with more properties.
func (s endpointStage) deployed(more string) string {
	return strings.ReplaceAll(`{"location":"westeurope","sku":{"name":"Default","capacity":2},"properties":{"endpointComputeType":"Kubernetes",
		"model":"{w}/models/m/versions/1","environmentId":"{w}/environments/e/versions/1",
		"codeConfiguration":{"codeId":"{w}/codes/c/versions/1","scoringScript":"score.py"}`+more+`}}`, "{w}", s.workspace())
}

func (s endpointStage) put(path, body string, status int) *answer {
	s.t.Helper()
	a := s.send("PUT", path, nil, body)
	if err := a.is(status); err != nil {
		s.t.Fatalf("%v: %s", err, a.text)
	}
	return a
}

// refused wants a refusal with all these words.
func (s endpointStage) refused(a *answer, status int, words ...string) {
	s.t.Helper()
	for _, w := range words {
		if a.status != status || !strings.Contains(a.text, w) {
			s.t.Errorf("%d %s; want %d with %q", a.status, a.text, status, w)
		}
	}
}

// TestEndpoint: an endpoint and its deployments are created, changed, listed and removed, and traffic goes only where it can.
func TestEndpoint(t *testing.T) {
	s := newEndpointStage(t)
	made := s.put(s.endpoint("ep1"), s.asked("aks", `,"traffic":{},"mirrorTraffic":{},"properties":{"team":"a"}`), http.StatusCreated)
	if made.header.Get("Azure-AsyncOperation") == "" || strings.Contains(made.text, "primary") {
		t.Errorf("%v %s", made.header, made.text)
	}
	s.finish(berth.StateSucceeded)
	keys := s.send("POST", s.endpoint("ep1")+"/listKeys", nil, "").body()
	s.put(s.endpoint("ep1"), s.asked("aks", `,"description":"d"`), http.StatusOK)
	s.finish(berth.StateSucceeded)
	again := s.send("POST", s.endpoint("ep1")+"/listKeys", nil, "").body()
	if apptest.At(again, "primaryKey") != apptest.At(keys, "primaryKey") {
		t.Error("an update changes the key")
	}
	s.put(s.endpoint("ep1"), s.asked("aks", `,"description":"d"`), http.StatusOK) // the same again
	if c, err := s.store.Claim(t.Context(), "test", time.Minute); err != nil || c != nil {
		t.Errorf("a repeated request is worked on: %v %v", c, err)
	}
	s.refused(s.send("PUT", s.endpoint("ep1"), nil, s.asked("aks", `,"traffic":{"blue":100}`)), 400, "no deployment 'blue'")

	s.put(s.deployment("blue"), s.deployed(""), http.StatusCreated)
	s.refused(s.send("PUT", s.endpoint("ep1"), nil, s.asked("aks", `,"traffic":{"blue":100}`)), 400, "never been served")
	s.finish(berth.StateSucceeded)
	s.put(s.deployment("green"), s.deployed(""), http.StatusCreated)
	s.finish(berth.StateSucceeded)
	s.put(s.endpoint("ep1"), s.asked("aks", `,"traffic":{"Blue":90,"green":10}`), http.StatusOK)
	s.finish(berth.StateSucceeded)
	read := s.send("GET", s.endpoint("ep1"), nil, "").body()
	if apptest.At(read, "properties.traffic.blue") != 90.0 || apptest.At(read, "properties.properties.team") != "a" {
		t.Errorf("%v", read)
	}
	s.refused(s.send("DELETE", s.deployment("GREEN"), nil, ""), http.StatusConflict, "10 percent")
	s.refused(s.send("DELETE", s.workspace()+"/computes/aks?underlyingResourceAction=Delete", nil, ""), http.StatusConflict,
		"The endpoint 'ep1'")
	patched := s.send("PATCH", s.endpoint("ep1"), nil, `{"properties":{"traffic":{"blue":100,"green":0},"mirrorTraffic":{"green":20}}}`)
	if patched.status != http.StatusOK {
		t.Fatalf("%d %s", patched.status, patched.text)
	}
	s.finish(berth.StateSucceeded)
	if names(s.send("GET", s.endpoint("ep1")+"/deployments", nil, "").body().(object)) != "blue green" {
		t.Error("the list of deployments is not complete")
	}
	s.refused(s.send("DELETE", s.deployment("green"), nil, ""), http.StatusConflict, "20 percent")
	patched = s.send("PATCH", s.endpoint("ep1"), nil, `{"properties":{"mirrorTraffic":{"green":0}}}`)
	if s.finish(berth.StateSucceeded); patched.status != http.StatusOK {
		t.Fatalf("%d %s", patched.status, patched.text)
	}
	if gone := s.send("DELETE", s.deployment("green"), nil, ""); gone.status != http.StatusAccepted || gone.header.Get("Location") == "" {
		t.Errorf("%d %v", gone.status, gone.header)
	}
	s.finish(berth.StateSucceeded)
	if names(s.send("GET", s.workspace()+"/onlineEndpoints", nil, "").body().(object)) != "ep1" {
		t.Error("the list of endpoints is not complete")
	}
}

// TestEndpointKeys: keys are made anew or as they are chosen, tokens are for endpoints that take them, and no answer but listKeys has keys.
func TestEndpointKeys(t *testing.T) {
	s := newEndpointStage(t)
	s.refused(s.send("PUT", s.endpoint("ep1"), nil, s.asked("aks", `,"keys":{"primaryKey":"short"}`)), 400, "printable ASCII")
	s.put(s.endpoint("ep1"), s.asked("aks", `,"keys":{"primaryKey":"chosen-by-the-user"}`), http.StatusCreated)
	s.finish(berth.StateSucceeded)
	keys := func() (primary, secondary any) {
		b := s.send("POST", s.endpoint("ep1")+"/listKeys", nil, "").body()
		return apptest.At(b, "primaryKey"), apptest.At(b, "secondaryKey")
	}
	primary, secondary := keys()
	if primary != "chosen-by-the-user" || secondary == "" {
		t.Errorf("%v %v", primary, secondary)
	}
	if read := s.send("GET", s.endpoint("ep1"), nil, ""); strings.Contains(read.text, "chosen-by-the-user") {
		t.Errorf("an answer has a key: %s", read.text)
	}
	for _, value := range []string{`null`, `"chosen-by-the-user"`} { // the SDK sends the present one
		before, _ := keys()
		a := s.send("POST", s.endpoint("ep1")+"/regenerateKeys", nil, `{"keyType":"Primary","keyValue":`+value+`}`)
		if s.finish(berth.StateSucceeded); a.status != http.StatusAccepted || a.header.Get("Location") == "" {
			t.Fatalf("%d %s", a.status, a.text)
		}
		after, other := keys()
		if after == before && value == "null" || after == "chosen-by-the-user" && value == "null" || other != secondary {
			t.Errorf("%v %v %v", before, after, other)
		}
	}
	if p, _ := keys(); p != "chosen-by-the-user" {
		t.Errorf("the key is %v", p)
	}
	s.send("POST", s.endpoint("ep1")+"/regenerateKeys", nil, `{"keyType":"Primary","keyValue":"chosen-by-the-user"}`)
	s.finish(berth.StateSucceeded)
	if p, _ := keys(); p == "chosen-by-the-user" {
		t.Error("the present key, sent as azure-ai-ml does, is no request for a new one")
	}
	s.refused(s.send("POST", s.endpoint("ep1")+"/regenerateKeys", nil, `{"keyType":"Third"}`), 400, "Primary and Secondary")
	s.refused(s.send("POST", s.endpoint("ep1")+"/token", nil, ""), 400, "AMLToken")
	s.put(s.endpoint("ep1"), strings.Replace(s.asked("aks", ""), `"Key"`, `"AMLToken"`, 1), http.StatusOK)
	s.finish(berth.StateSucceeded)
	token := s.send("POST", s.endpoint("ep1")+"/token", nil, "").body()
	if text, _ := apptest.At(token, "accessToken").(string); !strings.Contains(text, "/managedclusters/") ||
		!strings.HasSuffix(text, "#endpoint/ep1 for "+clientID) ||
		apptest.At(token, "expiryTimeUtc") != float64(s.clock.Now().Add(2*time.Hour).Unix()) {
		t.Errorf("%v", token)
	}
}

// TestEndpointRefused: all that is wrong with an endpoint is told at once.
func TestEndpointRefused(t *testing.T) {
	s := newEndpointStage(t)
	s.refused(s.send("PUT", s.endpoint("1"), nil, `{"properties":{"authMode":"AADToken","compute":"aks","publicNetworkAccess":"Disabled",
		"traffic":{"a":50},"mirrorTraffic":{"a":60,"b":-1}}}`), 400, "3 to 32 letters", "not the id of a compute", "Microsoft Entra",
		"matter of its cluster", "50 in sum", "59 in sum", "'b' is -1")
	s.refused(s.send("PUT", s.endpoint("ep1"), nil, `{"properties":{}}`), 400, "no managed endpoints")
	s.refused(s.send("PUT", s.endpoint("ep1"), nil, s.asked("none", "")), 400, "no compute with the name 'none'")
	s.refused(s.send("PUT", s.deployment("blue"), nil, s.deployed("")), http.StatusNotFound, "could not be found")
	s.provider.(*fake.Provider).SaidReal = false
	s.must(s.send("PUT", s.workspace()+"/computes/simulated", nil, `{"properties":{"computeType":"AKS","properties":{
		"clusterPurpose":"DevTest","agentCount":1}}}`).is(http.StatusCreated))
	s.refused(s.send("PUT", s.endpoint("ep1"), nil, s.asked("simulated", "")), 400, "is Creating")
	s.settle()
	s.refused(s.send("PUT", s.endpoint("ep1"), nil, s.asked("simulated", "")), 400, "no model can run", "simulated")
	if all := names(s.send("GET", s.workspace()+"/onlineEndpoints", nil, "").body().(object)); all != "" {
		t.Errorf("refused endpoints are there: %s", all)
	}
}

// TestDeployment: what azure-ai-ml sends is read, with the defaults of the original, and answered again; PATCH scales.
func TestDeployment(t *testing.T) {
	s := newEndpointStage(t)
	s.put(s.endpoint("ep1"), s.asked("aks", ""), http.StatusCreated)
	s.finish(berth.StateSucceeded)
	warned := s.put(s.deployment("blue"), s.deployed(`,"appInsightsEnabled":true,"requestSettings":{"requestTimeout":"PT1M30.5S",
		"maxQueueWait":"PT0.25S","maxConcurrentRequestsPerInstance":3},"environmentVariables":{"A":"b"},
		"containerResourceRequirements":{"containerResourceRequests":{"cpu":"150m","memory":"0.5Gi"}},
		"scaleSettings":{"scaleType":"TargetUtilization","minInstances":2,"maxInstances":5,"targetUtilizationPercentage":60,
		"pollingInterval":"PT2S"},"readinessProbe":{"period":"PT3S"},"instanceType":"defaultinstancetype","startupProbe":{"period":"PT1S"},
		"dataCollector":{"rollingRate":"Day","collections":{"request":{"samplingRate":0.5,"dataCollectionMode":"Enabled",
		"dataId":"`+s.workspace()+`/data/ep1-blue-request/versions/1"},"Model_inputs":{}}}`), http.StatusCreated)
	w := warned.header.Get("Warning")
	if !strings.Contains(w, "startupProbe") || strings.Contains(w, "dataCollector") {
		t.Errorf("not the warnings: %s", w)
	}
	s.finish(berth.StateSucceeded)
	id, err := berth.ParseID(s.deployment("blue"))
	s.must(err)
	r, err := s.store.Get(t.Context(), id)
	s.must(err)
	spec := r.Body.(*berth.Deployment).Spec
	want := berth.PodSpec{Replicas: 2, Scale: &berth.ServiceScale{Min: 2, Max: 5, Target: 60, Refresh: 2 * time.Second},
		CPU: 0.15, CPULimit: 2, MemoryGB: 0.5, MemoryLimit: 2, Concurrent: 3, QueueWait: time.Second / 4, Timeout: 90500 * time.Millisecond,
		Liveness:  berth.ServiceProbe{Delay: 10 * time.Second, Period: 10 * time.Second, Timeout: 2 * time.Second, Successes: 1, Failures: 30},
		Readiness: berth.ServiceProbe{Delay: 10 * time.Second, Period: 3 * time.Second, Timeout: 2 * time.Second, Successes: 1, Failures: 30},
		Code:      spec.Code, Models: spec.Models, EntryScript: "code/score.py", LogRequests: true,
		Collect:     &berth.DataCollection{Collections: map[string]float64{"model_inputs": 1, "request": 0.5}, Rolling: "Day"},
		Environment: berth.ServiceEnvironment{Name: "e", Python: "3.11", Pip: []string{"scikit-learn"}, Variables: map[string]string{"A": "b"}}}
	if got, want := encoded(t, spec.PodSpec), encoded(t, want); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	read := s.send("GET", s.deployment("blue"), nil, "").body()
	for path, want := range map[string]any{
		"properties.requestSettings.requestTimeout": "PT90.5S", "properties.scaleSettings.pollingInterval": "PT2S",
		"properties.environmentVariables.A": "b", "properties.codeConfiguration.scoringScript": "score.py",
		"properties.appInsightsEnabled":                                          true,
		"properties.containerResourceRequirements.containerResourceRequests.cpu": "150m", "sku.capacity": 2.0, "kind": nil,
		"properties.dataCollector.collections.request.samplingRate": 0.5, "properties.dataCollector.rollingRate": "Day",
		"properties.model": s.workspace() + "/models/m/versions/1", "properties.startupProbe.period": "PT1S",
	} {
		if got := apptest.At(read, path); got != want {
			t.Errorf("%s is %v, want %v", path, got, want)
		}
	}
	text, err := json.Marshal(read)
	s.must(err)
	s.put(s.deployment("blue"), string(text), http.StatusOK) // what was answered, as it is
	if c, err := s.store.Claim(t.Context(), "test", time.Minute); err != nil || c != nil {
		t.Errorf("an answer that is sent back is worked on: %v %v", c, err)
	}
	scaled := s.send("PATCH", s.deployment("blue"), nil, `{"sku":{"capacity":4},"properties":{"scaleSettings":{"scaleType":"Default"}}}`)
	if body := scaled.body(); apptest.At(body, "sku.capacity") != 4.0 ||
		apptest.At(body, "properties.requestSettings.requestTimeout") != "PT90.5S" {
		t.Errorf("%d %s", scaled.status, scaled.text)
	}
	s.finish(berth.StateFailed)
	logs := s.send("POST", s.deployment("blue")+"/getLogs", nil, `{"tail":10,"containerType":"StorageInitializer"}`).body()
	if apptest.At(logs, "content") != "blue true 10" {
		t.Errorf("%v", logs)
	}
	s.refused(s.send("POST", s.deployment("blue")+"/getLogs", nil, `{"containerType":"Other"}`), 400, "InferenceServer")
	skus := s.send("GET", s.deployment("blue")+"/skus", nil, "").body()
	if apptest.At(skus, "value.0.capacity.maximum") != 1000.0 {
		t.Errorf("%v", skus)
	}
}

func encoded(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestInstanceTypes: a deployment has the size of the instance type that it names, or of the default one of its compute, where it says no
// other, and runs on the nodes that the type selects.
func TestInstanceTypes(t *testing.T) {
	s := newEndpointStage(t)
	s.put(s.record("Microsoft.ContainerService/managedClusters/own"), plainCluster, http.StatusCreated)
	s.settle()
	made := s.put(s.workspace()+"/computes/kube", fmt.Sprintf(`{"properties":{"computeType":"Kubernetes","resourceId":%q,"properties":{
		"namespace":"ml","defaultInstanceType":"small","instanceTypes":{
		"small":{"resources":{"requests":{"cpu":0.2,"memory":"300Mi","nvidia.com/gpu":null}}},
		"gpus":{"nodeSelector":{"kind":"gpu"},"resources":{"requests":{"cpu":"1","memory":"4Gi"},"limits":{"cpu":"2","nvidia.com/gpu":1}}}}}}}`,
		s.record("Microsoft.ContainerService/managedClusters/own")), http.StatusCreated)
	if strings.Contains(made.text, "have no effect") {
		t.Errorf("a warning of what has an effect: %s", made.text)
	}
	s.settle()
	s.put(s.endpoint("ep1"), s.asked("kube", ""), http.StatusCreated)
	s.finish(berth.StateSucceeded)
	for more, want := range map[string]berth.PodSpec{
		"":                                      {CPU: 0.2, MemoryGB: 300.0 / 1024},
		`,"instanceType":"Gpus"`:                {CPU: 1, CPULimit: 2, MemoryGB: 4, GPUs: 1, NodeSelector: map[string]string{"kind": "gpu"}},
		`,"instanceType":"small"`:               {CPU: 0.2, MemoryGB: 300.0 / 1024},
		`,"instanceType":"defaultinstancetype"`: {CPU: 0.1, CPULimit: 2, MemoryGB: 2, MemoryLimit: 2},
		`,"instanceType":"gpus","containerResourceRequirements":{"containerResourceRequests":{"cpu":"3"}}`: {CPU: 3, CPULimit: 3, MemoryGB: 4,
			GPUs: 1, NodeSelector: map[string]string{"kind": "gpu"}},
	} {
		a := s.send("PUT", s.deployment("blue"), nil, s.deployed(more))
		if a.status >= http.StatusBadRequest {
			t.Fatalf("%s: %s", more, a.text)
		}
		s.finish(berth.StateSucceeded)
		id, err := berth.ParseID(s.deployment("blue"))
		s.must(err)
		r, err := s.store.Get(t.Context(), id)
		s.must(err)
		got := r.Body.(*berth.Deployment).Spec
		size := berth.PodSpec{CPU: got.CPU, CPULimit: got.CPULimit, MemoryGB: got.MemoryGB, MemoryLimit: got.MemoryLimit, GPUs: got.GPUs,
			NodeSelector: got.NodeSelector}
		if encoded(t, size) != encoded(t, want) {
			t.Errorf("%s: %s\nwant %s", more, encoded(t, size), encoded(t, want))
		}
	}
	s.refused(s.send("PUT", s.deployment("blue"), nil, s.deployed(`,"instanceType":"huge"`)), 400, "defaultinstancetype, gpus, small")
	s.refused(s.send("PUT", s.deployment("blue"), nil, s.deployed(`,"containerResourceRequirements":{"containerResourceRequests":{
		"cpu":"64"}}`)), 400, "the largest nodes of the compute 'kube'")
}

// TestDeploymentRefused: all that is wrong with a deployment is told at once, each in its own words.
func TestDeploymentRefused(t *testing.T) {
	s := newEndpointStage(t)
	s.put(s.endpoint("ep1"), s.asked("aks", ""), http.StatusCreated)
	s.finish(berth.StateSucceeded)
	s.refused(s.send("PUT", s.deployment("b"), nil, `{"sku":{"capacity":0},"properties":{"endpointComputeType":"Managed","model":"azureml:m:1",
		"environmentId":"azureml://registries/azureml/environments/x/versions/1","codeConfiguration":{"codeId":"`+s.workspace()+
		`/codes/c/versions/9","scoringScript":"../score.py"},"instanceType":"Standard_DS3_v2","modelMountPath":"m/../x",
		"egressPublicNetworkAccess":"Disabled","requestSettings":{"requestTimeout":"5s","maxConcurrentRequestsPerInstance":0},
		"livenessProbe":{"period":"PT0S","successThreshold":2},"containerResourceRequirements":{"containerResourceRequests":{"cpu":"many"},
		"containerResourceLimits":{"memory":"1Gi"}}}}`), 400, "3 to 32 letters", "no managed compute", "'azureml:m:1' is not the id of a version",
		"is in a registry", "has no version '9'", "'../score.py' is not a path", "no instance type 'Standard_DS3_v2'. It has defaultinstancetype",
		"cannot be mounted", "matter of their cluster", "'5s' is not a duration", "between 1 and 1000", "The time is 0s",
		"liveness probe is 1", "'many' is not a quantity", "A limit must not be less")
	s.refused(s.send("PUT", s.deployment("blue"), nil, s.deployed(`,"scaleSettings":{"scaleType":"Sometimes"}`)), 400, "TargetUtilization")
	s.refused(s.send("PUT", s.deployment("blue"), nil, s.deployed(`,"scaleSettings":{"scaleType":"TargetUtilization","minInstances":3,
		"maxInstances":2,"targetUtilizationPercentage":0,"pollingInterval":"PT0S"}`)), 400, "minInstances is greater", "between 1 and 100",
		"between 1s and 1h")
	if all := names(s.send("GET", s.endpoint("ep1")+"/deployments", nil, "").body().(object)); all != "" {
		t.Errorf("refused deployments are there: %s", all)
	}
}

// TestEndpointTemplate: a template may create an endpoint with a deployment, and what is wrong with either is told before anything is
// created.
func TestEndpointTemplate(t *testing.T) {
	s := newEndpointStage(t)
	template := func(auth, script string) string {
		return strings.NewReplacer("{w}", s.workspace(), "{auth}", auth, "{script}", script).Replace(`{"properties":{"mode":"Incremental",
			"template":{"$schema":"https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#","contentVersion":"1.0.0.0",
			"resources":[{"type":"Microsoft.MachineLearningServices/workspaces/onlineEndpoints","apiVersion":"2024-04-01","name":"` + workspace +
			`/ep1","location":"westeurope","properties":{"authMode":"{auth}","compute":"{w}/computes/aks"}},
			{"type":"Microsoft.MachineLearningServices/workspaces/onlineEndpoints/deployments","apiVersion":"2024-04-01",
			"name":"` + workspace + `/ep1/blue","location":"westeurope",
			"dependsOn":["[resourceId('Microsoft.MachineLearningServices/workspaces/onlineEndpoints','` + workspace + `','ep1')]"],
			"sku":{"name":"Default","capacity":1},"properties":{"endpointComputeType":"Kubernetes","model":"{w}/models/m/versions/1",
			"environmentId":"{w}/environments/e/versions/1",
			"codeConfiguration":{"codeId":"{w}/codes/c/versions/1","scoringScript":"{script}"}}}]}}}`)
	}
	at := s.group() + "/providers/Microsoft.Resources/deployments/d/validate"
	if a := s.send("POST", at, nil, template("Key", "score.py")); a.status != http.StatusOK {
		t.Errorf("%d %s", a.status, a.text)
	}
	s.refused(s.send("POST", at, nil, template("Password", "score.py")), 400, "The authMode is 'Password'")
	s.refused(s.send("POST", at, nil, template("Key", "../score.py")), 400, "'../score.py' is not a path")
}
