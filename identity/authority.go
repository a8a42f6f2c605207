// Package identity knows who is calling: it keeps the applications that may sign in, issues and verifies access tokens, and
// keeps what that needs on disk (the certificate authority, the signing keys, the first client's credentials).
package identity

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jonboulle/clockwork"

	"berth.dev/berth"
)

// TokenLife is how long an access token is good.
const TokenLife = time.Hour

// Options is what an Authority is made of.
type Options struct {
	Issuer   string // public base URL of the server, "https://berth.example:8443"
	TenantID string // a GUID
	Keys     *Keys
	// Applications finds an application by its client id, in any casing. It is asked at each request, so it must be fast.
	Applications func(id string) (berth.Application, bool)
	Clock        clockwork.Clock
	Log          *slog.Logger // where refused sign-ins are logged; nil for nowhere
	Hosts        []string     // other public base URLs of the server; tokens for them are accepted as those for Issuer
}

// API is one of the APIs that take access tokens. Each takes only those that were issued for it.
type API int

// The APIs.
const (
	ResourceManager API = iota // also the studio, which acts in it
	Graph

	none API = -1
)

// GraphPath is where Graph stands below the server's URL. Clients take that address for the name of its audience too.
const GraphPath = "/graph"

// apis are by what Azure calls each, which some clients ask for all the same, and where it stands.
var apis = map[API]struct {
	path   string
	azures []string
}{
	ResourceManager: {"", []string{"https://management.azure.com", "https://management.core.windows.net"}},
	Graph:           {GraphPath, []string{"https://graph.microsoft.com"}},
}

// Authority issues tokens to the clients of one tenant and verifies them.
type Authority struct {
	base      string // no trailing slash
	tenant    string // lower case
	find      func(id string) (berth.Application, bool)
	clock     clockwork.Clock
	log       *slog.Logger
	hosts     []string       // by audienceKey: the public base URLs
	audiences map[string]API // by audienceKey
	keys      *Keys
	cache     tokenCache
	throttle  throttle
}

// New makes an Authority.
func New(o Options) (*Authority, error) {
	base := strings.TrimRight(o.Issuer, "/")
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("%q is not the public URL of a server (expected https://host[:port])", o.Issuer)
	}
	if len(o.TenantID) != 36 || uuid.Validate(o.TenantID) != nil {
		return nil, fmt.Errorf("the tenant id %q is not a GUID", o.TenantID)
	}
	if o.Keys == nil || o.Applications == nil || o.Clock == nil {
		return nil, errors.New("an authority needs keys, applications and a clock")
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	a := &Authority{
		base: base, tenant: strings.ToLower(o.TenantID), find: o.Applications, clock: o.Clock, log: o.Log, keys: o.Keys,
		audiences: map[string]API{},
	}
	for _, host := range append([]string{base}, o.Hosts...) {
		a.hosts = append(a.hosts, audienceKey(host))
	}
	for api, of := range apis {
		for _, azure := range of.azures {
			a.audiences[azure] = api
		}
		for _, host := range a.hosts {
			a.audiences[host+of.path] = api
		}
	}
	return a, nil
}

// TenantID is the tenant that this authority serves.
func (a *Authority) TenantID() string { return a.tenant }

func (a *Authority) issuer() string { return a.base + "/" + a.tenant + "/v2.0" }

// claims is the payload of our tokens. Clients decode exp, tid, oid and appid without verifying; azurerm asks Microsoft
// Graph when oid is missing.
type claims struct {
	Audience  string `json:"aud"`
	Issuer    string `json:"iss"`
	IssuedAt  int64  `json:"iat"`
	NotBefore int64  `json:"nbf"`
	Expires   int64  `json:"exp"`
	AppID     string `json:"appid"`
	AZP       string `json:"azp"` // the v2.0 name of appid
	IDType    string `json:"idtyp"`
	ObjectID  string `json:"oid"`
	Subject   string `json:"sub"`
	TenantID  string `json:"tid"`
	UTI       string `json:"uti"` // makes each token its own
	Version   string `json:"ver"`
}

// Issue makes an access token for a client. The audience is anything: clients ask at start-up for tokens of APIs that they never
// use, and must get them. Verify accepts only those for the API that was called.
func (a *Authority) Issue(c berth.Application, audience string) (string, error) {
	now := a.clock.Now()
	uti := make([]byte, 16)
	rand.Read(uti) // never fails: it ends the program rather than give bad randomness
	return a.sign(claims{
		Audience:  audience,
		Issuer:    a.issuer(),
		IssuedAt:  now.Unix(),
		NotBefore: now.Unix(),
		Expires:   now.Add(TokenLife).Unix(),
		AppID:     c.ID,
		AZP:       c.ID,
		IDType:    "app",
		ObjectID:  c.ObjectID,
		Subject:   c.ObjectID,
		TenantID:  a.tenant,
		UTI:       base64.RawURLEncoding.EncodeToString(uti),
		Version:   "2.0",
	})
}

func (a *Authority) sign(c claims) (string, error) {
	payload, err := json.Marshal(c)
	if err != nil {
		return "", err
	}
	jws, err := a.keys.signer().Sign(payload)
	if err != nil {
		return "", err
	}
	return jws.CompactSerialize()
}

// audienceKey is an audience as it is compared: clients differ in trailing slashes and in the casing of the host.
func audienceKey(audience string) string { return strings.ToLower(strings.TrimRight(audience, "/")) }
