package graph_test

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"berth.dev/berth/access"
	"berth.dev/berth/app/apptest"
)

type object = apptest.Object

// front is a server and an application that manages its callers.
type front struct {
	*apptest.Server
	t *testing.T
}

func newFront(t *testing.T) *front {
	f := &front{Server: apptest.New(t), t: t}
	f.Token = f.NewToken(f.Endpoint + "/graph/.default")
	return f
}

func (f *front) send(status int, method, path string, body any) object {
	f.t.Helper()
	r := f.Send(apptest.Request{Method: method, Path: path, Body: body, Raw: true})
	if r.Status != status {
		f.t.Fatalf("%s %s: %d %s, want %d", method, path, r.Status, r.Text, status)
	}
	return r.Body
}

func (f *front) list(path string) []object {
	f.t.Helper()
	var out []object
	for _, v := range f.send(http.StatusOK, "GET", path, nil)["value"].([]any) {
		out = append(out, v.(object))
	}
	return out
}

// signIn requests a token with a secret and returns the status.
func (f *front) signIn(id, secret string) int {
	f.t.Helper()
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {id}, "client_secret": {secret},
		"scope": {f.Endpoint + "/graph/.default"}}
	r := f.Send(apptest.Request{Method: "POST", Path: "/" + f.TenantID + "/oauth2/v2.0/token", Raw: true, Body: form.Encode(),
		Header: map[string]string{"Content-Type": "application/x-www-form-urlencoded", "Authorization": ""}})
	if r.Status == http.StatusOK {
		f.Token = r.Body["access_token"].(string)
	}
	return r.Status
}

func TestLifeOfACaller(t *testing.T) {
	f := newFront(t)
	manager := f.NewToken(f.Endpoint + "/.default")
	admin := f.list("/graph/v1.0/servicePrincipals")[0]
	created := f.send(http.StatusCreated, "POST", "/graph/v1.0/applications", object{"displayName": "ci"})
	id := created["appId"].(string)
	principal := f.send(http.StatusCreated, "POST", "/graph/v1.0/servicePrincipals", object{"appId": id, "accountEnabled": true})
	at := "/graph/v1.0/servicePrincipals/" + principal["id"].(string)
	if created["id"] == principal["id"] || f.signIn(id, "") == http.StatusOK {
		t.Error("one id for two objects, or a sign-in without a credential")
	}
	password := f.send(http.StatusOK, "POST", at+"/addPassword",
		object{"passwordCredential": object{"displayName": "rbac", "endDateTime": time.Now().Add(time.Hour).UTC().Format(time.RFC3339)}})
	secret := password["secretText"].(string)
	for _, filter := range []string{"displayName eq 'ci'", "startswith(displayName,'C')", "appId eq '" + id + "'",
		"servicePrincipalNames/any(c:c eq '" + id + "')"} {
		if found := f.list("/graph/v1.0/servicePrincipals?$filter=" + url.QueryEscape(filter)); len(found) != 1 || found[0]["appId"] != id {
			t.Errorf("%s: %v", filter, found)
		}
	}
	if r := f.Send(apptest.Request{Method: "GET", Path: at, Raw: true}); strings.Contains(r.Text, secret) ||
		!strings.Contains(r.Text, `"hint":"`+secret[:3]) {
		t.Errorf("shown again, or without a hint: %s", r.Text)
	}
	if f.signIn(id, secret) != http.StatusOK {
		t.Fatal("the new caller cannot sign in")
	}
	own := "/subscriptions/" + f.SubscriptionID + "/providers/Microsoft.Authorization/roleAssignments/" + uuid.NewString()
	f.send(http.StatusForbidden, "POST", "/graph/v1.0/servicePrincipals/"+admin["id"].(string)+"/addPassword", object{})
	f.Want(http.StatusCreated, f.Send(apptest.Request{Method: "PUT", Path: own,
		Header: map[string]string{"Authorization": "Bearer " + manager},
		Body: object{"properties": object{"principalId": principal["id"],
			"roleDefinitionId": "/providers/Microsoft.Authorization/roleDefinitions/" + access.OwnerRole}}}))
	f.send(http.StatusConflict, "DELETE", at, nil) // itself
	f.send(http.StatusNoContent, "DELETE", "/graph/v1.0/servicePrincipals/"+admin["id"].(string), nil)
	if f.signIn(f.ClientID, f.ClientSecret) == http.StatusOK {
		t.Error("a deleted caller signs in")
	}

	f.Stop()
	noSecretIn(t, f.Dir, f.Log.String(), secret, f.ClientSecret)

	// What was done stays done. credentials.json still names the deleted client, and that does not bring it back.
	file := filepath.Join(f.Dir, "credentials.json")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	swapped := strings.NewReplacer(f.ClientID, id, f.ClientSecret, secret).Replace(string(text))
	if err := os.WriteFile(file, []byte(swapped), 0o600); err != nil {
		t.Fatal(err)
	}
	f.Server = apptest.In(t, f.Dir)
	f.Token = f.NewToken(f.Endpoint + "/graph/.default")
	if found := f.list("/graph/v1.0/applications"); len(found) != 1 || found[0]["displayName"] != "ci" {
		t.Errorf("after a restart: %v", found)
	}
}

