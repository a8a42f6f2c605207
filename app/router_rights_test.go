package app_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"berth.dev/berth/app"
	"berth.dev/berth/app/apptest"
)

// make creates an object as the administrator, and answers it.
func (f *foreign) make(path, body string, into any) {
	f.t.Helper()
	res, err := f.http.Post(f.url+path, "application/json", strings.NewReader(body))
	if err != nil {
		f.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusCreated {
		f.t.Fatalf("%s: %s", path, res.Status)
	}
	if into == nil {
		return
	}
	if err := json.NewDecoder(res.Body).Decode(into); err != nil {
		f.t.Fatal(err)
	}
}

// grant lets the service account default/limited do what a rule says.
func (f *foreign) grant(name, rule string) {
	f.t.Helper()
	const rbac = "/apis/rbac.authorization.k8s.io/v1/"
	f.make(rbac+"clusterroles", `{"metadata":{"name":"`+name+`"},"rules":[`+rule+`]}`, nil)
	f.make(rbac+"clusterrolebindings", `{"metadata":{"name":"`+name+`"},
		"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"`+name+`"},
		"subjects":[{"kind":"ServiceAccount","name":"limited","namespace":"default"}]}`, nil)
}

// TestRouterRights: whether Berth may ask the router of a connected cluster is told in words, and found out when the right comes later.
func TestRouterRights(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a cluster")
	}
	f := startForeign(t)
	s := &site{Server: apptest.New(t, func(c *app.Config) { c.HealthEvery = "1s" }), t: t, ctx: t.Context()}
	s.workspace = s.MakeWorkspace(jobGroup, jobWorkspace)
	edge := s.edge("edge")
	unasked := func() bool {
		t.Helper()
		r := s.Want(http.StatusOK, s.Do(http.MethodPost, edge+"/listTraffic?kind=service&name=x", nil))
		return strings.Contains(r.Text, "may not ask the router")
	}
	s.put(edge, connecting(string(f.config)))
	if !unasked() {
		t.Error("without the right, nothing is said")
	}
	with := connecting(string(f.config))
	with["properties"].(apptest.Object)["enableInference"] = true
	s.put(edge, with)
	if unasked() {
		t.Error("the right that has just come is not noticed")
	}
	s.Succeed(s.Do(http.MethodDelete, edge, nil))

	f.make("/api/v1/namespaces/default/serviceaccounts", `{"metadata":{"name":"limited"}}`, nil)
	f.grant("limited", `{"apiGroups":[""],"resources":["nodes","namespaces"],"verbs":["get","list"]}`)
	var token struct{ Status struct{ Token string } }
	f.make("/api/v1/namespaces/default/serviceaccounts/limited/token", `{"spec":{}}`, &token)
	limited := map[string]any{}
	if err := yaml.Unmarshal(f.config, &limited); err != nil {
		t.Fatal(err)
	}
	user := limited["users"].([]any)[0].(map[string]any)
	user["user"] = map[string]any{"token": token.Status.Token}
	text, err := yaml.Marshal(limited)
	if err != nil {
		t.Fatal(err)
	}
	kept := connecting(string(text))
	kept["properties"].(apptest.Object)["keepCredential"] = true
	s.put(edge, kept)
	if !unasked() {
		t.Error("of a credential without the right, nothing is said")
	}
	f.grant("router", `{"apiGroups":[""],"resources":["services/proxy"],"resourceNames":["azureml-fe-data:data"],
		"verbs":["get","create","delete"]},{"apiGroups":[""],"resources":["pods"],"verbs":["list"]},
		{"apiGroups":[""],"resources":["secrets"],"resourceNames":["azureml-fe-peers"],"verbs":["get"]}`)
	s.Until("the right that was granted later", func() bool { return !unasked() })
}
