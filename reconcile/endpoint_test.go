package reconcile_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"

	"berth.dev/berth"
	"berth.dev/berth/clusters"
	"berth.dev/berth/provider/fake"
	"berth.dev/berth/reconcile"
	"berth.dev/berth/store"
)

// TestTheRouterLearnsOfEndpoints: an endpoint is a route of its own with a version for each deployment that has answered once, in the
// traffic that the endpoint says; what is being deleted is left out, and so is an endpoint whose compute has lost its cluster.
func TestTheRouterLearnsOfEndpoints(t *testing.T) {
	w := newWorld(t, func(c clockwork.Clock) berth.Provider { return fake.New(c) })
	settled := func(id berth.ID, body berth.Body, more ...func(*store.Change)) {
		t.Helper()
		c := store.Change{Verb: berth.VerbCreate, Settled: true, Resource: &berth.Resource{ID: id, Location: "westeurope", Body: body}}
		for _, f := range more {
			f(&c)
		}
		w.accept(c)
	}
	keys := func(c *store.Change) {
		c.Secrets = map[string][]byte{berth.SecretPrimaryKey: []byte("primary"), berth.SecretSecondaryKey: []byte("secondary")}
	}
	pods := berth.PodSpec{Concurrent: 2, QueueWait: time.Second, Timeout: 5 * time.Second}
	answered := func(s berth.PodSpec) *berth.Deployment {
		d := &berth.Deployment{Spec: berth.DeploymentSpec{PodSpec: s}}
		d.Serves(1)
		return d
	}
	cluster := clusterID("aks")
	settled(workspace.Child("computes", "aks"), &berth.Compute{Spec: berth.ComputeSpec{ClusterID: cluster, Type: berth.ComputeKubernetes,
		Namespace: "ml"}}, func(c *store.Change) { c.Hold = cluster })
	settled(workspace.Child("computes", "lost"), &berth.Compute{Spec: berth.ComputeSpec{ClusterID: cluster}})
	endpoint := workspace.Child("onlineEndpoints", "Numbers")
	settled(endpoint, &berth.Endpoint{Spec: berth.EndpointSpec{Compute: "aks", Auth: berth.AuthKey,
		Traffic: map[string]int{"blue": 90, "green": 10}, Mirror: map[string]int{"grey": 20}}}, keys)
	settled(workspace.Child("onlineEndpoints", "tokens"), &berth.Endpoint{Spec: berth.EndpointSpec{Compute: "aks", Auth: berth.AuthMLToken}},
		keys)
	settled(workspace.Child("onlineEndpoints", "elsewhere"), &berth.Endpoint{Spec: berth.EndpointSpec{Compute: "lost", Auth: berth.AuthKey}})
	own := pods
	own.Environment = berth.ServiceEnvironment{Image: "example.com/own:1", Inference: &berth.InferenceRoutes{
		Scoring: berth.InferenceRoute{Port: 8080, Path: "/predict"}}}
	own.Scale = &berth.ServiceScale{Min: 1, Max: 3, Target: 60, Refresh: 2 * time.Second}
	observed := pods
	observed.LogRequests, observed.Collect = true, &berth.DataCollection{Rolling: "Day", Headers: []string{"x-team"},
		Collections: map[string]float64{"request": 0.5, "response": 1}}
	settled(endpoint.Child("deployments", "blue"), answered(observed))
	settled(endpoint.Child("deployments", "green"), answered(own))
	settled(endpoint.Child("deployments", "grey"), answered(pods))
	settled(endpoint.Child("deployments", "new"), &berth.Deployment{Spec: berth.DeploymentSpec{PodSpec: pods}})
	settled(endpoint.Child("deployments", "old"), answered(pods))
	old, err := w.store.Get(w.ctx, endpoint.Child("deployments", "old"))
	w.must(err)
	w.accept(store.Change{Verb: berth.VerbDelete, Resource: old})
	table, err := reconcile.Table(w.ctx, reconcile.Options{Store: w.store,
		Clusters: clusters.New(clusters.Options{Store: w.store, Provider: w.provider, Clock: w.clock, ServerID: "s"})}, cluster)
	w.must(err)
	for i := range table.Routes {
		if len(table.Routes[i].Keys) != 2 && table.Routes[i].Auth == "key" {
			t.Errorf("%s has %d keys", table.Routes[i].Name, len(table.Routes[i].Keys))
		}
		table.Routes[i].Keys = nil // salted hashes
	}
	text, err := json.MarshalIndent(table.Routes, "", " ")
	w.must(err)
	const want = `[{"kind":"endpoint","name":"Numbers","auth":"key","versions":[
		{"name":"blue","traffic":90,"backend":{"namespace":"ml","service":"numbers-blue-cc01ec88"},
			"concurrency":2,"maxQueueWaitMs":1000,"timeoutMs":5000,
			"collect":{"workspace":"WORKSPACE","source":"WORKSPACE/onlineEndpoints/Numbers/deployments/blue",
				"rolling":"day","headers":["x-team"],"request":{"folder":"modelDataCollector/Numbers/blue/request","rate":0.5},
				"response":{"folder":"modelDataCollector/Numbers/blue/response","rate":1}},"log":true},
		{"name":"green","traffic":10,"backend":{"namespace":"ml","service":"numbers-green-ab107c62"},
			"concurrency":2,"maxQueueWaitMs":1000,"timeoutMs":5000,
			"scorePath":"/predict","autoscale":{"deployment":"numbers-green-ab107c62","min":1,"max":3,"targetUtilization":60,"refreshSeconds":2}},
		{"name":"grey","mirror":20,"backend":{"namespace":"ml","service":"numbers-grey-1e1512dc"},
			"concurrency":2,"maxQueueWaitMs":1000,"timeoutMs":5000}]},
		{"kind":"endpoint","name":"tokens","auth":"token","versions":null}]`
	if got, want := compact(t, text), compact(t, []byte(strings.ReplaceAll(want, "WORKSPACE", workspace.String()))); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}

func compact(t *testing.T, text []byte) string {
	t.Helper()
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	out, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}
