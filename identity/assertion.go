package identity

import (
	"crypto/sha1" //nolint:gosec // a thumbprint that clients send to name a certificate; nothing rests on it
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"berth.dev/berth"
)

const (
	assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
	// maxAssertionLife bounds how long a stolen assertion is of use. Azure's clients make them for ten minutes.
	maxAssertionLife = 24 * time.Hour
)

// assertionAlgorithms are those of MSAL and azidentity (PS256; RS256 in older versions), and ES256 for EC certificates.
var assertionAlgorithms = []jose.SignatureAlgorithm{jose.RS256, jose.PS256, jose.ES256}

func algorithmNames() []string {
	var names []string
	for _, a := range assertionAlgorithms {
		names = append(names, string(a))
	}
	return names
}

// An assertion may be used again until it ends: MSAL for JavaScript does so. What it proves is the possession of a key, over
// TLS, to this one server.

// assertion is the payload of a client assertion (RFC 7523, section 3).
type assertion struct {
	Issuer    string   `json:"iss"`
	Subject   string   `json:"sub"`
	Audience  audience `json:"aud"`
	Expires   *float64 `json:"exp"`
	NotBefore float64  `json:"nbf"`
}

// audience is one or several (RFC 7519, section 4.1.3).
type audience []string

func (a *audience) UnmarshalJSON(data []byte) error {
	var one string
	if err := json.Unmarshal(data, &one); err == nil {
		*a = audience{one}
		return nil
	}
	var many []string
	err := json.Unmarshal(data, &many)
	*a = many
	return err
}

func badAssertion(code int, why string) oauthError {
	return oauthError{status: http.StatusUnauthorized, kind: "invalid_client", code: code, text: why}
}

// proves checks an assertion of the application; the code of the result is 0 when it is valid.
func (a *Authority) proves(app berth.Application, text string) (credential string, bad oauthError) {
	jws, err := jose.ParseSignedCompact(text, assertionAlgorithms)
	if err != nil {
		return "", badAssertion(50027, "The client assertion is not a JSON web token signed with RS256, PS256 or ES256.")
	}
	by, bad := a.certificateOf(app, jws.Signatures[0].Protected)
	if bad.code != 0 {
		return "", bad
	}
	cert, err := x509.ParseCertificate(by.Certificate)
	if err != nil {
		return "", badAssertion(700027, "The certificate registered for the application cannot be read.")
	}
	payload, err := jws.Verify(cert.PublicKey)
	if err != nil {
		return "", badAssertion(700027, "Client assertion failed signature validation: it was not signed with the key of the certificate that "+
			"it names.")
	}
	var claims assertion
	if err := json.Unmarshal(payload, &claims); err != nil {
		return "", badAssertion(50027, "The claims of the client assertion cannot be read.")
	}
	return by.KeyID, a.judgeAssertion(app, claims)
}

// certificateOf finds the certificate that an assertion names by its thumbprint: x5t, x5t#S256, or kid as some clients do.
func (a *Authority) certificateOf(app berth.Application, header jose.Header) (berth.Credential, oauthError) {
	names := []string{header.KeyID}
	for _, field := range []jose.HeaderKey{"x5t", "x5t#S256"} {
		if name, isText := header.ExtraHeaders[field].(string); isText {
			names = append(names, name)
		}
	}
	ended := oauthError{}
	for _, c := range app.Credentials {
		if len(c.Certificate) == 0 || !named(c.Certificate, names) {
			continue
		}
		if c.Good(a.clock.Now()) {
			return c, oauthError{}
		}
		ended = badAssertion(700027, fmt.Sprintf("The certificate used for signing is valid from %s to %s, and the server's clock is at %s.",
			stamp(c.Start), stamp(c.End), stamp(a.clock.Now())))
	}
	if ended.code != 0 {
		return berth.Credential{}, ended
	}
	return berth.Credential{}, badAssertion(700027,
		fmt.Sprintf("The certificate with which the client assertion is signed (thumbprint '%s') is not registered for the application "+
			"'%s'. Register it: berth ad sp reset --id %s --append --cert @FILE.",
			shown(strings.Join(names[1:], "', '")), app.ID, app.ID))
}

func named(der []byte, names []string) bool {
	short, long := sha1.Sum(der), sha256.Sum256(der) //nolint:gosec // see the import
	// MSAL for Go writes one of them in the alphabet that is not for addresses, some write padding.
	plain := strings.NewReplacer("+", "-", "/", "_", "=", "")
	for _, name := range names {
		switch {
		case name == "":
		case strings.EqualFold(name, hex.EncodeToString(short[:])):
			return true
		default:
			name = plain.Replace(name)
			if name == base64.RawURLEncoding.EncodeToString(short[:]) || name == base64.RawURLEncoding.EncodeToString(long[:]) {
				return true
			}
		}
	}
	return false
}

func (a *Authority) judgeAssertion(app berth.Application, c assertion) oauthError {
	now := a.clock.Now()
	switch {
	case !strings.EqualFold(c.Issuer, app.ID) || !strings.EqualFold(c.Subject, app.ID):
		return badAssertion(700021, fmt.Sprintf("Client assertion application identifier doesn't match 'client_id' parameter: both its iss "+
			"and its sub must be '%s'.", app.ID))
	case !a.meant(c.Audience):
		return badAssertion(700023, fmt.Sprintf("Client assertion audience claim does not match: it must be '%s/%s/oauth2/v2.0/token'.",
			a.base, a.tenant))
	case c.Expires == nil:
		return badAssertion(700024, "Client assertion has no exp claim.")
	}
	expires, begins := unix(*c.Expires), unix(c.NotBefore)
	if !now.Before(expires.Add(leeway)) || now.Add(leeway).Before(begins) || expires.Sub(now) > maxAssertionLife {
		return badAssertion(700024, fmt.Sprintf("Client assertion is not within its valid time range: it is valid from %s to %s, and the "+
			"server's clock is at %s. At most %d hours are accepted.",
			stamp(begins), stamp(expires), stamp(now), int(maxAssertionLife.Hours())))
	}
	return oauthError{}
}

// unix converts a NumericDate. Values outside the range of time.Time are limited to its ends.
func unix(seconds float64) time.Time {
	const last = 1 << 40
	return time.Unix(int64(max(0, min(last, seconds))), 0)
}

// meant reports whether one of the audiences is this authority, in any of the spellings that clients use for its addresses.
func (a *Authority) meant(all audience) bool {
	for _, one := range all {
		u, err := url.Parse(one)
		if err != nil || !slices.Contains(a.hosts, audienceKey(u.Scheme+"://"+u.Host)) {
			continue
		}
		tenant, rest, _ := strings.Cut(strings.Trim(strings.ToLower(u.Path), "/"), "/")
		if tenant != a.tenant && tenant != adfs {
			continue
		}
		switch rest {
		case "", "v2.0", "oauth2/token", "oauth2/v2.0/token":
			return true
		}
	}
	return false
}
