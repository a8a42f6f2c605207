package identity

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"berth.dev/berth"
)

const (
	maxForm     = 64 << 10
	maxAudience = 1024
)

// oauthError is a refusal with a code and text of Microsoft Entra, which clients recognize and people can search for. Its text
// never contains a secret: neither the one sent nor the one expected.
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

// shown shortens a value of an unauthenticated request for a message.
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
		body, bad := a.granted(w, r, !strings.Contains(strings.ToLower(r.URL.Path), "/v2.0/"))
		if bad.code != 0 {
			a.refuse(w, r, bad)
			return
		}
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Pragma", "no-cache")
		writeJSON(w, http.StatusOK, body)
	})
}

// granted reads a token request and is the answer to it; bad.code is 0 when it is granted.
func (a *Authority) granted(w http.ResponseWriter, r *http.Request, v1 bool) (body any, bad oauthError) {
	form, bad := readForm(w, r)
	if bad.code != 0 {
		return nil, bad
	}
	if by, ofPerson := personGrants[form.Get("grant_type")]; ofPerson {
		return a.grantPerson(r, personForm{form, v1}, by)
	}
	if tenant, _, _ := strings.Cut(strings.TrimLeft(r.URL.Path, "/"), "/"); slices.Contains(anyTenant, strings.ToLower(tenant)) {
		return nil, unknownTenant(tenant) // programs know their tenant
	}
	g, bad := a.grant(w, r, form, v1)
	if bad.code != 0 {
		return nil, bad
	}
	token, err := a.issue(g.client, g.audience, g.credential)
	if err != nil {
		return nil, transient()
	}
	return a.tokenBody(token, g.audience, v1), oauthError{}
}

func transient() oauthError {
	return oauthError{http.StatusInternalServerError, "server_error", 90033, "A transient error has occurred. Please try again."}
}

// tokenBody is the answer. Entra's v1 endpoint writes its numbers as strings, and clients of it expect that.
func (a *Authority) tokenBody(token, audience string, v1 bool) any {
	life := int(TokenLife/time.Second) - 1 // Entra subtracts one second, for the transfer
	if !v1 {
		return map[string]any{"token_type": "Bearer", "expires_in": life, "ext_expires_in": life, "access_token": token}
	}
	now := a.clock.Now()
	return map[string]string{
		"token_type": "Bearer", "resource": audience, "access_token": token,
		"expires_in": strconv.Itoa(life), "ext_expires_in": strconv.Itoa(life),
		"not_before": strconv.FormatInt(now.Unix(), 10), "expires_on": strconv.FormatInt(now.Add(TokenLife).Unix(), 10),
	}
}

type grant struct {
	client     berth.Application
	credential string // key id of what the client signed in with
	audience   string
}

// grant checks the token request of an application; bad.code is 0 when it is granted.
func (a *Authority) grant(w http.ResponseWriter, r *http.Request, form url.Values, v1 bool) (g grant, bad oauthError) {
	switch form.Get("grant_type") {
	case "client_credentials":
	case "":
		return g, missing("grant_type")
	default:
		return g, oauthError{http.StatusBadRequest, "unsupported_grant_type", 70003,
			fmt.Sprintf("The app requested an unsupported grant type '%s'. This server supports 'client_credentials', and for people "+
				"'authorization_code', 'refresh_token' and device codes.", shown(form.Get("grant_type")))}
	}
	id, proof, bad := proofOf(r, form)
	if bad.code != 0 {
		return g, bad
	}
	if g.audience, bad = audienceOf(form, v1); bad.code != 0 {
		return g, bad
	}
	bad = a.signIn(w, r, claimed{id, proof}, &g)
	return g, bad
}

// signIn finds the application and checks its proof, into g. Too many wrong proofs are not judged any more; one that is right gets in
// however many were wrong, unless it takes a slow hash to know.
func (a *Authority) signIn(w http.ResponseWriter, r *http.Request, proven claimed, g *grant) (bad oauthError) {
	app, known := a.find(proven.id)
	g.client = app
	if g.credential, bad = a.judgeProof(app, proven.proof, false); known && bad.code == 0 {
		return bad
	}
	now := a.clock.Now()
	tries := a.throttle.of(throttleKey(r, app.ID), now)
	tries.Lock()
	defer tries.Unlock()
	if rest := tries.wait(now); rest > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(seconds(rest)))
		return oauthError{http.StatusTooManyRequests, "invalid_request", 90055,
			fmt.Sprintf("Too many sign-ins from this address have failed. Try again in %d seconds.", seconds(rest))}
	}
	g.credential, bad = a.judgeProof(app, proven.proof, true)
	if !known {
		bad = oauthError{http.StatusBadRequest, "unauthorized_client", 700016,
			fmt.Sprintf("Application with identifier '%s' was not found in the directory '%s'. Use the clientId of this server's credentials, "+
				"or one that 'berth ad sp list' shows.", shown(proven.id), a.tenant)}
	}
	if bad.code != 0 {
		tries.failed(now)
		a.log.Warn("a sign-in was refused", "client", shown(proven.id), "from", r.RemoteAddr, "code", fmt.Sprintf("AADSTS%d", bad.code))
	}
	return bad
}

