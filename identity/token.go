package identity

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

const (
	maxForm     = 64 << 10
	maxAudience = 1024
)

// oauthError is a refusal in the words of Microsoft Entra, which clients and people know how to look up. Its text never
// holds a secret: not the one sent, not the one expected.
type oauthError struct {
	status int
	kind   string // the OAuth error
	code   int    // AADSTS
	text   string
}

func missing(field string) oauthError {
	return oauthError{http.StatusBadRequest, "invalid_request", 900144,
		fmt.Sprintf("The request body must contain the following parameter: '%s' (as application/x-www-form-urlencoded).", field)}
}

func malformed(why string) oauthError {
	return oauthError{http.StatusBadRequest, "invalid_request", 9002313, "Invalid request. Request is malformed or invalid: " + why}
}

func badScope(code int, why string) oauthError {
	return oauthError{http.StatusBadRequest, "invalid_scope", code, why}
}

func unknownTenant(name string) oauthError {
	return oauthError{http.StatusBadRequest, "invalid_tenant", 90002,
		fmt.Sprintf("Tenant '%s' not found. Use the tenantId of this server's credentials, or '%s'.", shown(name), adfs)}
}

// shown is what a stranger sent, short enough to be told back.
func shown(s string) string {
	if len(s) > 64 {
		return strings.ToValidUTF8(s[:64], "") + "…"
	}
	return s
}

// TokenHandler serves POST /{tenant}/oauth2/v2.0/token (scope=) and /{tenant}/oauth2/token (resource=).
func (a *Authority) TokenHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tenant, ours := a.pathTenant(r)
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", http.MethodPost)
			a.refuse(w, r, oauthError{http.StatusMethodNotAllowed, "invalid_request", 900561,
				fmt.Sprintf("The endpoint only accepts POST requests. Received a %s request.", shown(r.Method))})
			return
		}
		if !ours {
			a.refuse(w, r, unknownTenant(tenant))
			return
		}
		v1 := !strings.Contains(strings.ToLower(r.URL.Path), "/v2.0/")
		g, bad := a.grant(w, r, v1)
		if bad.code != 0 {
			a.refuse(w, r, bad)
			return
		}
		token, err := a.Issue(g.client, g.audience)
		if err != nil {
			a.refuse(w, r, oauthError{http.StatusInternalServerError, "server_error", 90033, "A transient error has occurred. Please try again."})
			return
		}
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Pragma", "no-cache")
		writeJSON(w, http.StatusOK, a.tokenBody(token, g.audience, v1))
	})
}

// tokenBody is the answer. Entra's v1 endpoint writes its numbers as strings, and clients of it expect that.
func (a *Authority) tokenBody(token, audience string, v1 bool) any {
	life := int(tokenLife/time.Second) - 1 // as Entra says it: the second in which the token is on its way
	if !v1 {
		return map[string]any{"token_type": "Bearer", "expires_in": life, "ext_expires_in": life, "access_token": token}
	}
	now := a.clock.Now()
	return map[string]string{
		"token_type": "Bearer", "resource": audience, "access_token": token,
		"expires_in": strconv.Itoa(life), "ext_expires_in": strconv.Itoa(life),
		"not_before": strconv.FormatInt(now.Unix(), 10), "expires_on": strconv.FormatInt(now.Add(tokenLife).Unix(), 10),
	}
}

type grant struct {
	client   Client
	audience string
}

// grant reads and judges a token request; bad.code is 0 when it is granted.
func (a *Authority) grant(w http.ResponseWriter, r *http.Request, v1 bool) (g grant, bad oauthError) {
	form, bad := readForm(w, r)
	if bad.code != 0 {
		return g, bad
	}
	switch form.Get("grant_type") {
	case "client_credentials":
	case "":
		return g, missing("grant_type")
	default:
		return g, oauthError{http.StatusBadRequest, "unsupported_grant_type", 70003,
			fmt.Sprintf("The app requested an unsupported grant type '%s'. This server supports 'client_credentials' only.", shown(form.Get("grant_type")))}
	}
	id, secret, bad := clientOf(r, form)
	if bad.code != 0 {
		return g, bad
	}
	if g.audience, bad = audienceOf(form, v1); bad.code != 0 {
		return g, bad
	}
	known := false
	if g.client, known = a.clients(strings.ToLower(id)); !known {
		return g, oauthError{http.StatusBadRequest, "unauthorized_client", 700016,
			fmt.Sprintf("Application with identifier '%s' was not found in the directory '%s'. Use the clientId of this server's credentials.", shown(id), a.tenant)}
	}
	if !g.client.hasSecret(secret) {
		return g, oauthError{http.StatusUnauthorized, "invalid_client", 7000215,
			fmt.Sprintf("Invalid client secret provided. Ensure the secret being sent in the request is the client secret value of the app '%s'.", g.client.ID)}
	}
	return g, bad
}

