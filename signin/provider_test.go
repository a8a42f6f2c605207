package signin_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"berth.dev/berth/app/apptest"
)

// TestCallback: who comes back from a provider must have left in the same browser.
func TestCallback(t *testing.T) {
	s, p := front(t)
	stopped := s.NewBrowser()
	a := s.NewAsking()
	leave := stopped.Open(s.Authorize(a)).Link("/sign-in/with/corp")
	p.Person(nil, nil, nil)
	if page := stopped.Open(leave); page.Status != http.StatusForbidden || !strings.Contains(page.Text, "access_denied") {
		t.Errorf("refused there: %d %s", page.Status, page.Text)
	}
	p.Person(ann(), nil, nil)
	for name, at := range map[string]string{
		"no state":       "/sign-in/callback/corp?code=x",
		"made-up state":  "/sign-in/callback/corp?code=x&state=AAAAAAAAAAAAAAAA",
		"no provider":    "/sign-in/callback/other?code=x&state=AAAAAAAAAAAAAAAA",
		"left elsewhere": strings.TrimPrefix(elsewhere(t, s, p), s.Endpoint),
	} {
		if page := s.NewBrowser().Open(at); page.Status != http.StatusBadRequest || !strings.Contains(page.Text, "did not begin in this") {
			t.Errorf("%s: %d %s", name, page.Status, page.Text)
		}
	}
	if page := s.NewBrowser().Open("/sign-in/with/other?" + a.Query.Encode()); page.Status != http.StatusNotFound {
		t.Errorf("no such provider: %d", page.Status)
	}
}

// elsewhere is the way back from the provider of another browser: an attacker's, who wants a victim to be signed in as the attacker.
func elsewhere(t *testing.T, s *apptest.Server, p *apptest.OpenID) string {
	t.Helper()
	plain := *s.Plain() // follows no redirect
	resp, err := plain.Get(s.Endpoint + "/sign-in/with/corp?" + s.NewAsking().Query.Encode())
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	to := resp.Header.Get("Location")
	if !strings.HasPrefix(to, p.URL) {
		t.Fatalf("sent to %q", to)
	}
	if resp, err = plain.Get(to); err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	return resp.Header.Get("Location")
}

// overage is how Entra ID says that somebody is in too many groups.
func overage() object {
	c := ann()
	delete(c, "groups")
	c["_claim_names"] = object{"groups": "src1"}
	c["_claim_sources"] = object{"src1": object{"endpoint": "https://graph.example/getMemberObjects"}}
	return c
}

// TestStrangeProviders: what a provider says is judged.
func TestStrangeProviders(t *testing.T) {
	s, p := front(t)
	many := make([]string, 10000)
	for i := range many {
		many[i] = fmt.Sprintf("group-%d", i)
	}
	const silent = "does not answer as it should"
	with := func(name string, value any) object { c := ann(); c[name] = value; return c }
	for name, c := range map[string]struct {
		claims, info object
		change       func(id object)
		status       int
		words        string
	}{
		"10,000 groups":      {claims: with("groups", many), status: http.StatusForbidden, words: "in 10000 groups"},
		"groups no list":     {claims: with("groups", 7), status: http.StatusForbidden, words: "not a list of texts"},
		"a group of lines":   {claims: with("groups", []string{"a\nb"}), status: http.StatusForbidden, words: "on one line"},
		"too many for Entra": {claims: overage(), status: http.StatusForbidden, words: "too many"},
		"no subject":         {claims: with("sub", ""), status: http.StatusForbidden, words: "subject"},
		"long subject":       {claims: with("sub", strings.Repeat("x", 256)), status: http.StatusForbidden, words: "subject"},
		"another nonce":      {claims: ann(), change: func(id object) { id["nonce"] = "x" }, status: http.StatusBadGateway, words: silent},
		"another audience":   {claims: ann(), change: func(id object) { id["aud"] = "x" }, status: http.StatusBadGateway, words: silent},
		"another issuer":     {claims: ann(), change: func(id object) { id["iss"] = "https://x" }, status: http.StatusBadGateway, words: silent},
		"expired":            {claims: ann(), change: func(id object) { id["exp"] = 1 }, status: http.StatusBadGateway, words: silent},
	} {
		p.Person(c.claims, c.info, c.change)
		b := s.NewBrowser()
		page := b.Open(b.Open(s.Authorize(s.NewAsking())).Link("/sign-in/with/corp"))
		if page.Status != c.status || !strings.Contains(page.Text, c.words) {
			t.Errorf("%s: %d %s", name, page.Status, page.Text)
		}
	}
	if value := graph(t, s, "GET", "users", nil).Body["value"].([]any); len(value) != 0 {
		t.Errorf("somebody came in: %v", value)
	}
	p.Person(ann(), nil, nil)
	first, _ := s.Person("corp")
	p.Rotate() // Berth has the old keys in memory
	second, _ := s.Person("corp")
	if first.Token == second.Token {
		t.Error("one token for two sign-ins")
	}
}

// TestMailIsNoIdentity: who says to have the address of somebody else is not that person.
func TestMailIsNoIdentity(t *testing.T) {
	s, p := front(t, "groupPrefix: m")
	_, got := s.Person("corp")
	first := claimsOf(t, got["id_token"])
	for name, claims := range map[string]object{
		"not verified":  {"sub": "eve-1", "email": "ann@example.com", "preferred_username": "ann@example.com", "email_verified": false},
		"also verified": {"sub": "eve-2", "email": "ann@example.com", "email_verified": "true"},
	} {
		p.Person(claims, object{"groups": "mail"}, nil)
		_, got := s.Person("corp")
		id := claimsOf(t, got["id_token"])
		if id["oid"] == first["oid"] || id["upn"] == first["upn"] || name == "not verified" && id["email"] != nil {
			t.Errorf("%s: %v", name, id)
		}
	}
	names := []string{}
	for _, g := range graph(t, s, "GET", "groups", nil).Body["value"].([]any) {
		names = append(names, g.(object)["displayName"].(string))
	}
	if strings.Join(names, " ") != "mail ml" { // from the id token and from userinfo, with the prefix only
		t.Errorf("groups: %v", names)
	}
}
