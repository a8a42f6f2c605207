package app_test

import (
	"html"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"berth.dev/berth/app/apptest"
)

// pagesAs sends the forms of the studio as a caller that has signed in.
func pagesAs(t *testing.T, c *apptest.Server) func(method string, form url.Values) (status int, text string) {
	t.Helper()
	cookie := ""
	ask := func(method, path string, form url.Values) (status int, set, text string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, c.Endpoint+path, strings.NewReader(form.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Cookie", cookie)
		res, err := c.Plain().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, res.Header.Get("Set-Cookie"), html.UnescapeString(string(body))
	}
	status, set, text := ask(http.MethodPost, "/studio/sign-in", url.Values{"client": {c.ClientID}, "secret": {c.ClientSecret}})
	cookie, _, _ = strings.Cut(set, ";")
	if status != http.StatusSeeOther || cookie == "" {
		t.Fatalf("no sign-in: %d %s", status, text)
	}
	return func(method string, form url.Values) (int, string) {
		t.Helper()
		status, _, text := ask(method, "/studio/access", form)
		return status, text
	}
}

// TestStudioAccess: the page shows who may do what and why, gives roles and takes them away, for those who may; the others are told what
// they need.
func TestStudioAccess(t *testing.T) {
	s := apptest.New(t)
	s.MakeWorkspace("team", "vision")
	ann, bob := s.NewCaller("ann"), s.NewCaller("bob")
	s.Assign(ann.ObjectID, reader, "/subscriptions/"+s.SubscriptionID)
	owner, asAnn := pagesAs(t, s), pagesAs(t, ann.Server)
	give := url.Values{"who": {bob.ObjectID}, "scope": {s.Workspace("team", "vision")},
		"role": {"/subscriptions/" + s.SubscriptionID + "/providers/Microsoft.Authorization/roleDefinitions/" + contributor}}

	if status, text := asAnn(http.MethodGet, nil); status != http.StatusOK || !strings.Contains(text, "berth-admin") ||
		!strings.Contains(text, "<code>*/read</code>") {
		t.Errorf("a reader sees %d %s", status, text)
	}
	if status, text := asAnn(http.MethodPost, give); status != http.StatusForbidden ||
		!strings.Contains(text, "'Microsoft.Authorization/roleAssignments/write'") {
		t.Errorf("a reader gives a role: %d %s", status, text)
	}
	if status, text := owner(http.MethodPost, give); status != http.StatusSeeOther {
		t.Fatalf("the owner gives a role: %d %s", status, text)
	}
	bob.Want(http.StatusOK, bob.Do(http.MethodPatch, s.Workspace("team", "vision"), apptest.Object{"tags": apptest.Object{"a": "b"}}))
	if status, text := owner(http.MethodPost, give); status != http.StatusConflict || !strings.Contains(text, "already exists") {
		t.Errorf("twice: %d %s", status, text)
	}
	made := s.Want(http.StatusOK, s.Do(http.MethodGet, s.Workspace("team", "vision")+
		"/providers/Microsoft.Authorization/roleAssignments?$filter="+url.QueryEscape("principalId eq '"+bob.ObjectID+"'"), nil))
	id, _ := apptest.At(made.Body, "value.0.id").(string)
	if status, text := owner(http.MethodPost, url.Values{"remove": {s.Workspace("team", "vision")}}); status != http.StatusNotFound {
		t.Errorf("a workspace is no role assignment: %d %s", status, text)
	}
	if status, text := owner(http.MethodPost, url.Values{"remove": {id}}); status != http.StatusSeeOther {
		t.Errorf("the owner takes the role away: %d %s", status, text)
	}
	if r := bob.Do(http.MethodGet, s.Workspace("team", "vision"), nil); r.Status != http.StatusForbidden {
		t.Errorf("bob keeps it: %d %s", r.Status, r.Text)
	}
}