// readForm reads the body only: a secret in the query would end in logs.
func readForm(w http.ResponseWriter, r *http.Request) (url.Values, oauthError) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		if _, large := errors.AsType[*http.MaxBytesError](err); large {
			bad := malformed(fmt.Sprintf("the body is larger than %d bytes.", maxForm))
			bad.status = http.StatusRequestEntityTooLarge
			return nil, bad
		}
		return nil, malformed("the body is not a form.") // err would quote the body
	}
	for _, values := range r.PostForm {
		if len(values) > 1 {
			return nil, malformed("a parameter is given twice.")
		}
	}
	return r.PostForm, oauthError{}
}

// clientOf finds id and secret in the form or in HTTP Basic, where RFC 6749 wants both form-encoded.
func clientOf(r *http.Request, form url.Values) (id, secret string, bad oauthError) {
	id, secret = form.Get("client_id"), form.Get("client_secret")
	user, password, basic := r.BasicAuth()
	if basic {
		u, err1 := url.QueryUnescape(user)
		p, err2 := url.QueryUnescape(password)
		switch {
		case err1 != nil || err2 != nil:
			return "", "", malformed("the Basic credentials are not form-encoded.")
		case secret != "" || (id != "" && id != u):
			return "", "", malformed("the client is named both in the body and in the Authorization header.")
		}
		id, secret = u, p
	}
	switch {
	case id == "":
		return "", "", missing("client_id")
	case secret == "":
		return "", "", missing("client_secret")
	}
	return id, secret, oauthError{}
}

// audienceOf is the one resource asked for. ADFS has the v1 path and takes scope, so v1 here takes either.
func audienceOf(form url.Values, v1 bool) (string, oauthError) {
	audience, field := "", "scope"
	if v1 {
		audience, field = form.Get("resource"), "resource"
	}
	scope := form.Get("scope")
	if audience == "" && scope == "" {
		return "", missing(field)
	}
	if audience == "" {
		for _, s := range strings.Fields(scope) {
			resource, isDefault := strings.CutSuffix(s, "/.default")
			switch {
			case isDefault && audience != "":
				return "", badScope(28000, "Provided value for the input parameter scope is not valid because it contains more than one resource.")
			case isDefault:
				audience = resource
			case s != "openid" && s != "offline_access" && s != "profile" && s != "email":
				return "", notDefault(s)
			}
		}
	}
	// A resource that ends in "/" makes the scope "https://…//.default".
	if audience = strings.TrimRight(strings.TrimSpace(audience), "/"); audience == "" || len(audience) > maxAudience {
		return "", notDefault(scope)
	}
	return audience, oauthError{}
}

func notDefault(scope string) oauthError {
	return badScope(1002012, fmt.Sprintf("The provided value for scope %s is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier.", shown(scope)))
}

// refuse writes a refusal as Entra does.
func (a *Authority) refuse(w http.ResponseWriter, r *http.Request, e oauthError) {
	trace, correlation := uuid.NewString(), uuid.NewString()
	if id := r.Header.Get("client-request-id"); len(id) == 36 && uuid.Validate(id) == nil {
		correlation = id
	}
	now := stamp(a.clock.Now())
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Pragma", "no-cache")
	if e.status == http.StatusUnauthorized {
		// RFC 6749, 5.2: a client that tried HTTP Basic is told that this is the scheme.
		if _, _, basic := r.BasicAuth(); basic {
			w.Header().Set("WWW-Authenticate", `Basic realm="berth"`)
		}
	}
	writeJSON(w, e.status, map[string]any{
		"error":             e.kind,
		"error_description": fmt.Sprintf("AADSTS%d: %s Trace ID: %s Correlation ID: %s Timestamp: %s", e.code, e.text, trace, correlation, now),
		"error_codes":       []int{e.code},
		"timestamp":         now,
		"trace_id":          trace,
		"correlation_id":    correlation,
	})
}
