package app_test

import (
	"html"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"berth.dev/berth/app/apptest"
)

// pagesAs sends the forms of the studio as a caller that has signed in.
func pagesAs(t *testing.T, c *apptest.Server) func(method string, form url.Values) (status int, text string) {
	t.Helper()
	ask := studioOf(t, c)
	status, h, text := ask(http.MethodPost, "/studio/sign-in", "", url.Values{"client": {c.ClientID}, "secret": {c.ClientSecret}})
	cookie, _, _ := strings.Cut(h.Get("Set-Cookie"), ";")
	if status != http.StatusSeeOther || cookie == "" {
		t.Fatalf("no sign-in: %d %s", status, text)
	}
	return func(method string, form url.Values) (int, string) {
		t.Helper()
		status, _, text := ask(method, "/studio/access", cookie, form)
		return status, html.UnescapeString(text)
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
