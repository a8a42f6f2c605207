package signin_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"berth.dev/berth/app/apptest"
)

// TestAuthorizeRefusals: what a program must not ask for. Berth sends the browser to no address that is not a program's own.
func TestAuthorizeRefusals(t *testing.T) {
	s, _ := front(t)
	for name, c := range map[string]struct {
		change   func(q url.Values)
		toClient string // error that the program gets; empty: a page
		words    string
	}{
		"another site":      {func(q url.Values) { q.Set("redirect_uri", "https://evil.example/") }, "", "redirect URI"},
		"another scheme":    {func(q url.Values) { q.Set("redirect_uri", "https://localhost:47329") }, "", "redirect URI"},
		"user in the host":  {func(q url.Values) { q.Set("redirect_uri", "http://localhost:47329@evil.example/") }, "", "redirect URI"},
		"localhost.evil":    {func(q url.Values) { q.Set("redirect_uri", "http://localhost.evil.example/") }, "", "redirect URI"},
		"the studio's page": {func(q url.Values) { q.Set("redirect_uri", s.Endpoint+"/studio/signed-in") }, "", "redirect URI"},
		"no redirect":       {func(q url.Values) { q.Del("redirect_uri") }, "", "redirect URI"},
		"unknown program":   {func(q url.Values) { q.Set("client_id", s.ClientID) }, "", "is not one with which people"},
		"twice":             {func(q url.Values) { q.Add("client_id", apptest.AzureCLI) }, "", "twice"},
		"no PKCE":           {func(q url.Values) { q.Del("code_challenge") }, "invalid_request", "S256"},
		"plain PKCE":        {func(q url.Values) { q.Set("code_challenge_method", "plain") }, "invalid_request", "S256"},
		"implicit":          {func(q url.Values) { q.Set("response_type", "token") }, "unsupported_response_type", "code"},
		"prompt none":       {func(q url.Values) { q.Set("prompt", "none") }, "login_required", "signed in"},
		"strange mode":      {func(q url.Values) { q.Set("response_mode", "web_message") }, "invalid_request", "response_mode"},
	} {
		a := s.NewAsking()
		c.change(a.Query)
		page := s.NewBrowser().Open(s.Authorize(a))
		got := page.At.Query()
		switch {
		case c.toClient == "" && (page.Status != http.StatusBadRequest || !strings.Contains(page.Text, c.words)):
			t.Errorf("%s: %d %s", name, page.Status, page.Text)
		case c.toClient == "" && !strings.HasPrefix(page.At.String(), s.Endpoint):
			t.Errorf("%s: the browser was sent to %s", name, page.At)
		case c.toClient != "" && (got.Get("error") != c.toClient || !strings.Contains(got.Get("error_description"), c.words) ||
			got.Get("state") != a.Query.Get("state")):
			t.Errorf("%s: %s", name, page.At)
		}
	}
	other := strings.Replace(s.Authorize(s.NewAsking()), "organizations", "other.example", 1)
	if page := s.NewBrowser().Open(other); page.Status != http.StatusNotFound {
		t.Errorf("another tenant: %d", page.Status)
	}
}

// TestModes: the ways in which a program may want its answer.
func TestModes(t *testing.T) {
	s, _ := front(t)
	a := s.NewAsking()
	a.Query.Set("response_mode", "fragment")
	b := s.NewBrowser()
	page := b.Open(b.Open(s.Authorize(a)).Link("/sign-in/with/corp"))
	if values, err := url.ParseQuery(page.At.Fragment); err != nil || values.Get("code") == "" {
		t.Errorf("fragment: %s", page.At)
	}
	a.Query.Set("response_mode", "form_post")
	page = b.Open(b.Open(s.Authorize(a)).Link("/sign-in/with/corp"))
	policy := page.Header.Get("Content-Security-Policy")
	if page.Form(apptest.Loopback) != apptest.Loopback || !strings.Contains(page.Text, `name="code"`) ||
		!strings.Contains(policy, "form-action 'self' "+apptest.Loopback) || !strings.Contains(policy, "frame-ancestors 'none'") {
		t.Errorf("form_post: %s %s", policy, page.Text)
	}
}

// TestCodes: a code works once, for the program that asked for it.
func TestCodes(t *testing.T) {
	s, _ := front(t)
	code := func() (apptest.Asking, *url.URL) {
		b, a := s.NewBrowser(), s.NewAsking()
		return a, b.Open(b.Open(s.Authorize(a)).Link("/sign-in/with/corp")).At
	}
	for name, change := range map[string]func(a *apptest.Asking){
		"wrong verifier": func(a *apptest.Asking) { a.Verifier = "x" + a.Verifier },
		"other redirect": func(a *apptest.Asking) { a.Query.Set("redirect_uri", apptest.Loopback+"/x") },
		"other program":  func(a *apptest.Asking) { a.Query.Set("client_id", "80faf920-1908-4b52-b5ef-a8e7bedfc67a") },
	} {
		a, at := code()
		change(&a)
		if r := s.Redeem(a, at); r.Status != http.StatusBadRequest || r.Body["error"] != "invalid_grant" {
			t.Errorf("%s: %d %s", name, r.Status, r.Text)
		}
	}
	a, at := code()
	got := s.Want(http.StatusOK, s.Redeem(a, at)).Body
	if r := s.Redeem(a, at); r.Body["error"] != "invalid_grant" || !strings.Contains(r.Text, "already redeemed") {
		t.Errorf("replayed: %s", r.Text)
	}
	if r := refresh(s, got["refresh_token"]); r.Body["error"] != "invalid_grant" {
		t.Errorf("the tokens of a code that was replayed go on: %s", r.Text)
	}
	a, at = code()
	form := url.Values{"grant_type": {"authorization_code"}, "client_id": {apptest.AzureCLI}, "client_secret": {"x"},
		"code":          at.Query()["code"],
		"code_verifier": {a.Verifier}, "redirect_uri": {apptest.Loopback}}
	if r := s.Grant(form); r.Status != http.StatusUnauthorized || !strings.Contains(r.Text, "AADSTS700025") {
		t.Errorf("a public client with a secret: %s", r.Text)
	}
	form = url.Values{"grant_type": {"refresh_token"}, "client_id": {s.ClientID}, "refresh_token": {"x"}}
	if r := s.Grant(form); r.Body["error"] != "unauthorized_client" {
		t.Errorf("an application with a refresh token: %s", r.Text)
	}
}

// TestIDTokenIsNoAccessToken: what says who signed in opens nothing.
func TestIDTokenIsNoAccessToken(t *testing.T) {
	s, _ := front(t)
	person, got := s.Person("corp")
	person.Token, _ = got["id_token"].(string)
	person.Refused(person.Do("GET", "/subscriptions", nil), http.StatusUnauthorized, "InvalidAuthenticationToken")
}
