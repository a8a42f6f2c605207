package studio

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	wayName = "__Host-berth-way"
	wayLife = 10 * time.Minute
	// maxTokens bounds the answer of the authority, which is of the same process.
	maxTokens = 1 << 20
)

// People is how people sign in: the studio is a program like others, to which the authority sends a code.
type People struct {
	Client   string // client id of the studio
	Redirect string // path to which people come back
	// Ways are the providers at which people sign in, and a way with an empty name when somebody has a password.
	Ways func() []Way
	// Begin is the address at which a way begins.
	Begin func(way, query string) string
}

// Way is one way to sign in.
type Way struct{ Name, Title string }

// wayOut is a sign-in that is under way in a browser, in a cookie of it.
type wayOut struct{ State, Verifier, Next string }

// leave sends the browser to where people sign in.
func (s *Studio) leave(v *visit) error {
	on := wayOut{State: rand.Text(), Verifier: rand.Text() + rand.Text(), Next: local(v.r.URL.Query().Get("next"))}
	text, err := json.Marshal(on)
	if err != nil {
		return err
	}
	// The way back comes from another site when there is a provider on it: a stricter cookie would be left out.
	http.SetCookie(v.w, &http.Cookie{Name: wayName, Value: base64.RawURLEncoding.EncodeToString(text), Path: "/", Secure: true, HttpOnly: true,
		SameSite: http.SameSiteLaxMode, MaxAge: int(wayLife.Seconds())})
	sum := sha256.Sum256([]byte(on.Verifier))
	q := url.Values{"client_id": {s.People.Client}, "response_type": {"code"}, "redirect_uri": {s.Endpoint + s.People.Redirect},
		"state": {on.State}, "scope": {s.Endpoint + "/.default openid profile"}, "code_challenge_method": {"S256"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}}
	return v.redirect(s.People.Begin(v.r.URL.Query().Get("way"), q.Encode()))
}

// comeBack is where people come back to with a code. What came with it must be what left from this browser.
func (s *Studio) comeBack(v *visit) error {
	on, q := v.wayOut(), v.r.URL.Query()
	http.SetCookie(v.w, &http.Cookie{Name: wayName, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode, MaxAge: -1})
	if on.State == "" || subtle.ConstantTimeCompare([]byte(on.State), []byte(q.Get("state"))) != 1 || q.Get("code") == "" {
		v.status = http.StatusBadRequest
		return v.render("sign-in", s.form(signInForm{Next: Path + "/", Problem: v.T("signin.lost")}))
	}
	token, err := v.redeem(q.Get("code"), on.Verifier)
	if err != nil {
		return err
	}
	session, err := v.Sessions.Begin(v.r.Context(), token)
	if err != nil {
		return err
	}
	v.keep(session)
	v.session = session
	// The session's cookie goes with no request that another site began, and with no redirect of one. So a page goes on.
	return v.render("signed-in", on.Next)
}

// wayOut is the way that began in this browser; an empty one when none did.
func (v *visit) wayOut() (on wayOut) {
	c, err := v.r.Cookie(wayName)
	if err != nil {
		return on
	}
	text, err := base64.RawURLEncoding.DecodeString(c.Value)
	if err != nil || json.Unmarshal(text, &on) != nil {
		return wayOut{}
	}
	on.Next = local(on.Next)
	return on
}

// redeem exchanges a code for a token, as every other program does.
func (v *visit) redeem(code, verifier string) (string, error) {
	form := url.Values{"grant_type": {"authorization_code"}, "client_id": {v.People.Client}, "code": {code}, "code_verifier": {verifier},
		"redirect_uri": {v.Endpoint + v.People.Redirect}, "scope": {v.Endpoint + "/.default"}}
	r, err := http.NewRequestWithContext(v.r.Context(), http.MethodPost, v.Endpoint+"/"+v.TenantID+"/oauth2/v2.0/token",
		strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := from{v.r.RemoteAddr, v.Transport}.RoundTrip(r)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }() // was read
	var out struct {
		Token string `json:"access_token"`
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxTokens)).Decode(&out); err != nil {
		return "", err
	}
	return out.Token, nil // an empty one is no session: Begin says so
}
