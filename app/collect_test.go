package app_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"berth.dev/berth"
	"berth.dev/berth/app"
	"berth.dev/berth/app/apptest"
	"berth.dev/berth/serving"
)

// TestCollectedData: requests to a deployment and to a service on a real cluster, and their answers, end among the files of the workspace
// in the form of the original, and lines about them in the log; neither has a key.
func TestCollectedData(t *testing.T) {
	if testing.Short() {
		t.Skip("starts nodes")
	}
	realNodes(t)
	s := apptest.New(t, func(c *app.Config) {
		c.Nodes = berth.NodesReal // and the deployment itself is where spans go: it writes into its log what it is asked
		c.OTLPEndpoint = "http://" + serving.ObjectName("ep1/blue") + ".azureml-one.svc"
	})
	m := modelWorld{s, filesClient(t, s)}
	ws := s.MakeWorkspace("g", "one")
	s.Succeed(s.Do(http.MethodPut, ws+"/computes/aks", apptest.AKS(apptest.Object{"clusterPurpose": "DevTest", "agentCount": 1})))
	endpoint, service := m.collectingEndpoint(t, ws), m.collectingService(t)
	for i := range 3 {
		m.score(t, endpoint, fmt.Sprintf(`{"data":[%d]}`, i))
		m.score(t, service, fmt.Sprintf(`{"data":[%d]}`, i))
	}
	const now, blue = `/\d{4}/\d\d/\d\d`, "/onlineEndpoints/ep1/deployments/blue"
	for folder, c := range map[string]struct{ rest, source, data string }{
		"modelDataCollector/ep1/blue/request":                             {now + `/\d\d/[-0-9a-f]{36}\.jsonl`, blue, `"data":{"data":[`},
		"modelDataCollector/ep1/blue/response":                            {now + `/\d\d/[-0-9a-f]{36}\.jsonl`, blue, "Hello from"},
		"modeldata/" + s.SubscriptionID + "/g/one/svc/none/0/inputs":      {now + `/[-0-9a-f]{36}\.jsonl`, "/services/svc", `"data":{"data":[`},
		"modeldata/" + s.SubscriptionID + "/g/one/svc/none/0/predictions": {now + `/[-0-9a-f]{36}\.jsonl`, "/services/svc", "Hello from"},
	} {
		var text string
		s.Until("collected data in "+folder, func() bool {
			text = m.collected(t, ws, folder, regexp.MustCompile("^"+folder+c.rest+"$"))
			return strings.Count(text, "\n") >= 3
		})
		for line := range strings.Lines(text) {
			var e map[string]any
			if err := json.Unmarshal([]byte(line), &e); err != nil || e["specversion"] != "1.0" ||
				!strings.HasSuffix(e["source"].(string), c.source) || !strings.Contains(line, c.data) || strings.Contains(line, "Bearer") {
				t.Errorf("%v %s", err, line)
			}
		}
	}
	logs := s.Want(http.StatusOK, s.Do(http.MethodPost, endpointOf(ws)+"/deployments/blue/getLogs", apptest.Object{"tail": 10}))
	other := s.Want(http.StatusOK, m.call(http.MethodGet, m.v1("one", "/services/svc/logs?tail=10"), nil))
	for name, r := range map[string]*apptest.Response{"endpoint/ep1": logs, "service/svc": other} {
		_, lines, _ := strings.Cut(apptest.At(r.Body, "content").(string), "==> requests <==\n")
		if strings.Count(lines, `"route":"`+name+`"`) != 3 || strings.Contains(lines, "Bearer") {
			t.Errorf("the log of %s: %s", name, r.Text)
		}
	}
	s.Until("spans", func() bool {
		r := s.Want(http.StatusOK, s.Do(http.MethodPost, endpointOf(ws)+"/deployments/blue/getLogs", apptest.Object{"tail": 1000}))
		return strings.Contains(r.Text, "POST /v1/traces from")
	})
	m.signsIn(t, ws)
}

func endpointOf(ws string) string { return ws + "/onlineEndpoints/ep1" }

// scored is where something scores, and the key for it.
type scored struct{ url, key string }

func (m modelWorld) score(t *testing.T, at scored, body string) {
	t.Helper()
	q, err := http.NewRequestWithContext(t.Context(), http.MethodPost, at.url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	q.Header.Set("Authorization", "Bearer "+at.key)
	r, err := http.DefaultClient.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Body.Close() }()
	if text, err := io.ReadAll(r.Body); err != nil || r.StatusCode != http.StatusOK {
		t.Fatalf("%d %s %v", r.StatusCode, text, err)
	}
}