// noSecretIn: of secrets only hashes are kept, and they are in no log. credentials.json is for the client.
func noSecretIn(t *testing.T, dir, log string, secrets ...string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "berth.db*"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		log += string(data)
	}
	for _, s := range secrets {
		if strings.Contains(log, s) {
			t.Error("a secret is in the database or the log")
		}
	}
}

func TestRefusals(t *testing.T) {
	f := newFront(t)
	own := "/graph/v1.0/applications/" + f.list("/graph/v1.0/applications")[0]["id"].(string)
	past := object{"passwordCredential": object{"endDateTime": "2020-01-01T00:00:00Z"}}
	for name, c := range map[string]struct {
		method, path string
		body         any
		status       int
		code, words  string
	}{
		"devices":        {"GET", "/graph/v1.0/devices", nil, 404, "Request_ResourceNotFound", "no owners or permissions"},
		"nowhere":        {"GET", "/graph/v1.0/", nil, 404, "Request_ResourceNotFound", "applications and servicePrincipals"},
		"unknown id":     {"GET", "/graph/v1.0/applications/x", nil, 404, "Request_ResourceNotFound", "'x' does not exist"},
		"strange filter": {"GET", "/graph/v1.0/applications?$filter=1%20eq%201", nil, 400, "Request_BadRequest", "displayName eq"},
		"quote in filter": {"GET", "/graph/v1.0/applications?$filter=displayName%20eq%20'a'%20or%20'b'", nil, 400, "Request_BadRequest",
			"displayName eq"},
		"no name": {"POST", "/graph/v1.0/applications", object{}, 400, "Request_BadRequest", "displayName"},
		"unknown property": {"POST", "/graph/v1.0/applications", object{"displayName": "x", "identifierUris": []string{"api://x"}}, 400,
			"Request_BadRequest", "identifierUris"},
		"not JSON": {"POST", "/graph/v1.0/applications", "{", 400, "Request_BadRequest", "cannot be read"},
		"too large": {"POST", "/graph/v1.0/applications", `{"displayName":"` + strings.Repeat("x", 300<<10) + `"}`, 413, "Request_BadRequest",
			"larger than"},
		"junk key": {"POST", "/graph/v1.0/applications", object{"displayName": "x", "keyCredentials": []object{{"key": "AAAA"}}}, 400,
			"Request_BadRequest", "not an X.509"},
		"switched off": {"PATCH", own, object{"accountEnabled": false}, 400, "Request_BadRequest", "cannot be disabled"},
		"no application": {"POST", "/graph/v1.0/servicePrincipals", object{"appId": "x"}, 400, "Request_BadRequest",
			"does not reference an application"},
		"in the past":      {"POST", own + "/addPassword", past, 400, "Request_BadRequest", "ended"},
		"unknown password": {"POST", own + "/removePassword", object{"keyId": "x"}, 404, "Request_ResourceNotFound", "no credential"},
		"no such user":     {"GET", "/graph/v1.0/users/x", nil, 404, "Request_ResourceNotFound", "'x' does not exist"},
		"no such group":    {"GET", "/graph/v1.0/groups/x/members", nil, 404, "Request_ResourceNotFound", "'x' does not exist"},
		"filter of users":  {"GET", "/graph/v1.0/users?$filter=1%20eq%201", nil, 400, "Request_BadRequest", "userPrincipalName eq"},
		"filter of groups": {"GET", "/graph/v1.0/groups?$filter=1%20eq%201", nil, 400, "Request_BadRequest", "displayName eq"},
		"no password":      {"POST", "/graph/v1.0/users", object{"userPrincipalName": "x"}, 400, "Request_BadRequest", "passwordProfile"},
		"forced change": {"POST", "/graph/v1.0/users", object{"userPrincipalName": "x", "passwordProfile": object{
			"password": "correct horse battery", "forceChangePasswordNextSignIn": true}}, 400, "Request_BadRequest", "forceChange"},
		"user property": {"POST", "/graph/v1.0/users", object{"jobTitle": "x"}, 400, "Request_BadRequest", "jobTitle"},
		"me":            {"GET", "/graph/v1.0/me", nil, 400, "Request_BadRequest", "delegated"},
		"itself":        {"DELETE", own, nil, 409, "Request_MultipleObjectsWithSameKeyValue", "an application cannot delete itself"},
	} {
		r := f.Send(apptest.Request{Method: c.method, Path: c.path, Body: c.body, Raw: true})
		e, _ := r.Body["error"].(object)
		if r.Status != c.status || e["code"] != c.code || !strings.Contains(e["message"].(string), c.words) {
			t.Errorf("%s: %d %s", name, r.Status, r.Text)
		}
	}
	if n := len(f.list("/graph/v1.0/applications")); n != 1 {
		t.Errorf("%d applications: a refused request created one", n)
	}
	anonymous := f.Send(apptest.Request{Method: "GET", Path: "/graph/v1.0/applications", Raw: true,
		Header: map[string]string{"Authorization": ""}})
	if anonymous.Status != http.StatusUnauthorized || !strings.HasPrefix(anonymous.Header.Get("WWW-Authenticate"), "Bearer") {
		t.Errorf("anonymous: %d %s", anonymous.Status, anonymous.Text)
	}
}

