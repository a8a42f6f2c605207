package app_test

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"berth.dev/berth/app"
	"berth.dev/berth/app/apptest"
)

// TestStudioPeople: people sign in at the studio, at a provider or with a password, and it is theirs until they are disabled.
func TestStudioPeople(t *testing.T) {
	p := apptest.NewOpenID(t)
	p.Person(apptest.Object{"sub": "ann-1", "name": "Ann", "email": "ann@example.com", "email_verified": true}, nil, nil)
	s := apptest.New(t, func(c *app.Config) { c.OIDC = p.File("corp") })
	graph := func(status int, method, path string, body any) apptest.Object {
		return s.Want(status, s.Send(apptest.Request{Method: method, Path: "/graph/v1.0/" + path, Body: body, Raw: true,
			Header: map[string]string{"Authorization": "Bearer " + s.NewToken(s.Endpoint+"/graph/.default")}})).Body
	}
	b := s.NewBrowser()
	page := b.Open("/studio/access")
	if page.Status != http.StatusUnauthorized || page.Link("way=&") != "" {
		t.Fatalf("%d, or a form for passwords that nobody has: %s", page.Status, page.Text)
	}
	page = b.Open(page.Link("/studio/people?way=corp"))
	if page.Status != http.StatusOK || page.Link("/studio/access") == "" || page.At.Path != "/studio/signed-in" {
		t.Fatalf("%d at %s: %s", page.Status, page.At, page.Text)
	}
	ann, _ := graph(http.StatusOK, "GET", "users/"+url.PathEscape("ann@example.com"), nil)["id"].(string)
	s.Assign(ann, "acdd72a7-3385-48ef-bd42-f606fba81ae7", "/subscriptions/"+s.SubscriptionID)
	if page = b.Open("/studio/access"); page.Status != http.StatusOK || !strings.Contains(page.Text, "Ann (ann@example.com)") ||
		strings.Contains(page.Text, ann+" <span") {
		t.Errorf("%d %s", page.Status, page.Text)
	}
	for name, at := range map[string]string{"no way": "/studio/signed-in?code=x&state=y", "an empty one": "/studio/signed-in"} {
		if page := s.NewBrowser().Open(at); page.Status != http.StatusBadRequest || !strings.Contains(page.Text, "did not begin in this") {
			t.Errorf("%s: %d %s", name, page.Status, page.Text)
		}
	}
	graph(http.StatusNoContent, "PATCH", "users/"+ann, apptest.Object{"accountEnabled": false})
	if page := b.Open("/studio/access"); page.Status != http.StatusUnauthorized {
		t.Errorf("disabled, and still in the studio: %d", page.Status)
	}

	const password = "correct horse battery staple"
	graph(http.StatusCreated, "POST", "users", apptest.Object{"userPrincipalName": "bo", "displayName": "Bo",
		"passwordProfile": apptest.Object{"password": password}})
	b = s.NewBrowser()
	page = b.Open(b.Open("/studio/sign-in").Link("/studio/people?way=&"))
	page = b.Submit(page.Form("/sign-in/local"), url.Values{"user": {"bo"}, "password": {password}})
	if page.At.Path != "/studio/signed-in" || page.Status != http.StatusOK {
		t.Fatalf("%d at %s: %s", page.Status, page.At, page.Text)
	}
	if page := b.Open("/studio/workspaces"); page.Status != http.StatusForbidden { // a session, and no role
		t.Errorf("%d %s", page.Status, page.Text)
	}
}

// TestProviderFiles: a file of providers that cannot be right keeps the server from starting.
func TestProviderFiles(t *testing.T) {
	for name, c := range map[string]struct{ text, words string }{
		"no list":       {"a: b", "is not a list"},
		"unknown field": {"- name: a\n  secret: x", "is not a list"},
		"no issuer":     {"- name: a\n  clientId: x", "its issuer must be"},
		"plain http":    {"- name: a\n  clientId: x\n  issuer: http://example.com", "its issuer must be"},
		"bad name":      {"- name: A B\n  clientId: x\n  issuer: https://example.com", "its name must have"},
		"no client":     {"- name: a\n  issuer: https://example.com", "it needs a clientId"},
		"no secret": {"- name: a\n  clientId: x\n  issuer: https://example.com\n  clientSecretFile: /nonexistent",
			"clientSecretFile cannot be read"},
		"no CA": {"- name: a\n  clientId: x\n  issuer: https://example.com\n  caFile: /dev/null", "no certificate in PEM"},
		"empty": {"-", "empty entry"},
		"twice": {"- &a\n  name: a\n  clientId: x\n  issuer: https://example.com\n- *a", "two providers"},
	} {
		file := filepath.Join(t.TempDir(), "oidc.yaml")
		if err := os.WriteFile(file, []byte(c.text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := startError(t, t.TempDir(), func(a *app.Config) { a.OIDC = file }); !strings.Contains(got, c.words) {
			t.Errorf("%s: %s", name, got)
		}
	}
}
