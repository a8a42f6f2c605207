package identity

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"

	"berth.dev/berth"
)

const (
	// SignInLife is how long a person gets new tokens after it signed in. Then it signs in again, and its groups are read again.
	SignInLife = 24 * time.Hour
	// refreshGrace is how long a refresh token can be used again: two processes of az share one file of tokens.
	refreshGrace = 2 * time.Minute
)

// personForm is a token request of a client of people.
type personForm struct {
	url.Values
	v1 bool
}

func (f personForm) client() string { return strings.ToLower(f.Get("client_id")) }

// session is a sign-in of a person for which a client gets tokens.
type session struct {
	person, family string
	signedIn       time.Time
	nonce, scope   string
	refresh        string // the next refresh token, if it is there already
}

// redeem finds the sign-in that a token request is for.
type redeem func(*Authority, *http.Request, personForm) (session, oauthError)

// personGrants are the grants of clients of people, by grant_type.
var personGrants = map[string]redeem{
	"authorization_code": redeemCode, "refresh_token": redeemRefresh, deviceGrant: redeemDevice, deviceGrant1: redeemDevice,
}

// checkPublic refuses what is not a client of people.
func (a *Authority) checkPublic(f personForm) oauthError {
	_, known := publicClients[f.client()]
	switch {
	case f.client() == "":
		return missing("client_id")
	case !known || a.people == nil:
		return oauthError{http.StatusBadRequest, "unauthorized_client", 700016, fmt.Sprintf("The program '%s' is not one with which people "+
			"sign in here.", shown(f.client()))}
	case f.Get("client_secret") != "" || f.Get("client_assertion") != "":
		return oauthError{http.StatusUnauthorized, "invalid_client", 700025,
			"Client is public so neither 'client_assertion' nor 'client_secret' should be presented."}
	}
	return oauthError{}
}

// grantPerson answers a token request for a person.
func (a *Authority) grantPerson(r *http.Request, f personForm, by redeem) (any, oauthError) {
	if bad := a.checkPublic(f); bad.code != 0 {
		return nil, bad
	}
	if _, bad := a.personAudience(f, f.Get("scope")); bad.code != 0 { // before the code is used up
		return nil, bad
	}
	s, bad := by(a, r, f)
	if bad.code != 0 {
		return nil, bad
	}
	one, known := a.people.Find(s.person)
	switch {
	case !known:
		return nil, badGrant(50034, "The account no longer exists on this server.")
	case one.Disabled:
		return nil, badGrant(50057, "The account is disabled on this server.")
	case s.signedIn.Before(one.ValidFrom):
		return nil, badGrant(50173, "The sign-in was ended on this server. Sign in again.")
	}
	body, err := a.personTokens(r, f, s, one)
	if err != nil {
		a.log.Error("tokens cannot be issued", "user", one.ID, "error", err)
		return nil, transient()
	}
	return body, oauthError{}
}

// scopesOfOpenID are no permissions at an API.
var scopesOfOpenID = map[string]bool{"openid": true, "offline_access": true, "profile": true, "email": true}

// personAudience is the one API whose scopes are requested, as resource/permission each. Without any it is Graph, as in Entra.
func (a *Authority) personAudience(f personForm, scope string) (string, oauthError) {
	audience := strings.TrimRight(f.Get("resource"), "/")
	for _, s := range strings.Fields(scope) {
		if scopesOfOpenID[s] || f.v1 && audience != "" {
			continue
		}
		cut := strings.LastIndex(s, "/")
		if cut <= 0 {
			return "", badScope(70011, fmt.Sprintf("The provided value for the input parameter 'scope' is not valid: '%s' is not of the form "+
				"resource/permission.", shown(s)))
		}
		of := strings.TrimRight(s[:cut], "/")
		if audience != "" && audience != of {
			return "", badScope(28000, "Provided value for the input parameter scope is not valid because it contains more than one resource.")
		}
		audience = of
	}
	if len(audience) > maxAudience {
		return "", badScope(70011, "The provided value for the input parameter 'scope' is too long.")
	}
	return cmp.Or(audience, a.base+GraphPath), oauthError{}
}