// seconds is a time in whole seconds, rounded up.
func seconds(d time.Duration) int { return int(math.Ceil(d.Seconds())) }

// proof is what a client authenticates with: a secret or a signed assertion.
type proof struct{ secret, assertion string }

// claimed is who a client says it is, and its proof.
type claimed struct {
	id string
	proof
}

// judgeProof is the key id of the credential that a proof is of. Without slowly it does not find a secret whose hash is slow and which
// was not right before.
func (a *Authority) judgeProof(app berth.Application, p proof, slowly bool) (credential string, bad oauthError) {
	if p.assertion != "" {
		return a.proves(app, p.assertion)
	}
	now := a.clock.Now()
	for _, c := range app.Credentials {
		if c.Hash == "" || c.Hint != hint(p.secret) || !a.secrets.matches(c.Hash, p.secret, slowly) {
			continue
		}
		switch {
		case c.Good(now):
			return c.KeyID, oauthError{}
		case now.Before(c.Start):
			return "", oauthError{http.StatusUnauthorized, "invalid_client", 7000222,
				fmt.Sprintf("The provided client secret of the app '%s' is valid from %s, and the server's clock is at %s.", app.ID, stamp(c.Start),
					stamp(now))}
		}
		return "", oauthError{http.StatusUnauthorized, "invalid_client", 7000222,
			fmt.Sprintf("The provided client secret keys for app '%s' are expired (at %s; the server's clock is at %s). Create a new one: berth "+
				"ad sp reset --id %s.", app.ID, stamp(c.End), stamp(now), app.ID)}
	}
	return "", oauthError{http.StatusUnauthorized, "invalid_client", 7000215,
		fmt.Sprintf("Invalid client secret provided. Ensure the secret being sent in the request is the client secret value of the app "+
			"'%s', not its id.", app.ID)}
}

// readForm reads the body only: a secret in the query would be logged on the way.
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
			return nil, malformed("a parameter is sent twice.")
		}
	}
	return r.PostForm, oauthError{}
}

// proofOf reads the client's id and its proof: an assertion, or a secret in the form or in HTTP Basic, where RFC 6749 requires both
// to be form-encoded.
func proofOf(r *http.Request, form url.Values) (id string, p proof, bad oauthError) {
	id, p = form.Get("client_id"), proof{secret: form.Get("client_secret"), assertion: form.Get("client_assertion")}
	user, password, basic := r.BasicAuth()
	if basic {
		u, err1 := url.QueryUnescape(user)
		s, err2 := url.QueryUnescape(password)
		switch {
		case err1 != nil || err2 != nil:
			return "", p, malformed("the Basic credentials are not form-encoded.")
		case p.secret != "" || p.assertion != "" || (id != "" && id != u):
			return "", p, malformed("the client is named both in the body and in the Authorization header.")
		}
		id, p.secret = u, s
	}
	kind := form.Get("client_assertion_type")
	switch {
	case id == "":
		bad = missing("client_id")
	case p.secret != "" && p.assertion != "":
		bad = malformed("both a client_secret and a client_assertion are sent.")
	case p.assertion != "" && kind != assertionType:
		bad = malformed("client_assertion_type must be '" + assertionType + "'.")
	case p.secret == "" && p.assertion == "":
		bad = oauthError{http.StatusUnauthorized, "invalid_client", 7000218,
			"The request body must contain the following parameter: 'client_assertion' or 'client_secret'."}
	}
	return id, p, bad
}

// audienceOf is the one resource that is requested. ADFS has the v1 path and reads scope, so v1 here reads either.
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
	return badScope(1002012, fmt.Sprintf("The provided value for scope %s is not valid. Client credential flows must have a scope value "+
		"with /.default suffixed to the resource identifier.", shown(scope)))
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
		// RFC 6749, 5.2: the answer to a client that used HTTP Basic names that scheme.
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
