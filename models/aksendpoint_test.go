package models_test

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"berth.dev/berth"
	"berth.dev/berth/app/apptest"
	"berth.dev/berth/models"
	"berth.dev/berth/store"
)

const endpointPath = "/services/end"

// newAksWorld has a compute on which models can be served, and a model.
func newAksWorld(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	cluster := berth.NewID(sub, "rg", berth.TypeCluster, "k")
	w.accept(cluster, &berth.Cluster{})
	w.accept(workspace.Child("computes", "aks"), &berth.Compute{Spec: berth.ComputeSpec{Type: berth.ComputeAKS, ClusterID: cluster}})
	w.upload("LocalUpload/1/model.pkl")
	w.want(http.MethodPost, "/models", modelOf(w.asset("LocalUpload/1/model.pkl")))
	return w
}

// version is a version as azureml-core sends it, with more fields.
func version(more map[string]any) map[string]any {
	out := map[string]any{"computeType": "AKS", "kvTags": nil, "keys": map[string]any{"primaryKey": nil}, "numReplicas": 1, "namespace": nil,
		"containerResourceRequirements": map[string]any{"cpu": 0.2, "memoryInGB": nil}, "description": nil,
		"environmentImageRequest": map[string]any{"modelIds": []string{"m:1"}, "environment": map[string]any{
			"environmentVariables": map[string]any{"AZUREML_ENTRY_SCRIPT": "score.py"}}}}
	maps.Copy(out, more)
	return out
}

// asked is a request for an AksEndpoint as azureml-core sends it.
func asked(more map[string]any, versions map[string]any) map[string]any {
	out := map[string]any{"name": "end", "computeType": "AKSENDPOINT", "computeName": "aks", "description": "d", "versions": versions,
		"kvTags": map[string]any{"a": "b"}, "properties": map[string]any{}, "keys": map[string]any{"primaryKey": "a-key-of-my-own"}}
	maps.Copy(out, more)
	return out
}

func patch(ops ...any) (out []any) {
	for i := 0; i < len(ops); i += 3 {
		out = append(out, map[string]any{"op": ops[i], "path": ops[i+1], "value": ops[i+2]})
	}
	return out
}

// refused wants one refusal with all these words.
func (w *world) refused(method, path string, body any, words ...string) {
	w.Helper()
	_, err := w.ask(method, path, body)
	e, is := errors.AsType[*berth.Error](err)
	if !is {
		w.Fatalf("%s %s: %v", method, path, err)
	}
	all := e.Message
	for _, d := range e.Details {
		all += "\n" + d.Target + ": " + d.Message
	}
	for _, word := range words {
		if !strings.Contains(all, word) {
			w.Errorf("%s %s says nothing of %q: %s", method, path, word, all)
		}
	}
}

// led ends the operation on the endpoint as the engine does.
func (w *world) led() {
	w.Helper()
	c, err := w.store.Claim(w.Context(), "test", time.Minute)
	w.must(err)
	e := c.Resource.Body.(*berth.Endpoint)
	e.Leads()
	e.Status.ScoringURI = "http://10.0.0.1/api/v1/endpoint/end/score"
	w.must(w.store.Finish(w.Context(), c, store.Outcome{State: berth.StateSucceeded}))
}

func (w *world) endpoint() *berth.Endpoint {
	w.Helper()
	r, err := w.store.Get(w.Context(), workspace.Child("onlineEndpoints", "end"))
	w.must(err)
	return r.Body.(*berth.Endpoint)
}

