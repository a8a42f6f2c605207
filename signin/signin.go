// Package signin is where people sign in: the pages that a browser shows when a program such as az sends a person here, and the way to
// outside OpenID Connect providers and back. Tokens are the business of identity.
//
// The pages keep nothing: the request of the program goes with each of them, and is judged again at each. What a provider is asked
// for goes in a cookie of the browser that asks.
package signin

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/jonboulle/clockwork"
	"golang.org/x/oauth2"

	"berth.dev/berth"
	"berth.dev/berth/identity"
)

// Path is what the addresses of the pages begin with.
const Path = "/sign-in/"

const (
	cookieName = "__Host-berth-sign-in-"
	wayLife    = 10 * time.Minute
	maxCookie  = 3800 // bytes; browsers drop cookies of more than 4096
	maxForm    = 64 << 10
)

// Options configures the pages.
type Options struct {
	Authority *identity.Authority
	People    *identity.People
	Providers []*Provider
	Endpoint  string // https address of this server, without a trailing slash
	Clock     clockwork.Clock
	Log       *slog.Logger
}

// Pages are the pages.
type Pages struct {
	Options
	mux *http.ServeMux
}

// New makes the pages.
func New(o Options) *Pages {
	p := &Pages{Options: o, mux: http.NewServeMux()}
	p.mux.HandleFunc("GET "+Path+"device", p.device)
	p.mux.HandleFunc("GET "+Path+"with/{provider}", p.leave)
	p.mux.HandleFunc("GET "+Path+"callback/{provider}", p.comeBack)
	p.mux.HandleFunc("POST "+Path+"local", p.local)
	p.mux.HandleFunc(Path, func(w http.ResponseWriter, r *http.Request) {
		p.trouble(w, r, http.StatusNotFound, berth.Errorf(berth.CodeNotFound, "There is no such page."))
	})
	return p
}

// Handles reports whether a path is one of these pages.
func Handles(path string) bool { return strings.HasPrefix(path, Path) || identity.IsAuthorize(path) }

// ServeHTTP implements http.Handler.
func (p *Pages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer") // addresses here have codes
	h.Set("Cache-Control", "no-store")
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	switch err := http.NewCrossOriginProtection().Check(r); {
	case err != nil:
		p.trouble(w, r, http.StatusForbidden,
			berth.Errorf(berth.CodeForbidden, "A page of another site sent this form. Open this page yourself."))
	case !identity.IsAuthorize(r.URL.Path):
		p.mux.ServeHTTP(w, r)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		h.Set("Allow", "GET, HEAD")
		p.trouble(w, r, http.StatusMethodNotAllowed, berth.Errorf(berth.CodeMethodNotAllowed, "This address accepts GET requests only."))
	case !p.Authority.Serves(r):
		p.trouble(w, r, http.StatusNotFound, berth.Errorf(berth.CodeNotFound, "The address names a tenant that this server does not have."))
	default:
		p.authorize(w, r)
	}
}

// request reads what a program asks for. It answers itself when that is refused.
func (p *Pages) request(w http.ResponseWriter, r *http.Request, q url.Values) (auth identity.Authorization, ok bool) {
	auth, err := p.Authority.Authorization(r.Context(), q)
	var refusal *identity.Refusal
	switch {
	case err == nil:
		return auth, true
	case errors.As(err, &refusal) && refusal.ToClient:
		out := url.Values{"error": {refusal.Kind}, "error_description": {refusal.Text}}
		if auth.State != "" {
			out.Set("state", auth.State)
		}
		p.send(w, r, auth, out)
	default:
		p.trouble(w, r, http.StatusBadRequest, err)
	}
	return auth, false
}

// authorize shows the ways to sign in.
func (p *Pages) authorize(w http.ResponseWriter, r *http.Request) {
	if auth, ok := p.request(w, r, r.URL.Query()); ok {
		p.choose(w, r, choice{auth: auth, User: auth.Hint})
	}
}