// personTokens are the tokens of a client for a person, in the form of the endpoint that was asked.
func (a *Authority) personTokens(r *http.Request, f personForm, s session, one berth.Person) (any, error) {
	scope := cmp.Or(f.Get("scope"), s.scope)
	audience, bad := a.personAudience(f, scope)
	if bad.code != 0 {
		audience = a.base + GraphPath // of the scope at the beginning; the one of the request was judged
	}
	access, err := a.issuePerson(one, personTokenOf{client: f.client(), audience: audience, scope: permissions(scope), signedIn: s.signedIn})
	if err != nil {
		return nil, err
	}
	id, err := a.issueID(one, f.client(), s)
	if err != nil {
		return nil, err
	}
	if s.refresh == "" {
		if s.refresh, err = a.newRefresh(r, f.client(), s); err != nil {
			return nil, err
		}
	}
	account, err := json.Marshal(map[string]string{"uid": one.ID, "utid": a.tenant})
	if err != nil {
		return nil, err
	}
	more := map[string]string{"scope": strings.Join(resourceScopes(scope), " "), "refresh_token": s.refresh, "id_token": id,
		"client_info": base64.RawURLEncoding.EncodeToString(account)}
	if f.v1 {
		more["scope"] = "user_impersonation"
	}
	return withMore(a.tokenBody(access, audience, f.v1), more), nil
}

func withMore(body any, more map[string]string) map[string]any {
	out := map[string]any{}
	switch body := body.(type) {
	case map[string]any:
		out = body
	case map[string]string:
		for k, v := range body {
			out[k] = v
		}
	}
	for k, v := range more {
		out[k] = v
	}
	return out
}

// resourceScopes are the scopes that are permissions at an API.
func resourceScopes(scope string) (out []string) {
	for _, s := range strings.Fields(scope) {
		if !scopesOfOpenID[s] {
			out = append(out, s)
		}
	}
	return out
}

// permissions is the claim scp: the last words of the scopes. Who asks for all that there is (.default) gets user_impersonation, as in
// Azure; what a person may do is decided by roles alone.
func permissions(scope string) string {
	var out []string
	for _, s := range resourceScopes(scope) {
		if word := s[strings.LastIndex(s, "/")+1:]; word != ".default" {
			out = append(out, word)
		}
	}
	return cmp.Or(strings.Join(out, " "), "user_impersonation")
}

// newRefresh makes the first refresh token of a sign-in.
func (a *Authority) newRefresh(r *http.Request, client string, s session) (string, error) {
	text := NewSecret()
	return text, a.people.refresh.AddRefreshToken(r.Context(), berth.RefreshToken{
		Hash: hashToken(text), Family: cmp.Or(s.family, uuid.NewString()), Person: s.person, Client: client, SignedIn: s.signedIn,
		Expires: s.signedIn.Add(SignInLife),
	}, a.clock.Now())
}

// redeemRefresh answers the grant refresh_token.
func redeemRefresh(a *Authority, r *http.Request, f personForm) (session, oauthError) {
	old := f.Get("refresh_token")
	if old == "" {
		return session{}, missing("refresh_token")
	}
	next := NewSecret()
	t, err := a.people.refresh.ExchangeRefreshToken(r.Context(), berth.Exchange{Old: hashToken(old), New: hashToken(next),
		Client: f.client(), Now: a.clock.Now(), Grace: refreshGrace})
	switch {
	case err != nil:
		a.log.Error("a refresh token cannot be exchanged", "error", err)
		return session{}, transient()
	case t.Hash == "":
		return session{}, badGrant(700082, fmt.Sprintf("The refresh token is not valid, was used before, or has expired: a sign-in lasts for "+
			"%d hours. Sign in again.", int(SignInLife.Hours())))
	}
	return session{person: t.Person, family: t.Family, signedIn: t.SignedIn, refresh: next}, oauthError{}
}

// hashToken is the stored form of a token of 255 random bits: nobody can guess it, so that a fast hash is enough.
func hashToken(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
