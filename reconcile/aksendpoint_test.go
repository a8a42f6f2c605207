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

var aksEndpoint = workspace.Child("onlineEndpoints", "end")

func aksSpec(compute string, versions ...string) berth.EndpointSpec {
	aks := &berth.AksEndpoint{Request: json.RawMessage(`{}`), Default: versions[0], Versions: map[string]berth.PodSpec{}}
	for _, name := range versions {
		aks.Versions[name] = berth.PodSpec{Replicas: 1, Concurrent: 2, QueueWait: time.Second, Timeout: 5 * time.Second}
	}
	return berth.EndpointSpec{Compute: compute, Auth: berth.AuthKey, Traffic: map[string]int{versions[0]: 100}, Aks: aks}
}

// TestAksEndpointFails: the failure of a version is that of the endpoint. What was never led to stays as it was asked for; else the
// endpoint is again what is led to, and versions that it did not have go.
func TestAksEndpointFails(t *testing.T) {
	w := newWorld(t, func(c clockwork.Clock) berth.Provider { return fake.New(c) })
	defer w.engine("a")()
	version := func(name string) berth.ID { return aksEndpoint.Child("deployments", name) }
	// Its compute is not there.
	op := w.ends(w.create(aksEndpoint, &berth.Endpoint{Spec: aksSpec("nosuch", "one")}), berth.StateFailed)
	if !strings.Contains(op.Err.Message, "The version 'one' is not served: There is no compute") ||
		w.get(version("one")).State != berth.StateFailed {
		t.Errorf("%v", op.Err)
	}
	if got := w.get(aksEndpoint).Body.(*berth.Endpoint); got.Spec.Compute != "nosuch" || got.Status.Led != nil {
		t.Errorf("%+v", got)
	}
	op = w.ends(w.change(aksEndpoint, func(b berth.Body) { // it is tried again
		good := &berth.Endpoint{Spec: aksSpec("nosuch", "one")}
		good.Leads()
		e := b.(*berth.Endpoint)
		e.Good, e.Spec = good.Good, aksSpec("nosuch", "two", "one")
		changed := e.Spec.Aks.Versions["one"]
		changed.Concurrent = 9
		e.Spec.Aks.Versions["one"] = changed
	}), berth.StateFailed)
	if !strings.Contains(op.Err.Message, "The version 'one' is not served") && !strings.Contains(op.Err.Message, "The version 'two'") {
		t.Errorf("%v", op.Err)
	}
	w.until("the removal of the new version", 20*time.Millisecond, func() bool { return w.gone(version("two")) })
	got := w.get(aksEndpoint).Body.(*berth.Endpoint)
	if _, has := got.Spec.Aks.Versions["two"]; has || got.Spec.Aks.Default != "one" {
		t.Errorf("%+v", got.Spec)
	}
	w.until("the version as it was", 20*time.Millisecond, func() bool { return w.get(version("one")).State.Terminal() })
	if one := w.get(version("one")).Body.(*berth.Deployment); one.Spec.Concurrent != 2 {
		t.Errorf("%+v", one.Spec)
	}
	w.ends(w.remove(aksEndpoint, berth.VerbDelete), berth.StateSucceeded)
	if !w.gone(version("one")) {
		t.Error("a version stays")
	}
}

// TestAksEndpointRoute: the router leads to the versions as the last request says that was led to: the default one gets the rest, and each
// has an address.
func TestAksEndpointRoute(t *testing.T) {
	w := newWorld(t, func(c clockwork.Clock) berth.Provider { return fake.New(c) })
	settled := func(id berth.ID, body berth.Body, hold berth.ID) {
		w.accept(store.Change{Verb: berth.VerbCreate, Settled: true, Hold: hold,
			Resource: &berth.Resource{ID: id, Location: "westeurope", Body: body}})
	}
	cluster := clusterID("aks")
	settled(workspace.Child("computes", "aks"), &berth.Compute{Spec: berth.ComputeSpec{ClusterID: cluster, Type: berth.ComputeKubernetes,
		Namespace: "ml"}}, cluster)
	e := &berth.Endpoint{Spec: aksSpec("aks", "one", "two")}
	e.Spec.Auth, e.Spec.Traffic = berth.AuthNone, map[string]int{"one": 90, "two": 10}
	e.Leads()
	e.Spec.Auth, e.Spec.Traffic = berth.AuthKey, map[string]int{"one": 50, "two": 50} // its versions have not answered yet
	settled(aksEndpoint, e, berth.ID{})
	settled(workspace.Child("onlineEndpoints", "new"), &berth.Endpoint{Spec: aksSpec("aks", "one")}, berth.ID{})
	for _, name := range []string{"one", "two"} {
		d := &berth.Deployment{Spec: berth.DeploymentSpec{PodSpec: e.Spec.Aks.Versions[name]}}
		d.Serves(1)
		settled(aksEndpoint.Child("deployments", name), d, berth.ID{})
	}
	table, err := reconcile.Table(w.ctx, reconcile.Options{Store: w.store,
		Clusters: clusters.New(clusters.Options{Store: w.store, Provider: w.provider, Clock: w.clock, ServerID: "s"})}, cluster)
	w.must(err)
	w.must(table.Check())
	text, err := json.MarshalIndent(table.Routes, "", " ")
	w.must(err)
	const want = `[{"kind":"endpoint","name":"end","auth":"none","versions":[
		{"name":"one","default":true,"traffic":90,"backend":{"namespace":"ml","service":"end-one-f266558a"},
			"concurrency":2,"maxQueueWaitMs":1000,"timeoutMs":5000},
		{"name":"two","traffic":10,"backend":{"namespace":"ml","service":"end-two-3e4c870f"},
			"concurrency":2,"maxQueueWaitMs":1000,"timeoutMs":5000}],"versionPaths":true}]`
	if got, want := compact(t, text), compact(t, []byte(want)); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
}