// collectingEndpoint deploys an image of one's own by version 2.
func (m modelWorld) collectingEndpoint(t *testing.T, ws string) scored {
	t.Helper()
	route := apptest.Object{"port": 8080, "path": "/"}
	m.Want(http.StatusCreated, m.Do(http.MethodPut, ws+"/environments/hello/versions/1", apptest.Object{"properties": apptest.Object{
		"image": "berth.dev/hello:1", "osType": "Linux",
		"inferenceConfig": apptest.Object{"livenessRoute": route, "readinessRoute": route, "scoringRoute": route}}}))
	at := endpointOf(ws)
	m.Succeed(m.Do(http.MethodPut, at, apptest.Object{"location": apptest.Location, "identity": apptest.Object{"type": "SystemAssigned"},
		"properties": apptest.Object{"authMode": "Key", "compute": ws + "/computes/aks"}}))
	one := apptest.Object{"dataCollectionMode": "Enabled", "samplingRate": 1}
	asset := ws + "/data/ep1-blue-request/versions/1" // azure-ai-ml registers one first
	m.Want(http.StatusCreated, m.Do(http.MethodPut, asset, apptest.Object{"properties": apptest.Object{"dataType": "uri_folder",
		"dataUri": "azureml://datastores/workspaceblobstore/paths/modelDataCollector/ep1/blue/request"}}))
	collector := apptest.Object{"rollingRate": "Hour", "collections": apptest.Object{"response": one,
		"request": apptest.Object{"dataCollectionMode": "Enabled", "dataId": asset}}}
	blue := m.Do(http.MethodPut, at+"/deployments/blue", apptest.Object{"location": apptest.Location,
		"sku": apptest.Object{"name": "Default", "capacity": 1}, "properties": apptest.Object{"endpointComputeType": "Kubernetes",
			"environmentId": ws + "/environments/hello/versions/1", "appInsightsEnabled": true,
			"containerResourceRequirements": apptest.Object{"containerResourceRequests": apptest.Object{"cpu": "10m", "memory": "32Mi"}},
			"dataCollector":                 collector}})
	if w := blue.Header.Get("Warning"); strings.Contains(w, "data asset") {
		t.Errorf("the folder of collected data is warned of: %s", w)
	}
	m.Succeed(blue)
	m.Succeed(m.Do(http.MethodPatch, at, apptest.Object{"properties": apptest.Object{"traffic": apptest.Object{"blue": 100}}}))
	shown := m.Want(http.StatusOK, m.Do(http.MethodGet, at, nil))
	keys := m.Want(http.StatusOK, m.Do(http.MethodPost, at+"/listKeys", nil))
	return scored{apptest.At(shown.Body, "properties.scoringUri").(string), apptest.At(keys.Body, "primaryKey").(string)}
}

// collectingService deploys an image of one's own by version 1.
func (m modelWorld) collectingService(t *testing.T) scored {
	t.Helper()
	r := m.Want(http.StatusAccepted, m.call(http.MethodPost, m.v1("one", "/services"), apptest.Object{
		"name": "svc", "computeType": "AKS", "computeName": "aks", "numReplicas": 1, "appInsightsEnabled": true,
		"dataCollection": apptest.Object{"storageEnabled": true}, "containerResourceRequirements": apptest.Object{"cpu": 0.01, "memoryInGB": 0.1},
		"environmentImageRequest": apptest.Object{"environment": apptest.Object{"name": "hello",
			"environmentVariables": apptest.Object{"PORT": "5001"}, "python": apptest.Object{"userManagedDependencies": true},
			"docker": apptest.Object{"baseImage": "hello:1", "baseImageRegistry": apptest.Object{"address": "berth.dev",
				"username": "puller", "password": imagePassword}}}}}))
	if apptest.At(r.Body, "dataCollection.storageEnabled") != true || apptest.At(r.Body, "appInsightsEnabled") != true {
		t.Errorf("%s", r.Text)
	}
	var shown *apptest.Response
	m.Until("the service", func() bool {
		shown = m.Want(http.StatusOK, m.call(http.MethodGet, m.v1("one", "/services/svc"), nil))
		if apptest.At(shown.Body, "state") == "Failed" {
			t.Fatal(shown.Text)
		}
		return apptest.At(shown.Body, "state") == "Healthy"
	})
	keys := m.Want(http.StatusOK, m.call(http.MethodPost, m.v1("one", "/services/svc/listkeys"), nil))
	return scored{apptest.At(shown.Body, "scoringUri").(string), apptest.At(keys.Body, "primaryKey").(string)}
}

var listedName = regexp.MustCompile(`<Name>([^<]*)</Name>`)

// collected is the text of all files in a folder of the workspace's datastore, read by the protocol of storage with the datastore's
// signature, as the SDK does.
func (m modelWorld) collected(t *testing.T, ws, folder string, names *regexp.Regexp) (text string) {
	t.Helper()
	store := m.Want(http.StatusOK, m.Do(http.MethodGet, ws+"/datastores/workspaceblobstore", nil))
	secrets := m.Want(http.StatusOK, m.Do(http.MethodPost, ws+"/datastores/workspaceblobstore/listSecrets", nil))
	at := fmt.Sprintf("https://berth.blob.%s/%s", apptest.At(store.Body, "properties.endpoint"),
		apptest.At(store.Body, "properties.containerName"))
	signature := apptest.At(secrets.Body, "sasToken").(string)
	list := m.read(t, at+"?restype=container&comp=list&prefix="+folder+"/&"+signature)
	for _, found := range listedName.FindAllStringSubmatch(list, -1) {
		if !names.MatchString(found[1]) {
			t.Errorf("a file is called %s", found[1])
		}
		text += m.read(t, at+"/"+found[1]+"?"+signature)
	}
	return text
}

func (m modelWorld) read(t *testing.T, address string) string {
	t.Helper()
	q, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	q.Header.Set("x-ms-version", "2021-12-02")
	r, err := m.files.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Body.Close() }()
	text, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != http.StatusOK {
		t.Fatalf("%d %s %v", r.StatusCode, text, err)
	}
	return string(text)
}
