package identity

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// adfs is an alias of the tenant: with it, older clients skip a discovery that would go to login.microsoftonline.com. They
// read the tenant from the issuer in its document, so that issuer names the alias; tokens have the tenant's own issuer.
const adfs = "adfs"

// anyTenant are the names with which clients of people look for the tenant of whoever signs in: there is one here.
var anyTenant = []string{"organizations", "common"}

// IsAuthorize reports whether a path of this authority is the one where people sign in, which is a page.
func IsAuthorize(path string) bool {
	_, rest, _ := strings.Cut(strings.TrimLeft(path, "/"), "/")
	rest = strings.ToLower(strings.TrimSuffix(rest, "/"))
	return rest == "oauth2/v2.0/authorize" || rest == "oauth2/authorize"
}

// Route finds the handler of a path of this authority ("/{tenant}/…"), and nil for the paths of others. It is a function
// of the path and not a pattern: "/{tenant}/oauth2/token" and "/subscriptions/{id}/…" conflict in an http.ServeMux.
func (a *Authority) Route(path string) http.Handler {
	_, rest, _ := strings.Cut(strings.TrimLeft(path, "/"), "/")
	switch strings.ToLower(strings.TrimSuffix(rest, "/")) {
	case "oauth2/v2.0/token", "oauth2/token":
		return a.TokenHandler()
	case "v2.0/.well-known/openid-configuration", ".well-known/openid-configuration":
		return a.OpenIDHandler()
	case "discovery/v2.0/keys", "discovery/keys":
		return a.KeysHandler()
	case "oauth2/v2.0/devicecode", "oauth2/devicecode":
		return a.DeviceHandler()
	case "openid/userinfo":
		return a.UserInfoHandler()
	}
	return nil
}

// pathTenant is the first part of the path, in the only two spellings that this server uses itself, and whether it is ours.
func (a *Authority) pathTenant(r *http.Request) (string, bool) {
	name, _, _ := strings.Cut(strings.TrimLeft(r.URL.Path, "/"), "/")
	switch {
	case strings.EqualFold(name, a.tenant):
		return a.tenant, true
	case strings.EqualFold(name, adfs):
		return adfs, true
	case slices.Contains(anyTenant, strings.ToLower(name)):
		return a.tenant, true
	}
	return name, false
}

// Serves reports whether the path of a request names the tenant of this authority.
func (a *Authority) Serves(r *http.Request) bool {
	_, ours := a.pathTenant(r)
	return ours
}

// configuration is the OpenID provider metadata. The same is served with and without v2.0 in the path: all tokens here
// have the v2.0 issuer.
type configuration struct {
	Issuer          string   `json:"issuer"`
	Authorization   string   `json:"authorization_endpoint"`
	Token           string   `json:"token_endpoint"`
	DeviceCode      string   `json:"device_authorization_endpoint"`
	UserInfo        string   `json:"userinfo_endpoint"`
	Keys            string   `json:"jwks_uri"`
	TokenAuth       []string `json:"token_endpoint_auth_methods_supported"`
	AssertionAlgs   []string `json:"token_endpoint_auth_signing_alg_values_supported"`
	Grants          []string `json:"grant_types_supported"`
	ResponseTypes   []string `json:"response_types_supported"`
	ResponseModes   []string `json:"response_modes_supported"`
	Challenges      []string `json:"code_challenge_methods_supported"`
	SubjectTypes    []string `json:"subject_types_supported"`
	IDTokenSigning  []string `json:"id_token_signing_alg_values_supported"`
	Scopes          []string `json:"scopes_supported"`
	ClaimsSupported []string `json:"claims_supported"`
}

// OpenIDHandler serves /{tenant}[/v2.0]/.well-known/openid-configuration.
func (a *Authority) OpenIDHandler() http.Handler {
	return a.document(func(tenant string) any {
		at := a.base + "/" + tenant
		issuer := a.issuer()
		if tenant == adfs {
			issuer = at
		}
		return configuration{
			Issuer:         issuer,
			Authorization:  at + "/oauth2/v2.0/authorize",
			Token:          at + "/oauth2/v2.0/token",
			DeviceCode:     at + "/oauth2/v2.0/devicecode",
			UserInfo:       at + "/openid/userinfo",
			Keys:           at + "/discovery/v2.0/keys",
			TokenAuth:      []string{"client_secret_post", "client_secret_basic", "private_key_jwt", "none"},
			AssertionAlgs:  algorithmNames(),
			Grants:         []string{"client_credentials", "authorization_code", "refresh_token", deviceGrant},
			ResponseTypes:  []string{"code"},
			ResponseModes:  []string{"query", "fragment", "form_post"},
			Challenges:     []string{"S256"},
			SubjectTypes:   []string{"public"},
			IDTokenSigning: []string{string(jose.ES256)},
			Scopes:         []string{"openid", "profile", "email", "offline_access"},
			ClaimsSupported: []string{"aud", "iss", "iat", "nbf", "exp", "sub", "tid", "oid", "appid", "azp", "idtyp", "uti", "ver", "name",
				"preferred_username", "upn", "email", "auth_time", "nonce", "scp", "groups"},
		}
	})
}

// Issuer is the issuer of the tokens.
func (a *Authority) Issuer() string { return a.issuer() }

// PublicKeys are the keys of the tokens, as a JSON web key set.
func (a *Authority) PublicKeys() any { return a.keys.public() }

// KeysHandler serves the public keys of the tokens as a JSON web key set.
func (a *Authority) KeysHandler() http.Handler {
	return a.document(func(string) any { return a.keys.public() })
}

// document serves JSON that depends on nothing but the tenant.
func (a *Authority) document(content func(tenant string) any) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tenant, ours := a.pathTenant(r)
		switch {
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			w.Header().Set("Allow", "GET, HEAD")
			a.refuse(w, r, oauthError{http.StatusMethodNotAllowed, "invalid_request", 900561, "This address accepts GET requests only."})
		case !ours:
			a.refuse(w, r, unknownTenant(tenant))
		default:
			w.Header().Set("Cache-Control", "public, max-age=300")
			writeJSON(w, http.StatusOK, content(tenant))
		}
	})
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // an error means that the client has disconnected
}