// device asks for the code of a device, and then shows the ways to sign in.
func (p *Pages) device(w http.ResponseWriter, r *http.Request) {
	code := r.URL.Query().Get("user_code")
	if code == "" {
		p.show(w, r, page{Name: "device"})
		return
	}
	auth, err := p.Authority.Authorization(r.Context(), url.Values{"user_code": {code}})
	if err != nil {
		p.show(w, r, page{Name: "device", Problem: err.Error(), status: http.StatusBadRequest})
		return
	}
	p.choose(w, r, choice{auth: auth})
}

// local signs in with a password.
func (p *Pages) local(w http.ResponseWriter, r *http.Request) {
	auth, ok := p.request(w, r, r.URL.Query())
	if !ok {
		return
	}
	user := strings.TrimSpace(r.PostFormValue("user"))
	one, err := p.Authority.SignInLocal(r, user, r.PostFormValue("password"))
	if err != nil {
		if e, ours := errors.AsType[*berth.Error](err); ours {
			p.choose(w, r, choice{auth: auth, User: user, Problem: e.Message, status: http.StatusUnauthorized})
			return
		}
		p.fail(w, r, err)
		return
	}
	p.approve(w, r, auth, one)
}

// approve tells the program who signed in.
func (p *Pages) approve(w http.ResponseWriter, r *http.Request, auth identity.Authorization, one berth.Person) {
	out, err := p.Authority.Approve(r.Context(), auth, one)
	switch {
	case err != nil:
		p.trouble(w, r, http.StatusGone, err)
	case out == nil:
		p.show(w, r, page{Name: "done", Who: one.UPN, Client: auth.ClientName})
	default:
		p.send(w, r, auth, out)
	}
}

// send sends an answer to the program, in the way in which it asked for it.
func (p *Pages) send(w http.ResponseWriter, r *http.Request, auth identity.Authorization, out url.Values) {
	to, err := url.Parse(auth.Redirect)
	if err != nil {
		p.fail(w, r, err) // it was judged
		return
	}
	switch auth.Mode {
	case "form_post":
		p.show(w, r, page{Name: "post", To: auth.Redirect, Fields: out, Client: auth.ClientName, formTo: to})
		return
	case "fragment":
		to.Fragment, to.RawFragment = "", ""
		http.Redirect(w, r, to.String()+"#"+out.Encode(), http.StatusSeeOther) //nolint:gosec // identity.Authorization has judged the address
		return
	}
	q := to.Query()
	for name, values := range out {
		q[name] = values
	}
	to.RawQuery = q.Encode()
	http.Redirect(w, r, to.String(), http.StatusSeeOther)
}

// way is a sign-in at a provider that is under way in a browser. It is in a cookie of that browser and nowhere else.
type way struct {
	State, Nonce, Verifier string
	Provider, Redirect     string
	Query                  string // of the program
	Until                  int64
}

// leave sends the browser to a provider.
func (p *Pages) leave(w http.ResponseWriter, r *http.Request) {
	provider := p.provider(r)
	if provider == nil {
		p.trouble(w, r, http.StatusNotFound, berth.Errorf(berth.CodeNotFound, "There is no such provider."))
		return
	}
	auth, ok := p.request(w, r, r.URL.Query())
	if !ok {
		return
	}
	now := p.Clock.Now()
	at, err := provider.discovered(r.Context(), now)
	if err != nil {
		p.Log.Warn("a provider does not answer", "provider", provider.Name, "error", err)
		p.trouble(w, r, http.StatusBadGateway, provider.silent())
		return
	}
	on := way{State: rand.Text(), Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier(), Provider: provider.Name,
		Redirect: p.Endpoint + Path + "callback/" + provider.Name, Query: auth.Query.Encode(), Until: now.Add(wayLife).Unix()}
	text, err := json.Marshal(on)
	cookie := base64.RawURLEncoding.EncodeToString(text)
	if err != nil || len(cookie) > maxCookie {
		p.trouble(w, r, http.StatusBadRequest, berth.Errorf(berth.CodeBadRequest, "The program sent too much with its request to sign in."))
		return
	}
	http.SetCookie(w, wayCookie(on.State, cookie, int(wayLife.Seconds())))
	options := []oauth2.AuthCodeOption{oauth2.S256ChallengeOption(on.Verifier), oauth2.SetAuthURLParam("nonce", on.Nonce)}
	if auth.Hint != "" {
		options = append(options, oauth2.SetAuthURLParam("login_hint", auth.Hint))
	}
	http.Redirect(w, r, provider.config(at, on.Redirect).AuthCodeURL(on.State, options...), http.StatusSeeOther)
}