func TestSigningKeys(t *testing.T) {
	f := newFront(t)
	old := f.Token
	if keys := f.send(http.StatusOK, "POST", "/graph/v1.0/berth/rotateSigningKey", nil)["value"].([]any); len(keys) != 2 {
		t.Errorf("%v", keys)
	}
	f.send(http.StatusOK, "GET", "/graph/v1.0/berth/signingKeys", nil) // with a token of the old key
	f.send(http.StatusOK, "POST", "/graph/v1.0/berth/rotateSigningKey", object{"forgetOld": true})
	f.send(http.StatusUnauthorized, "GET", "/graph/v1.0/berth/signingKeys", nil)
	if f.signIn(f.ClientID, f.ClientSecret) != http.StatusOK || f.Token == old {
		t.Error("no new token")
	}
	f.send(http.StatusOK, "GET", "/graph/v1.0/berth/signingKeys", nil)
}

// TestKorean: a caller who asks for Korean gets the message in it, with the same code.
func TestKorean(t *testing.T) {
	f := newFront(t)
	r := f.Send(apptest.Request{Method: "GET", Path: "/graph/v1.0/devices", Header: map[string]string{"Accept-Language": "ko"}})
	f.Want(http.StatusNotFound, r)
	message, _ := apptest.At(r.Body, "error.message").(string)
	if !strings.HasPrefix(message, "Berth에는 'GET ") || r.Header.Get("Content-Language") != "ko" || r.Header.Get("Vary") != "Accept-Language" {
		t.Errorf("%v %s", r.Header, r.Text)
	}
}

// TestAudience: Graph and Resource Manager accept only their own tokens, and the refusal names the scope to request.
func TestAudience(t *testing.T) {
	f := newFront(t)
	forGraph, forARM := f.Token, f.NewToken(f.Endpoint+"/.default")
	f.send(http.StatusOK, "GET", "/graph/v1.0/applications", nil)
	refused := f.Send(apptest.Request{Method: "GET", Path: "/subscriptions"})
	f.Refused(refused, http.StatusUnauthorized, "InvalidAuthenticationToken", f.Endpoint+"/.default")
	f.Token = forARM
	f.Want(http.StatusOK, f.Do("GET", "/subscriptions", nil))
	if r := f.send(http.StatusUnauthorized, "GET", "/graph/v1.0/applications", nil); !strings.Contains(text(r), f.Endpoint+"/graph/.default") {
		t.Errorf("the refusal does not say what to ask for: %v", r)
	}
	for name, header := range map[string]string{"none": "", "another scheme": "Basic " + forGraph,
		"two tokens": "Bearer " + forGraph + " " + forGraph} {
		r := f.Send(apptest.Request{Method: "GET", Path: "/graph/v1.0/applications", Raw: true,
			Header: map[string]string{"Authorization": header}})
		if r.Status != http.StatusUnauthorized {
			t.Errorf("%s: %d %s", name, r.Status, r.Text)
		}
	}
	for _, at := range []string{"/metadata/endpoints?api-version=2019-05-01", "/metadata/endpoints?api-version=2022-09-01"} {
		r := f.Send(apptest.Request{Method: "GET", Path: at, Raw: true})
		if !strings.Contains(r.Text, `"microsoftGraphResourceId":"`+f.Endpoint+`/graph"`) {
			t.Errorf("%s: %s", at, r.Text)
		}
	}
}

func text(o object) string {
	e, _ := o["error"].(object)
	message, _ := e["message"].(string)
	return message
}
