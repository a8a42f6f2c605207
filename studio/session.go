package studio

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/text/language"

	"berth.dev/berth"
	"berth.dev/berth/client"
)

const (
	cookieName   = "__Host-berth" // Secure, of this host only
	languageName = "__Host-berth-language"
	maxForm      = 1 << 20 // bytes of a form; all of it stays in memory
)

// visit is one request with its session.
type visit struct {
	*Studio
	w       http.ResponseWriter
	r       *http.Request
	session berth.Session
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
	if v.session, err = v.Sessions.Find(v.r.Context(), c.Value); err != nil {
		if _, ended := errors.AsType[*berth.Error](err); !ended && v.r.Context().Err() == nil { // the browser may have left
			v.Log.Error("a session cannot be read", "error", err)
		}
		return false
	}
	if v.session.Renewed {
		v.keep(v.session)
	}
	v.arm, err = v.client(v.session.Token, v.Lang())
	return err == nil
}

// over reports whether the session has ended since the request came.
func (v *visit) over() bool {
	_, err := v.Sessions.Find(v.r.Context(), v.session.Key)
	return err != nil
}

// keep stores the session in a cookie that scripts cannot read and that pages of other sites cannot send.
func (v *visit) keep(s berth.Session) {
	http.SetCookie(v.w, &http.Cookie{
		Name: cookieName, Value: s.Key, Expires: s.Expires,
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
	token, err := v.tokenFor(form.ClientID, f("secret"))
	if err != nil {
		form.Problem = v.Said(err.Error())
		v.status = http.StatusUnauthorized
		return v.render("sign-in", s.form(form))
	}
	session, err := s.Sessions.Begin(v.r.Context(), token)
	if err != nil {
		return err
	}
	return v.begin(session, form)
}

// tokenFor is a token for an application that proves itself by a secret.
func (v *visit) tokenFor(id, secret string) (string, error) {
	c, err := client.New(client.Options{
		Credentials: client.Credentials{Endpoint: v.Endpoint, TenantID: v.TenantID, ClientID: id, ClientSecret: secret},
		HTTPClient:  &http.Client{Transport: from{v.r.RemoteAddr, v.Transport}, Timeout: time.Minute},
		UserAgent:   "berth-studio", Language: v.Lang(),
	})
	if err != nil {
		return "", err
	}
	return c.SignIn(v.r.Context())
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

// begin shows the page that a session began for.
func (v *visit) begin(session berth.Session, form signInForm) error {
	v.keep(session)
	if len(form.Kept) == 0 {
		return v.redirect(form.Next)
	}
	v.session = session
	return v.render("resume", form) // the form goes back to its page and is not submitted
}

// signOut ends the session, in the store too: who has a copy of the cookie is out as well.
func (s *Studio) signOut(v *visit) error {
	if c, err := v.r.Cookie(cookieName); err == nil {
		if err := s.Sessions.End(v.r.Context(), c.Value); err != nil {
			return err
		}
	}
	http.SetCookie(v.w, &http.Cookie{Name: cookieName, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode, MaxAge: -1})
	return v.redirect(Path + "/sign-in")
}

// makeLink answers POST /studio/links with an address that signs in once: `berth studio` opens a browser with it. The request carries a
// bearer token, or a form with client_id and client_secret.
func (s *Studio) makeLink(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	v := &visit{Studio: s, w: w, r: r, lang: s.language(r)}
	id, secret := r.PostFormValue("client_id"), r.PostFormValue("client_secret")
	proven := id != "" && secret != ""
	get := func() (string, error) { return s.Bearer(r) }
	if proven {
		get = func() (string, error) { return v.tokenFor(id, secret) }
	}
	token, err := get()
	var code string
	if err == nil {
		code, err = s.Sessions.Link(r.Context(), token, proven)
	}
	if err != nil {
		w.Header().Set("WWW-Authenticate", "Bearer")
		http.Error(w, err.Error(), http.StatusUnauthorized)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]string{"url": s.Endpoint + Path + "/link?code=" + code}) // the client has gone
}

// showLink asks whether to sign in. A link alone signs nobody in: programs that look at links in messages open them too.
func (s *Studio) showLink(v *visit) error {
	return v.render("link", v.r.URL.Query().Get("code"))
}

func (s *Studio) useLink(v *visit) error {
	session, err := s.Sessions.Use(v.r.Context(), v.r.PostFormValue("code"))
	if _, used := errors.AsType[*berth.Error](err); used {
		v.status = http.StatusUnauthorized
		return v.render("sign-in", s.form(signInForm{Next: Path + "/", Problem: v.T("signin.link.used")}))
	}
	if err != nil {
		return err
	}
	return v.begin(session, signInForm{Next: Path + "/"})
}

func (v *visit) redirect(to string) error {
	http.Redirect(v.w, v.r, to, http.StatusSeeOther)
	return nil
}
