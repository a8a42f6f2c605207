package signin_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"berth.dev/berth/access"
	"berth.dev/berth/app"
	"berth.dev/berth/app/apptest"
)

type object = apptest.Object

const reader = "acdd72a7-3385-48ef-bd42-f606fba81ae7"

// ann is what the provider says about a person.
func ann() object {
	return object{"sub": "ann-1", "name": "Ann", "preferred_username": "ann", "email": "ann@example.com", "email_verified": true,
		"groups": []string{"ml", "all"}}
}

// front is a server with a provider.
func front(t *testing.T, more ...string) (*apptest.Server, *apptest.OpenID) {
	t.Helper()
	p := apptest.NewOpenID(t)
	p.Person(ann(), nil, nil)
	return apptest.New(t, func(c *app.Config) { c.OIDC = p.File("corp", more...) }), p
}

// claimsOf are the claims of a token.
func claimsOf(t *testing.T, token any) object {
	t.Helper()
	text, _ := token.(string)
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		t.Fatalf("no token: %q", text)
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	var out object
	if err := json.Unmarshal(payload, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// graph asks Graph as the first caller.
func graph(t *testing.T, s *apptest.Server, method, path string, body any) *apptest.Response {
	t.Helper()
	return s.Send(apptest.Request{Method: method, Path: "/graph/v1.0/" + path, Body: body, Raw: true,
		Header: map[string]string{"Authorization": "Bearer " + s.NewToken(s.Endpoint+"/graph/.default")}})
}

func refresh(s *apptest.Server, token any) *apptest.Response {
	text, _ := token.(string)
	return s.Grant(url.Values{"grant_type": {"refresh_token"}, "client_id": {apptest.AzureCLI}, "refresh_token": {text},
		"scope": {"https://graph.microsoft.com/.default offline_access openid profile"}})
}

// TestProvider: somebody signs in at an outside provider, has no rights, gets one by a group, and loses the account.
func TestProvider(t *testing.T) {
	s, p := front(t)
	person, got := s.Person("corp")
	id := claimsOf(t, got["id_token"])
	who := claimsOf(t, got["access_token"])
	if id["aud"] != apptest.AzureCLI || id["upn"] != "ann@example.com" || id["tid"] != s.TenantID || id["nonce"] == nil ||
		who["oid"] != id["oid"] || who["idtyp"] != "user" || who["groups"] != nil || got["refresh_token"] == nil {
		t.Fatalf("%v\n%v", id, who)
	}
	if info, err := base64.RawURLEncoding.DecodeString(got["client_info"].(string)); err != nil ||
		!strings.Contains(string(info), id["oid"].(string)) {
		t.Errorf("client_info: %s %v", info, err)
	}
	scope := "/subscriptions/" + s.SubscriptionID
	person.Refused(person.Do("GET", scope+"/resourceGroups", nil), http.StatusForbidden, "AuthorizationFailed", "'ann@example.com'",
		id["oid"].(string))

	groups := graph(t, s, "GET", "groups?$filter="+url.QueryEscape("displayName eq 'ml'"), nil).Body["value"].([]any)
	s.Assign(groups[0].(object)["id"].(string), reader, scope)
	s.Want(http.StatusOK, person.Do("GET", scope+"/resourceGroups", nil))
	person.Refused(person.Do("PUT", scope+"/resourceGroups/x", object{"location": "westeurope"}), http.StatusForbidden, "AuthorizationFailed")

	p.Person(object{"sub": "ann-1", "name": "Ann", "groups": []string{"all"}}, nil, nil) // no longer in ml
	same, again := s.Person("corp")
	if claimsOf(t, again["id_token"])["oid"] != id["oid"] {
		t.Error("the same person has another id")
	}
	for _, one := range []*apptest.Server{same, person} { // whatever the token
		one.Refused(one.Do("GET", scope+"/resourceGroups", nil), http.StatusForbidden, "AuthorizationFailed")
	}
	s.Assign(id["oid"].(string), reader, scope)
	s.Want(http.StatusOK, person.Do("GET", scope+"/resourceGroups", nil))

	next := s.Want(http.StatusOK, refresh(s, got["refresh_token"])).Body
	if claimsOf(t, next["access_token"])["aud"] != "https://graph.microsoft.com" || next["refresh_token"] == got["refresh_token"] {
		t.Errorf("%v", claimsOf(t, next["access_token"]))
	}
	me := s.Send(apptest.Request{Method: "GET", Path: "/graph/v1.0/me", Raw: true,
		Header: map[string]string{"Authorization": "Bearer " + next["access_token"].(string)}})
	if s.Want(http.StatusOK, me).Body["userPrincipalName"] != "ann@example.com" {
		t.Errorf("me: %s", me.Text)
	}
	info := s.Send(apptest.Request{Method: "GET", Path: "/" + s.TenantID + "/openid/userinfo", Raw: true,
		Header: map[string]string{"Authorization": "Bearer " + next["access_token"].(string)}})
	if s.Want(http.StatusOK, info).Body["sub"] != id["oid"] {
		t.Errorf("userinfo: %s", info.Text)
	}
	ends(t, s, person, next)
}

// ends: whose account is disabled or deleted is out at once, with every token.
func ends(t *testing.T, s, person *apptest.Server, tokens object) {
	t.Helper()
	scope := "/subscriptions/" + s.SubscriptionID
	at := "users/" + url.PathEscape("ann@example.com")
	s.Want(http.StatusNoContent, graph(t, s, "PATCH", at, object{"accountEnabled": false}))
	person.Refused(person.Do("GET", scope+"/resourceGroups", nil), http.StatusUnauthorized, "InvalidAuthenticationToken", "is disabled")
	if r := refresh(s, tokens["refresh_token"]); r.Status != http.StatusBadRequest || r.Body["error"] != "invalid_grant" {
		t.Errorf("refreshed: %d %s", r.Status, r.Text)
	}
	b, a := s.NewBrowser(), s.NewAsking()
	if page := b.Open(b.Open(s.Authorize(a)).Link("/sign-in/with/corp")); page.Status != http.StatusForbidden ||
		!strings.Contains(page.Text, "is disabled") {
		t.Errorf("signed in: %d %s", page.Status, page.Text)
	}
	s.Want(http.StatusNoContent, graph(t, s, "PATCH", at, object{"accountEnabled": true}))
	person.Refused(person.Do("GET", scope+"/resourceGroups", nil), http.StatusUnauthorized, "InvalidAuthenticationToken", "were ended")
	back, got := s.Person("corp")
	s.Want(http.StatusOK, back.Do("GET", scope+"/resourceGroups", nil))
	s.Want(http.StatusNoContent, graph(t, s, "DELETE", at, nil))
	back.Refused(back.Do("GET", scope+"/resourceGroups", nil), http.StatusUnauthorized, "InvalidAuthenticationToken", "no longer exists")
	if r := refresh(s, got["refresh_token"]); r.Body["error"] != "invalid_grant" {
		t.Errorf("refreshed: %d %s", r.Status, r.Text)
	}
	anew, _ := s.Person("corp") // another person: without the roles of the old one
	anew.Refused(anew.Do("GET", scope+"/resourceGroups", nil), http.StatusForbidden, "AuthorizationFailed")
}

// TestDevice: somebody signs in for a program without a browser.
func TestDevice(t *testing.T) {
	s, _ := front(t)
	begin := func() object {
		r := s.Send(apptest.Request{Method: "POST", Path: "/organizations/oauth2/v2.0/devicecode", Raw: true,
			Body:   url.Values{"client_id": {apptest.AzureCLI}, "scope": s.NewAsking().Query["scope"]}.Encode(),
			Header: map[string]string{"Content-Type": "application/x-www-form-urlencoded", "Authorization": ""}})
		return s.Want(http.StatusOK, r).Body
	}
	poll := func(d object) *apptest.Response {
		code, _ := d["device_code"].(string)
		return s.Grant(url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:device_code"}, "client_id": {apptest.AzureCLI},
			"device_code": {code}})
	}
	d, other := begin(), begin()
	if r := poll(d); r.Status != http.StatusBadRequest || r.Body["error"] != "authorization_pending" {
		t.Fatalf("%d %s", r.Status, r.Text)
	}
	b := s.NewBrowser()
	at := strings.TrimPrefix(d["verification_uri"].(string), s.Endpoint)
	if page := b.Open(at); page.Status != http.StatusOK || !strings.Contains(page.Text, `name="user_code"`) {
		t.Fatalf("%d %s", page.Status, page.Text)
	}
	if page := b.Open(at + "?user_code=NONESUCH"); page.Status != http.StatusBadRequest || !strings.Contains(page.Text, "No device waits") {
		t.Errorf("%d %s", page.Status, page.Text)
	}
	typed := strings.ToLower(d["user_code"].(string)) // as people type it
	page := b.Open(at + "?user_code=" + typed[:4] + "-" + typed[4:])
	if !strings.Contains(page.Text, "Azure CLI") || !strings.Contains(page.Text, "only if you started") {
		t.Errorf("%d %s", page.Status, page.Text)
	}
	if done := b.Open(page.Link("/sign-in/with/corp")); done.Status != http.StatusOK || !strings.Contains(done.Text, "ann@example.com") {
		t.Fatalf("%d %s", done.Status, done.Text)
	}
	got := s.Want(http.StatusOK, poll(d)).Body
	if claimsOf(t, got["id_token"])["upn"] != "ann@example.com" || got["refresh_token"] == nil {
		t.Errorf("%v", got)
	}
	if r := poll(d); r.Body["error"] != "invalid_grant" {
		t.Errorf("a device code worked twice: %s", r.Text)
	}
	if r := poll(other); r.Body["error"] != "authorization_pending" {
		t.Errorf("another device has got the sign-in: %s", r.Text)
	}
}

// TestLocal: a person with a password.
func TestLocal(t *testing.T) {
	s := apptest.New(t)
	b, a := s.NewBrowser(), s.NewAsking()
	if page := b.Open(s.Authorize(a)); page.Status != http.StatusOK || !strings.Contains(page.Text, "berth ad user create") {
		t.Errorf("nobody can sign in, and the page does not say so: %s", page.Text)
	}
	const password = "correct horse battery staple"
	create := func(name, password string) *apptest.Response {
		return graph(t, s, "POST", "users", object{"accountEnabled": true, "displayName": "Bo", "mailNickname": "bo", "userPrincipalName": name,
			"passwordProfile": object{"forceChangePasswordNextSignIn": false, "password": password}})
	}
	if r := create("bo", "short"); r.Status != http.StatusBadRequest || !strings.Contains(r.Text, "at least 12") {
		t.Errorf("%d %s", r.Status, r.Text)
	}
	if r := create("bo@example.com", password); r.Status != http.StatusBadRequest {
		t.Errorf("%d %s", r.Status, r.Text)
	}
	bo := s.Want(http.StatusCreated, create("Bo", password)).Body
	if r := create("bO", password); r.Status != http.StatusConflict {
		t.Errorf("%d %s", r.Status, r.Text)
	}
	signIn := func(user, password string) *apptest.Page {
		page := b.Open(s.Authorize(a))
		return b.Submit(page.Form("/sign-in/local"), url.Values{"user": {user}, "password": {password}})
	}
	for user, password := range map[string]string{"bo": "wrong password", "nobody": password} {
		if page := signIn(user, password); page.Status != http.StatusUnauthorized || !strings.Contains(page.Text, "user name or the password") {
			t.Errorf("%s: %d %s", user, page.Status, page.Text)
		}
	}
	page := signIn("bo", password)
	got := s.Want(http.StatusOK, s.Redeem(a, page.At)).Body
	if claimsOf(t, got["access_token"])["oid"] != bo["id"] {
		t.Errorf("%v", got)
	}
	s.Want(http.StatusNoContent, graph(t, s, "PATCH", "users/bo", object{"passwordProfile": object{"password": password + "2"}}))
	if r := refresh(s, got["refresh_token"]); r.Body["error"] != "invalid_grant" {
		t.Errorf("a sign-in outlives its password: %s", r.Text)
	}
	if page := signIn("bo", password); page.Status != http.StatusUnauthorized {
		t.Errorf("the old password: %d", page.Status)
	}
	for range 10 {
		signIn("bo", "wrong password")
	}
	if page := signIn("bo", password+"2"); page.Status != http.StatusUnauthorized || !strings.Contains(page.Text, "Too many sign-ins") {
		t.Errorf("guesses are not slowed down: %d %s", page.Status, page.Text)
	}
	foreign := s.NewBrowser().Submit("/sign-in/local?"+a.Query.Encode(), nil)
	if foreign.Status != http.StatusUnauthorized {
		t.Errorf("an empty form: %d %s", foreign.Status, foreign.Text)
	}
	if strings.Contains(s.Log.String(), password) {
		t.Error("a password is in the log")
	}
}

// TestSilentProvider: Berth gives up after a while and says so, and other ways to sign in stay open.
func TestSilentProvider(t *testing.T) {
	s, p := front(t)
	p.Silence(true)
	b, a := s.NewBrowser(), s.NewAsking()
	page := b.Open(b.Open(s.Authorize(a)).Link("/sign-in/with/corp"))
	if page.Status != http.StatusBadGateway || !strings.Contains(page.Text, "Example Corp") {
		t.Errorf("%d %s", page.Status, page.Text)
	}
	p.Silence(false)
	s.Person("corp")
}

// TestKorean: the pages speak the language of the browser.
func TestKorean(t *testing.T) {
	s, _ := front(t)
	r := s.Send(apptest.Request{Method: "GET", Path: strings.TrimPrefix(s.Authorize(s.NewAsking()), s.Endpoint), Raw: true,
		Header: map[string]string{"Accept-Language": "ko", "Authorization": ""}})
	if !strings.Contains(r.Text, "로그인") || r.Header.Get("Content-Language") != "ko" {
		t.Errorf("%s", r.Text)
	}
	r = s.Send(apptest.Request{Method: "GET", Path: "/sign-in/callback/corp", Raw: true, Header: map[string]string{"Accept-Language": "ko"}})
	if !strings.Contains(r.Text, "다시 시작") {
		t.Errorf("%s", r.Text)
	}
}

// TestPrincipals: role assignments name people and groups, by their types.
func TestPrincipals(t *testing.T) {
	s, _ := front(t)
	_, got := s.Person("corp")
	oid, _ := claimsOf(t, got["id_token"])["oid"].(string)
	all := graph(t, s, "GET", "users/"+oid+"/memberOf", nil).Body["value"].([]any)
	if len(all) != 2 {
		t.Fatalf("groups: %v", all)
	}
	group, _ := all[0].(object)["id"].(string)
	for id, kind := range map[string]string{oid: "User", group: "Group"} {
		at := s.Assign(id, access.OwnerRole, "/subscriptions/"+s.SubscriptionID)
		if got := apptest.At(s.Do("GET", at, nil).Body, "properties.principalType"); got != kind {
			t.Errorf("%s is a %v", id, got)
		}
	}
	found := graph(t, s, "POST", "directoryObjects/getByIds", object{"ids": []string{oid, group, "x"}, "types": []string{"user", "group"}})
	if value := s.Want(http.StatusOK, found).Body["value"].([]any); len(value) != 2 {
		t.Errorf("%s", found.Text)
	}
	members := graph(t, s, "GET", "groups/"+group+"/members", nil).Body["value"].([]any)
	if len(members) != 1 || members[0].(object)["id"] != oid {
		t.Errorf("members: %v", members)
	}
}

// TestTemplates: a template acts with the rights of the person who sent it, also after the request has ended.
func TestTemplates(t *testing.T) {
	s, _ := front(t)
	person, got := s.Person("corp")
	oid, _ := claimsOf(t, got["id_token"])["oid"].(string)
	group := s.Group("team")
	s.Want(http.StatusCreated, s.Do("PUT", group, object{"location": "westeurope"}))
	s.Assign(oid, "b24988ac-6180-42a0-ab88-20f7382dd24c", group) // Contributor
	deploy := func(name string, resource object) object {
		at := group + "/providers/Microsoft.Resources/deployments/" + name
		s.Want(http.StatusCreated, person.Do("PUT", at, object{"properties": object{"mode": "Incremental", "template": object{
			"$schema":        "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
			"contentVersion": "1.0.0.0", "resources": []object{resource}}}}))
		var properties object
		s.Until("the deployment ends", func() bool {
			properties, _ = person.Do("GET", at, nil).Body["properties"].(object)
			return properties["provisioningState"] == "Succeeded" || properties["provisioningState"] == "Failed"
		})
		return properties
	}
	account := object{"type": "Microsoft.Storage/storageAccounts", "apiVersion": "2023-01-01", "name": "byperson", "location": "westeurope",
		"sku": object{"name": "Standard_LRS"}, "kind": "StorageV2"}
	if end := deploy("may", account); end["provisioningState"] != "Succeeded" {
		t.Errorf("%v", end)
	}
	role := object{"type": "Microsoft.Authorization/roleAssignments", "apiVersion": "2022-04-01",
		"name": "6f1f4a1e-51a5-4b0c-9d6c-0c6c2d0b9a11",
		"properties": object{"principalId": oid,
			"roleDefinitionId": "/providers/Microsoft.Authorization/roleDefinitions/" + access.OwnerRole}}
	end := deploy("maynot", role)
	if text, err := json.Marshal(end); err != nil || end["provisioningState"] != "Failed" ||
		!strings.Contains(string(text), "'ann@example.com' with object id '"+oid) {
		t.Errorf("%v: %s", err, text)
	}
}