// wayCookie has a name of its own for each sign-in: there may be several in one browser. It comes with the way back from the provider,
// which is another site (SameSite=Lax).
func wayCookie(state, value string, age int) *http.Cookie {
	return &http.Cookie{Name: cookieName + state[:min(8, len(state))], Value: value, Path: "/", Secure: true, HttpOnly: true,
		SameSite: http.SameSiteLaxMode, MaxAge: age}
}

func (p *Pages) provider(r *http.Request) *Provider {
	for _, one := range p.Providers {
		if one.Name == r.PathValue("provider") {
			return one
		}
	}
	return nil
}

// comeBack is where a provider sends the browser back to.
func (p *Pages) comeBack(w http.ResponseWriter, r *http.Request) {
	provider, q := p.provider(r), r.URL.Query()
	on, ok := p.wayOf(r, q.Get("state"))
	if !ok || provider == nil || on.Provider != provider.Name {
		p.trouble(w, r, http.StatusBadRequest, berth.Errorf(berth.CodeBadRequest, "This sign-in did not begin in this browser, has ended, or "+
			"began more than %d minutes ago. Start it again.", int(wayLife.Minutes())))
		return
	}
	http.SetCookie(w, wayCookie(on.State, "", -1)) // a way is gone once
	began, err := url.ParseQuery(on.Query)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	auth, ok := p.request(w, r, began)
	if !ok {
		return
	}
	if why := q.Get("error"); why != "" || q.Get("code") == "" {
		p.Log.Warn("a provider refused a sign-in", "provider", provider.Name, "error", why, "description", q.Get("error_description"))
		p.trouble(w, r, http.StatusForbidden,
			berth.Errorf(berth.CodeForbidden, "The provider '%s' did not sign you in (%.64s).", provider.Title, why))
		return
	}
	p.takeIn(w, r, comingBack{provider, on, auth})
}

type comingBack struct {
	provider *Provider
	on       way
	auth     identity.Authorization
}

func (p *Pages) takeIn(w http.ResponseWriter, r *http.Request, c comingBack) {
	claims, err := c.provider.finish(r.Context(), c.on, r.URL.Query().Get("code"), p.Clock.Now)
	var one berth.Person
	if err == nil {
		one, err = p.People.TakeIn(r.Context(), claims)
	}
	switch e, ours := errors.AsType[*berth.Error](err); {
	case err == nil:
		p.approve(w, r, c.auth, one)
	case ours:
		p.Log.Warn("a sign-in was refused", "provider", c.provider.Name, "error", e.Message)
		p.trouble(w, r, http.StatusForbidden, err)
	default:
		p.Log.Warn("a sign-in at a provider failed", "provider", c.provider.Name, "error", err)
		p.trouble(w, r, http.StatusBadGateway, c.provider.silent())
	}
}

// wayOf is the way that began in this browser with a state.
func (p *Pages) wayOf(r *http.Request, state string) (on way, ok bool) {
	c, err := r.Cookie(cookieName + state[:min(8, len(state))])
	if err != nil || state == "" {
		return on, false
	}
	text, err := base64.RawURLEncoding.DecodeString(c.Value)
	if err != nil || json.Unmarshal(text, &on) != nil {
		return on, false
	}
	return on, subtle.ConstantTimeCompare([]byte(on.State), []byte(state)) == 1 && p.Clock.Now().Unix() < on.Until
}
