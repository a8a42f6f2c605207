package app_test

import (
	"html"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"berth.dev/berth/app/apptest"
)

// signedIn asks for pages of the studio as a caller that has signed in.
func signedIn(t *testing.T, c *apptest.Server) func(method, path string, form url.Values) (status int, text string) {
	t.Helper()
	ask := studioOf(t, c)
	status, h, text := ask(http.MethodPost, "/studio/sign-in", "", url.Values{"client": {c.ClientID}, "secret": {c.ClientSecret}})
	cookie, _, _ := strings.Cut(h.Get("Set-Cookie"), ";")
	if status != http.StatusSeeOther || cookie == "" {
		t.Fatalf("no sign-in: %d %s", status, text)
	}
	return func(method, path string, form url.Values) (int, string) {
		t.Helper()
		status, _, text := ask(method, path, cookie, form)
		return status, html.UnescapeString(text)
	}
}

// pagesAs is about the page of roles.
func pagesAs(t *testing.T, c *apptest.Server) func(method string, form url.Values) (status int, text string) {
	t.Helper()
	ask := signedIn(t, c)
	return func(method string, form url.Values) (int, string) {
		t.Helper()
		return ask(method, "/studio/access", form)
	}
}

// TestStudioBarred: buttons say which right is missing, to those who lack it, and to nobody else.
func TestStudioBarred(t *testing.T) {
	s := apptest.New(t)
	s.MakeWorkspace("team", "vision")
	s.Succeed(s.Do(http.MethodPut, s.Cluster("team", "edge"), apptest.ClusterOf(1, size)))
	ann, eve := s.NewCaller("ann"), s.NewCaller("eve")
	s.Assign(ann.ObjectID, reader, "/subscriptions/"+s.SubscriptionID)
	s.Assign(eve.ObjectID, reader, "/subscriptions/"+s.SubscriptionID)
	s.Assign(eve.ObjectID, contributor, s.Workspace("team", "vision")) // which has nothing to do with clusters
	const ml, aks = "Microsoft.MachineLearningServices/workspaces", "Microsoft.ContainerService/managedClusters"
	pages := map[string][]string{
		"/studio/workspaces":              {ml + "/write", ml + "/delete"},
		"/studio/clusters":                {aks + "/write", "Microsoft.Kubernetes/connectedClusters/write"},
		"/studio/k/team/managed/edge":     {aks + "/write", aks + "/delete", aks + "/check/action"},
		"/studio/w/team/vision":           {ml + "/computes/write"},
		"/studio/w/team/vision/models":    {ml + "/models/write"},
		"/studio/w/team/vision/endpoints": {ml + "/services/write"},
		"/studio/access":                  {"Microsoft.Authorization/roleAssignments/write", "Microsoft.Authorization/roleAssignments/delete"},
	}
	asAnn, asEve := signedIn(t, ann.Server), signedIn(t, eve.Server)
	owner := signedIn(t, s)
	for page, rights := range pages {
		for _, right := range rights {
			title := `aria-disabled="true" title="You need the right '` + right + `' for this."`
			if status, text := asAnn(http.MethodGet, page, nil); status != http.StatusOK || !strings.Contains(text, title) {
				t.Errorf("%s does not tell a reader of %s: %d", page, right, status)
			}
			status, text := asEve(http.MethodGet, page, nil)
			if own := strings.HasPrefix(right, ml+"/") && right != ml+"/write"; status != http.StatusOK || strings.Contains(text, title) == own {
				t.Errorf("%s tells who may change the workspace of %s: %v, %d", page, right, !own, status)
			}
		}
		if status, text := owner(http.MethodGet, page, nil); status != http.StatusOK || strings.Contains(text, "aria-disabled") {
			t.Errorf("%s bars the owner: %d", page, status)
		}
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
