package identity

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"

	"berth.dev/berth"
)

type callerKey struct{}

// Require passes requests with a valid token for api to next, with their Caller in the context, and all others to fail.
func (a *Authority) Require(api API, next http.Handler, fail func(http.ResponseWriter, *http.Request, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		caller, err := a.Caller(r, api)
		if err != nil {
			fail(w, r, err)
			return
		}
		next.ServeHTTP(w, r.WithContext(WithCaller(r.Context(), caller)))
	})
}

// WithCaller adds a caller to a context.
func WithCaller(ctx context.Context, c Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// CallerFrom is the caller that Require or WithCaller added to the context; false when there is none.
func CallerFrom(ctx context.Context) (Caller, bool) {
	c, ok := ctx.Value(callerKey{}).(Caller)
	return c, ok
}

// Origin is what the activity log says of a request of a caller.
func (c Caller) Origin(r *http.Request) berth.Origin {
	o := berth.Origin{Caller: c.AppID, ObjectID: c.ObjectID, TenantID: c.TenantID, Name: c.Name, UPN: c.UPN, Method: r.Method}
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		o.Address = host
	}
	return o
}

// Caller authenticates a request to api. Its errors are *berth.Error (401).
func (a *Authority) Caller(r *http.Request, api API) (Caller, error) {
	token, err := Bearer(r)
	if err != nil {
		return Caller{}, err
	}
	return a.Verify(token, api)
}

// Bearer is the access token that a request carries, in the form of RFC 6750 (2.1): the scheme in any casing, spaces, and a token
// of the characters that tokens have. An error (AuthenticationFailed) when the request carries none, more than one Authorization
// header, or something else in it.
func Bearer(r *http.Request) (string, error) {
	headers := r.Header.Values("Authorization")
	if len(headers) == 0 {
		return "", errMissing()
	}
	scheme, token, _ := strings.Cut(headers[0], " ")
	token = strings.TrimLeft(token, " ")
	if len(headers) > 1 || !strings.EqualFold(scheme, "Bearer") || !isToken(strings.TrimRight(token, "=")) {
		return "", berth.Errorf(berth.CodeAuthenticationFailed,
			"Authentication failed. The 'Authorization' header is not in the form 'Bearer {access token}', sent once.")
	}
	return token, nil
}

// tokenBytes are the characters of a token: b64token of RFC 6750, without the padding. A table, because tokens have 800 of them and
// come with every request.
var tokenBytes = func() (all [256]bool) {
	for _, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/") {
		all[c] = true
	}
	return all
}()

func isToken(s string) bool {
	for i := range len(s) {
		if !tokenBytes[s[i]] {
			return false
		}
	}
	return s != ""
}

// Challenge is the WWW-Authenticate header of a 401: the address at which to sign in, and the reason of the refusal.
func Challenge(base, tenant string, err error) string {
	text := "The access token is missing or invalid."
	if e, ok := errors.AsType[*berth.Error](err); ok {
		text = e.Message
	}
	return `Bearer authorization_uri="` + quotable(strings.TrimRight(base, "/")+"/"+tenant) +
		`", error="invalid_token", error_description="` + quotable(text) + `"`
}

// quotable converts text for a quoted string in a header: printable ASCII without quote and backslash (RFC 6750).
func quotable(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '"' || r == '\\':
			return '\''
		case r < 0x20 || r > 0x7e:
			return ' '
		}
		return r
	}, s)
}