// TestAksEndpoint: versions are created, changed and removed by patches as azureml-core sends them, and the traffic is divided among them.
func TestAksEndpoint(t *testing.T) {
	w := newAksWorld(t)
	made := w.want(http.MethodPost, "/services", asked(nil, map[string]any{"vera": version(map[string]any{"trafficPercentile": 20})}))
	if made["state"] != "Transitioning" || strings.Contains(strings.Join(slices.Collect(maps.Keys(made)), " "), "keys") ||
		apptest.At(made, "versions.vera.isDefault") != true || apptest.At(made, "versions.vera.trafficPercentile") != 20.0 {
		t.Errorf("%v", made)
	}
	if keys := w.want(http.MethodPost, endpointPath+"/listkeys", nil); keys["primaryKey"] != "a-key-of-my-own" || keys["secondaryKey"] == "" {
		t.Errorf("%v", keys)
	}
	w.led()
	for _, p := range [][]any{
		patch("add", "/versions/verb", version(map[string]any{"computeName": "aks", "trafficPercentile": 10, "type": "Control"})),
		patch("replace", "/versions/vera/isDefault", false, "replace", "/versions/verb/isDefault", true,
			"replace", "/versions/vera/type", "Control", "replace", "/versions/verb/type", "Treatment",
			"replace", "/versions/verb/trafficPercentile", 40, "replace", "/versions/verb/description", "second",
			"replace", "/versions/verb/tags", map[string]any{"c": "d"}, "replace", "/versions/verb/containerResourceRequirements/memoryInGB", 1.5,
			"replace", "/versions/vera/autoScaler/autoscaleEnabled", true, "replace", "/versions/vera/autoScaler/maxReplicas", 3),
		patch("replace", "/authEnabled", false, "replace", "/aadAuthEnabled", true, "replace", "/kvTags", map[string]any{"e": "f"},
			"add", "/properties/p", "q", "replace", "/description", "changed"),
	} {
		w.want(http.MethodPatch, endpointPath, p)
		w.led()
	}
	spec := w.endpoint().Spec
	if vera := spec.Aks.Versions["vera"]; spec.Auth != berth.AuthToken || spec.Aks.Default != "verb" || spec.Traffic["vera"] != 20 ||
		spec.Traffic["verb"] != 80 || vera.Scale == nil || vera.Scale.Max != 3 || spec.Aks.Versions["verb"].MemoryGB != 1.5 ||
		spec.Aks.Versions["verb"].CPU != 0.2 || len(vera.Models) != 1 {
		t.Errorf("%+v", spec)
	}
	read := w.want(http.MethodGet, endpointPath+"?expand=true", nil)
	for at, want := range map[string]any{"computeType": "AKSENDPOINT", "aadAuthEnabled": true, "authEnabled": false, "description": "changed",
		"kvTags.e": "f", "properties.p": "q", "versions.verb.kvTags.c": "d", "versions.verb.description": "second",
		"versions.verb.type": "Treatment",
		"versions.vera.type": "Control", "versions.verb.isDefault": true, "versions.vera.isDefault": false,
		"versions.verb.trafficPercentile": 40.0,
		"versions.vera.computeName":       "aks", "versions.verb.scoringUri": "http://10.0.0.1/api/v1/endpoint/end/versions/verb/score"} {
		if got := apptest.At(plain(t, read), at); got != want {
			t.Errorf("%s is %v, want %v", at, got, want)
		}
	}
	if served := apptest.At(plain(t, read), "versions.verb.models").([]any); len(served) != 1 {
		t.Errorf("%v", served)
	}
	for query, want := range map[string]int{"": 1, "?computeType=AKSENDPOINT": 1, "?computeType=AKS": 0, "?modelName=m": 1,
		"?modelId=n:1": 0} {
		if all := apptest.At(plain(t, w.want(http.MethodGet, "/services"+query, nil)), "value").([]any); len(all) != want {
			t.Errorf("%s: %d", query, len(all))
		}
	}
	w.want(http.MethodPatch, endpointPath, patch("remove", "/versions/vera", nil))
	if spec := w.endpoint().Spec; len(spec.Aks.Versions) != 1 || spec.Traffic["verb"] != 100 {
		t.Errorf("%+v", spec)
	}
	w.led()
	if err := w.server.Unused(t.Context(), workspace.Child("models", "m")); berth.ErrorCode(err) != berth.CodeConflict {
		t.Errorf("a model that a version serves can be removed: %v", err)
	}
	w.want(http.MethodDelete, endpointPath, nil)
}

