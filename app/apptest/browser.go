package apptest

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
)

// AzureCLI is the client id of az, which azure-identity and azureml-core use too.
const AzureCLI = "04b07795-8ddb-461a-bbee-02f9e1bf7b46"

// Loopback is where the program that waits for a sign-in listens in tests: nothing does, and a Browser stops before it.
const Loopback = "http://localhost:47329"

// Browser is a browser without scripts: it keeps cookies, follows redirects, and stops at the address of the program that waits.
type Browser struct {
	s    *Server
	http *http.Client
}

// Page is what a browser shows. At is its address; that of the program with the answer when the browser was sent there.
type Page struct {
	Status int
	Header http.Header
	Text   string
	At     *url.URL
}

// NewBrowser is a browser that trusts the server. Each has cookies of its own.
func (s *Server) NewBrowser() *Browser {
	s.t.Helper()
	jar, err := cookiejar.New(nil)
	s.must(err)
	return &Browser{s, &http.Client{Jar: jar, Transport: s.http.Transport, Timeout: Patience,
		CheckRedirect: func(r *http.Request, _ []*http.Request) error {
			if strings.HasPrefix(r.URL.String(), Loopback) {
				return http.ErrUseLastResponse
			}
			return nil
		}}}
}

// Open opens an address of the server, or a whole one.
func (b *Browser) Open(address string) *Page {
	b.s.t.Helper()
	return b.send(http.MethodGet, address, nil)
}

// Submit sends a form as a page of the server does.
func (b *Browser) Submit(address string, form url.Values) *Page {
	b.s.t.Helper()
	return b.send(http.MethodPost, address, form)
}

func (b *Browser) send(method, address string, form url.Values) *Page {
	b.s.t.Helper()
	if strings.HasPrefix(address, "/") {
		address = b.s.Endpoint + address
	}
	r, err := http.NewRequestWithContext(b.s.t.Context(), method, address, strings.NewReader(form.Encode()))
	b.s.must(err)
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	resp, err := b.http.Do(r)
	b.s.must(err)
	text, err := io.ReadAll(resp.Body)
	b.s.must(err)
	b.s.must(resp.Body.Close())
	out := &Page{Status: resp.StatusCode, Header: resp.Header, Text: string(text), At: resp.Request.URL}
	if to, err := resp.Location(); err == nil {
		out.At = to
	}
	return out
}

var (
	links = regexp.MustCompile(`href="([^"]*)"`)
	forms = regexp.MustCompile(`<form method="post" action="([^"]*)"`)
)

// Link is the first link of a page whose address holds a text.
func (p *Page) Link(part string) string {
	for _, m := range links.FindAllStringSubmatch(p.Text, -1) {
		if to := html.UnescapeString(m[1]); strings.Contains(to, part) {
			return to
		}
	}
	return ""
}

// Form is the address of the first form of a page whose address holds a text.
func (p *Page) Form(part string) string {
	for _, m := range forms.FindAllStringSubmatch(p.Text, -1) {
		if to := html.UnescapeString(m[1]); strings.Contains(to, part) {
			return to
		}
	}
	return ""
}

// Asking is a program that lets a person sign in, as MSAL does.
type Asking struct {
	Query    url.Values
	Verifier string
}

// NewAsking is the request of az for Resource Manager.
func (s *Server) NewAsking() Asking {
	verifier := rand.Text() + rand.Text()
	sum := sha256.Sum256([]byte(verifier))
	return Asking{url.Values{"client_id": {AzureCLI}, "response_type": {"code"}, "redirect_uri": {Loopback}, "state": {rand.Text()},
		"nonce": {rand.Text()}, "code_challenge_method": {"S256"}, "prompt": {"select_account"}, "client_info": {"1"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])},
		"scope":          {"https://management.core.windows.net//.default offline_access openid profile"}}, verifier}
}

// Authorize is the address to which the program sends the browser.
func (s *Server) Authorize(a Asking) string {
	return s.Endpoint + "/organizations/oauth2/v2.0/authorize?" + a.Query.Encode()
}

// Grant sends a token request without a secret.
func (s *Server) Grant(form url.Values) *Response {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.Endpoint+"/"+s.TenantID+"/oauth2/v2.0/token",
		strings.NewReader(form.Encode()))
	s.must(err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return s.read(r)
}

// Redeem is the token request of a program for the code with which the browser came to it.
func (s *Server) Redeem(a Asking, at *url.URL) *Response {
	s.t.Helper()
	return s.Grant(url.Values{"grant_type": {"authorization_code"}, "client_id": a.Query["client_id"], "code": {at.Query().Get("code")},
		"redirect_uri": a.Query["redirect_uri"], "code_verifier": {a.Verifier}, "scope": a.Query["scope"], "client_info": {"1"}})
}

// Person is the server as a person sees it who signed in at a provider with az, and the answer with the tokens.
func (s *Server) Person(provider string) (*Server, Object) {
	s.t.Helper()
	b, a := s.NewBrowser(), s.NewAsking()
	page := b.Open(s.Authorize(a))
	page = b.Open(page.Link("/sign-in/with/" + provider))
	if page.At.Query().Get("code") == "" || page.At.Query().Get("state") != a.Query.Get("state") {
		s.t.Fatalf("the browser is at %s: %s", page.At, page.Text)
	}
	got := s.Want(http.StatusOK, s.Redeem(a, page.At)).Body
	other := *s
	other.Token, _ = got["access_token"].(string)
	return &other, got
}
