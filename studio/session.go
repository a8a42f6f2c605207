package studio

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"golang.org/x/text/language"

	"berth.dev/berth/client"
)

const (
	cookieName   = "__Host-berth" // Secure, of this host only
	languageName = "__Host-berth-language"
	linkLife     = 10 * time.Minute
	maxLinks     = 1000
	maxForm      = 1 << 20 // bytes of a form; all of it stays in memory
)

// visit is one request with its session.
type visit struct {
	*Studio
	w       http.ResponseWriter
	r       *http.Request
	session Session
	arm     *client.Client
	lang    language.Tag
	status  int             // of the page; 200 when zero
	rights  map[string]bool // what was asked for this page, by scope and right
}

type handler func(*visit) error

// open serves a page that needs no session.
func (s *Studio) open(pattern string, h handler) {
	s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		v := &visit{Studio: s, w: w, r: r, lang: s.language(r)}
		v.answer(h)
	})
}

// guarded serves a page that needs a session. Without one, or after its end, it shows the sign-in, which keeps the form that was
// sent.
func (s *Studio) guarded(pattern string, h handler) {
	s.streamed(pattern, func(v *visit) error {
		v.r.Body = http.MaxBytesReader(v.w, v.r.Body, maxForm)
		return h(v)
	})
}

// streamed serves a page like guarded; a body of any size comes to the handler, which does not keep it in memory.
func (s *Studio) streamed(pattern string, h handler) {
	s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		v := &visit{Studio: s, w: w, r: r, lang: s.language(r)}
		if !v.enter() {
			r.Body = http.MaxBytesReader(w, r.Body, maxForm)
			v.answer((*visit).askSignIn)
			return
		}
		v.answer(h)
	})
}

// enter finds the session, and prolongs it.
func (v *visit) enter() bool {
	c, err := v.r.Cookie(cookieName)
	if err != nil {
		return false
	}
	if v.session, err = v.Renew(c.Value); err != nil {
		return false
	}
	if v.session.Token != c.Value {
		v.keep(v.session)
	}
	v.arm, err = v.client(v.session.Token, v.Lang())
	return err == nil
}

// keep stores the session in a cookie that scripts cannot read and that pages of other sites cannot send.
func (v *visit) keep(s Session) {
	http.SetCookie(v.w, &http.Cookie{
		Name: cookieName, Value: s.Token, Expires: s.Expires,
		Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode,
	})
}

// askSignIn shows the sign-in instead of a page, and keeps what the user typed.
func (v *visit) askSignIn() error {
	in := signInForm{Next: v.r.URL.RequestURI()}
	if v.r.Method == http.MethodPost {
		if err := v.r.ParseMultipartForm(maxForm); err == nil || errors.Is(err, http.ErrNotMultipart) {
			in.Kept, in.Expired = v.r.PostForm, true
			in.Kept.Del("kubeconfig") // a kubeconfig is in no page
		}
	}
	v.status = http.StatusUnauthorized
	return v.render("sign-in", v.form(in))
}

type signInForm struct {
	Next, ClientID, Problem string
	Kept                    url.Values // a form that was sent when the session had ended
	Expired                 bool
	Ways                    []Way
}

// form is a form with the ways in which people sign in.
func (s *Studio) form(f signInForm) signInForm {
	f.Ways = s.People.Ways()
	return f
}

func (s *Studio) signInPage(v *visit) error {
	return v.render("sign-in", s.form(signInForm{Next: local(v.r.URL.Query().Get("next"))}))
}

// local is next when it is a path of the studio, and else the address of the first page.
func local(next string) string {
	if !strings.HasPrefix(next, Path+"/") || strings.Contains(next, "\\") {
		return Path + "/"
	}
	return next
}

// signIn requests a token as every other client does, so that refusals, their delays and their log entries are the same.
func (s *Studio) signIn(v *visit) error {
	f := v.r.PostFormValue
	form := signInForm{Next: local(f("next")), ClientID: strings.TrimSpace(f("client")), Kept: url.Values{}}
	for key, values := range v.r.PostForm {
		if name, isKept := strings.CutPrefix(key, "kept."); isKept {
			form.Kept[name] = values
		}
	}
	c, err := client.New(client.Options{
		Credentials: client.Credentials{Endpoint: s.Endpoint, TenantID: s.TenantID, ClientID: form.ClientID, ClientSecret: f("secret")},
		HTTPClient:  &http.Client{Transport: from{v.r.RemoteAddr, s.Transport}, Timeout: time.Minute},
		UserAgent:   "berth-studio", Language: v.Lang(),
	})
	var token string
	if err == nil {
		token, err = c.SignIn(v.r.Context())
	}
	if err != nil {
		form.Problem = v.Said(err.Error())
		v.status = http.StatusUnauthorized
		return v.render("sign-in", s.form(form))
	}
	return v.begin(token, form)
}

// from forwards the address of the user's machine to the authority, which delays repeated attempts from one address.
type from struct {
	address string
	http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (f from) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.RemoteAddr = f.address
	return f.RoundTripper.RoundTrip(r)
}

func (v *visit) begin(token string, form signInForm) error {
	session, err := v.Renew(token)
	if err != nil {
		return err
	}
	v.keep(session)
	if len(form.Kept) == 0 {
		return v.redirect(form.Next)
	}
	v.session = session
	return v.render("resume", form) // the form goes back to its page and is not submitted
}

func (s *Studio) signOut(v *visit) error {
	http.SetCookie(v.w, &http.Cookie{Name: cookieName, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode, MaxAge: -1})
	return v.redirect(Path + "/sign-in")
}

// links are addresses that sign in once. A caller with a token creates one: `berth studio` opens a browser with it.
type links struct {
	mu  sync.Mutex
	all map[string]link
}

type link struct {
	token string
	until time.Time
}

func newLinks() *links { return &links{all: map[string]link{}} }

func (l *links) put(token string, now time.Time) string {
	code := rand.Text()
	l.mu.Lock()
	defer l.mu.Unlock()
	for c, k := range l.all {
		if now.After(k.until) || len(l.all) >= maxLinks {
			delete(l.all, c)
		}
	}
	l.all[code] = link{token, now.Add(linkLife)}
	return code
}

func (l *links) take(code string, now time.Time) (string, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	k, ok := l.all[code]
	delete(l.all, code)
	return k.token, ok && now.Before(k.until)
}

// makeLink answers POST /studio/links, which carries a bearer token, with an address that signs in once.
func (s *Studio) makeLink(w http.ResponseWriter, r *http.Request) {
	token, err := s.Bearer(r)
	if err == nil {
		_, err = s.Renew(token)
	}
	if err != nil {
		w.Header().Set("WWW-Authenticate", "Bearer")
		http.Error(w, err.Error(), http.StatusUnauthorized)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	url := s.Endpoint + Path + "/link?code=" + s.links.put(token, time.Now())
	_ = json.NewEncoder(w).Encode(map[string]string{"url": url}) // an error means that the client has closed its connection
}

func (s *Studio) useLink(v *visit) error {
	token, ok := s.links.take(v.r.URL.Query().Get("code"), time.Now())
	if !ok {
		v.status = http.StatusUnauthorized
		return v.render("sign-in", s.form(signInForm{Next: Path + "/", Problem: v.T("signin.link.used")}))
	}
	return v.begin(token, signInForm{Next: Path + "/"})
}

func (v *visit) redirect(to string) error {
	http.Redirect(v.w, v.r, to, http.StatusSeeOther)
	return nil
}
