package models_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"strings"
	"testing"

	"berth.dev/berth"
	"berth.dev/berth/models"
)

// private is an environment as azureml-core sends it, with an image of a registry that asks for sign-in.
func private(image string, registry map[string]any) map[string]any {
	return map[string]any{"name": "own", "environmentVariables": map[string]any{"AZUREML_ENTRY_SCRIPT": "score.py"},
		"python": map[string]any{"userManagedDependencies": true},
		"docker": map[string]any{"baseImage": image, "baseImageRegistry": registry}}
}

func registryOf(address, username, password any) map[string]any {
	return map[string]any{"address": address, "username": username, "password": password, "registryIdentity": nil}
}

// TestImageLogin: the password of a registry is kept as a secret, with an environment or with what is deployed, and is answered by nothing.
func TestImageLogin(t *testing.T) {
	w := newAksWorld(t)
	const pass = "s3cr3t-pass"
	address, name := "registry.example.com", berth.SecretRegistry+"registry.example.com/team/own"
	shown := func(what string, answer any) {
		t.Helper()
		text, err := json.Marshal(answer)
		if err != nil || strings.Contains(string(text), pass) || !strings.Contains(string(text), "puller") {
			t.Errorf("%s answers %s, %v", what, text, err)
		}
	}
	with := func(e map[string]any) map[string]any {
		return map[string]any{"name": "svc", "computeType": "AKS", "computeName": "aks", "overwrite": true,
			"environmentImageRequest": map[string]any{"modelIds": []string{"m:1"}, "environment": e}}
	}
	secret := func(id berth.ID) string {
		text, err := w.store.Secret(t.Context(), id, name)
		w.must(err)
		return string(text)
	}
	sent := private("team/own:1", registryOf(address, "puller", pass))
	shown("registration", w.want(http.MethodPut, "/environments/own", sent))
	read := w.want(http.MethodGet, "/environments/own", nil)
	shown("an environment", read)
	shown("the list of environments", w.want(http.MethodGet, "/environments", nil))
	if again := w.want(http.MethodPut, "/environments/own", sent); again["version"] != "1" {
		t.Errorf("the same environment becomes version %v", again["version"])
	}
	renewed := private("team/own:1", registryOf(address, "puller", pass+"2"))
	if again := w.want(http.MethodPut, "/environments/own", renewed); again["version"] != "2" {
		t.Errorf("with another password the environment stays version %v", again["version"])
	}

	// As the SDK deploys it, after it has read it: by name and version, without the password.
	shown("a deployment", w.want(http.MethodPost, "/services", with(read)))
	service := workspace.Child("services", "svc")
	r, err := w.store.Get(t.Context(), service)
	w.must(err)
	e := r.Body.(*berth.Service).Spec.Environment
	if e.Image != "registry.example.com/team/own:1" || e.Login == nil || *e.Login != (berth.ImageLogin{
		Repository: "registry.example.com/team/own", Username: "puller"}) || secret(service) != pass {
		t.Errorf("%+v, %+v", e, e.Login)
	}
	shown("a service", w.want(http.MethodGet, "/services/svc", nil))
	w.refused(http.MethodPost, "/services", named(with(private("team/own:1", registryOf(address, "puller", nil))), "two"),
		"no password", "puller", "team/own")
	w.refused(http.MethodPost, "/services", named(with(private("team/own:1", registryOf(address, nil, pass))), "two"), "no username")

	shown("an endpoint", w.want(http.MethodPost, "/services", asked(nil, map[string]any{"vera": version(with(sent))})))
	if got := secret(workspace.Child("onlineEndpoints", "end")); got != pass {
		t.Errorf("the endpoint pulls with %q", got)
	}
	v2, err := w.store.Get(t.Context(), workspace.Child("environments", "own").Child("versions", "1"))
	w.must(err)
	if e, err := models.EnvironmentOf(v2); err != nil || e.Login == nil || e.Image != "registry.example.com/team/own:1" {
		t.Errorf("version 2 of the SDK deploys %+v, %v", e, err)
	}
	for service, c := range map[string]struct{ image, want string }{"one": {"a.example/b/c:1", "a.example/b/c"},
		"two": {"a.example:5000/b@sha256:00", "a.example:5000/b"}, "three": {"nginx", "docker.io/library/nginx"},
		"four": {"me/x:2", "docker.io/me/x"}} {
		w.want(http.MethodPost, "/services", named(with(private(c.image, registryOf(nil, "puller", pass))), service))
		r, err := w.store.Get(t.Context(), workspace.Child("services", service))
		w.must(err)
		if got := r.Body.(*berth.Service).Spec.Environment; got.Login == nil || got.Login.Repository != c.want || got.Image != c.image {
			t.Errorf("%s: %+v", c.image, got.Login)
		}
	}
}

func named(request map[string]any, name string) map[string]any {
	out := maps.Clone(request)
	out["name"] = name
	return out
}