// TestAksEndpointRefused: all that is wrong with an endpoint, its versions and a patch is told at once, and nothing changes.
func TestAksEndpointRefused(t *testing.T) {
	w := newAksWorld(t)
	both := map[string]any{"name": "Bad_Name", "authEnabled": true, "aadAuthEnabled": true}
	w.refused(http.MethodPost, "/services", asked(both, map[string]any{
		"vera": version(map[string]any{"trafficPercentile": 120, "numReplicas": 0, "type": "Other"}),
		"verb": version(map[string]any{"trafficPercentile": 1.5, "computeName": "other", "environmentImageRequest": nil,
			"keys": map[string]any{"primaryKey": "another-key"}}),
		"V": version(map[string]any{"environmentImageRequest": map[string]any{"modelIds": []string{"none:1"}}}),
	}), "name: Error, provided service name is invalid", "versions.vera.trafficPercentile: Invalid configuration, traffic_percentile cannot",
		"versions.vera.numReplicas", "versions.vera.type", "whole percentages", "not on 'other'", "no keys of its own",
		"versions.verb.environmentImageRequest",
		"versions.V.name", "none:1", "cannot both be true", "121.5 in sum", "No version is the default one")
	w.refused(http.MethodPost, "/services", asked(map[string]any{"computeName": "nosuch"}, nil), "nosuch", "at least one version")
	made := asked(nil, map[string]any{"vera": version(map[string]any{"trafficPercentile": 70})})
	checked := w.want(http.MethodPost, "/services/validate/resource", asked(map[string]any{"computeName": "nosuch"}, nil))
	if text, _ := apptest.At(plain(t, checked), "error.message").(string); !strings.Contains(text, "nosuch") {
		t.Errorf("%v", checked)
	}
	w.want(http.MethodPost, "/services", made)
	w.led()
	w.refused(http.MethodPost, "/services", made, "already")
	w.refused(http.MethodPost, "/services", map[string]any{"name": "end", "computeType": "AKS", "computeName": "aks", "overwrite": true},
		"of another type")
	before := w.endpoint()
	for _, bad := range []struct {
		patch []any
		words []string
	}{
		{patch("add", "/versions/verb", version(map[string]any{"trafficPercentile": 31})), []string{"101 in sum"}},
		{patch("add", "/versions/vera", version(nil), "replace", "/versions/no/trafficPercentile", 1, "remove", "/versions/nope", nil,
			"replace", "/versions/vera/trafficPercentile", 200), []string{"has a version 'vera' already", "no version 'no'", "no version 'nope'",
			"cannot be negative or greater than 100", "200 in sum"}},
		{patch("remove", "/versions/vera", nil), []string{"at least one version"}},
		{patch("add", "/versions/verb", version(map[string]any{"isDefault": false}), "remove", "/versions/vera", nil),
			[]string{"'vera' is the default one"}},
		{patch("replace", "/versions/vera/isDefault", false), []string{"No version is the default one"}},
		{patch("add", "/versions/verb", version(map[string]any{"isDefault": true, "type": "Control"}),
			"replace", "/versions/vera/type", "Control"),
			[]string{"default one, and the request has: vera, verb", "control version, and the request has: vera, verb"}},
		{patch("replace", "/versions", map[string]any{}), []string{"Name one version"}},
		{patch("replace", "/computeName", "other"), []string{"does not change"}},
	} {
		w.refused(http.MethodPatch, endpointPath, bad.patch, bad.words...)
	}
	update := map[string]any{"type": "Update", "serviceName": "end", "updateRequest": patch("remove", "/versions/vera", nil)}
	if text, _ := apptest.At(plain(t, w.want(http.MethodPost, "/services/validate", update)), "error.message").(string); text == "" {
		t.Error("a patch is not judged before it is sent")
	}
	if after := w.endpoint(); after.Spec.Traffic["vera"] != before.Spec.Traffic["vera"] || len(after.Spec.Aks.Versions) != 1 {
		t.Errorf("%+v", after.Spec)
	}
	w.accept(workspace.Child("onlineEndpoints", "two"), &berth.Endpoint{})
	w.refused(http.MethodPost, "/services", asked(map[string]any{"name": "two", "overwrite": true}, nil), "version 2 of the SDK")
	if _, err := w.ask(http.MethodGet, "/services/two", nil); berth.ErrorCode(err) != berth.CodeNotFound {
		t.Errorf("an online endpoint of version 2 is a service: %v", err)
	}
}

// TestAksEndpointLogs: the log has a part for each version; one can be picked; what failed is told once.
func TestAksEndpointLogs(t *testing.T) {
	w := newAksWorld(t)
	share := map[string]any{"isDefault": true}
	w.want(http.MethodPost, "/services", asked(nil, map[string]any{"vera": version(share), "verb": version(nil)}))
	w.led()
	w.server.Logs = func(_ context.Context, r *berth.Resource, _ models.LogQuery) (string, error) {
		return "of " + r.ID.Name() + "\n", nil
	}
	endpoint := workspace.Child("onlineEndpoints", "end")
	w.accept(endpoint.Child("deployments", "verb"), &berth.Deployment{})
	w.accept(endpoint.Child("deployments", "vera"), &berth.Deployment{})
	for query, want := range map[string]string{"": "==> vera <==\nof vera\n==> verb <==\nof verb\n", "?version=verb": "of verb\n"} {
		if out := w.want(http.MethodGet, endpointPath+"/logs"+query, nil); out["content"] != want {
			t.Errorf("%s: %q; want %q", query, out["content"], want)
		}
	}
	if _, err := w.ask(http.MethodGet, endpointPath+"/logs?version=no", nil); berth.ErrorCode(err) != berth.CodeNotFound {
		t.Errorf("%v", err)
	}
}
