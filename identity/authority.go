// Package identity authenticates callers: it stores the applications that may sign in, issues and verifies access tokens, and
// stores what that needs on disk (the certificate authority, the signing keys, the first client's credentials).
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

// TokenLife is how long an access token is valid.
const TokenLife = time.Hour

// Options configures an Authority.
type Options struct {
	Issuer   string // public base URL of the server, "https://berth.example:8443"
	TenantID string // a GUID
	Keys     *Keys
	// Applications finds an application by its client id, in any casing. Every request calls it, so it must be fast.
	Applications func(id string) (berth.Application, bool)
	People       *People // nil: only applications sign in
	Tickets      Tickets // nil: there are neither sessions nor codes
	Clock        clockwork.Clock
	Log          *slog.Logger // for refused sign-ins; nil to log none
	Hosts        []string     // other public base URLs of the server; tokens for them are accepted like those for Issuer
}

// API is one of the APIs that accept access tokens. Each accepts only those that were issued for it.
type API int

// The APIs.
const (
	ResourceManager API = iota // the studio uses it too
	Graph
	Registry // of images

	none API = -1
)

// GraphPath is the path of Graph below the server's URL. Clients also use that address as its audience.
const GraphPath = "/graph"

// apis are the path of each API and the audiences that Azure has for it: some clients request those.
var apis = map[API]struct {
	path   string
	azures []string
}{
	ResourceManager: {"", []string{"https://management.azure.com", "https://management.core.windows.net"}},
	Graph:           {GraphPath, []string{"https://graph.microsoft.com"}},
	Registry:        {RegistryPath, nil},
}

// Authority issues access tokens to the clients of one tenant and verifies them. It is safe for concurrent use.
type Authority struct {
	base      string // no trailing slash
	tenant    string // lower case
	find      func(id string) (berth.Application, bool)
	people    *People // nil: none
	tickets   Tickets
	clock     clockwork.Clock
	log       *slog.Logger
	hosts     []string       // by audienceKey: the public base URLs
	audiences map[string]API // by audienceKey
	keys      *Keys
	cache     tokenCache
	throttle  throttle
	secrets   provenSecrets
}

// New creates an Authority. It fails if the issuer is no URL, the tenant is no GUID, or an option is missing.
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
		base: base, tenant: strings.ToLower(o.TenantID), find: o.Applications, people: o.People, tickets: o.Tickets, clock: o.Clock,
		log:  o.Log,
		keys: o.Keys, audiences: map[string]API{},
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
	UTI       string `json:"uti"` // makes each token unique
	Version   string `json:"ver"`
	// Credential is the key id of the credential with which the application signed in: its session at the studio ends with it.
	Credential string `json:"cred,omitempty"`
	personClaims
}

// personClaims are what the access token of a person has beside, and that of an application has not.
type personClaims struct {
	Name     string `json:"name,omitempty"`
	Login    string `json:"preferred_username,omitempty"`
	UPN      string `json:"upn,omitempty"`
	Scope    string `json:"scp,omitempty"`
	AuthTime int64  `json:"auth_time,omitempty"` // when the person signed in
	// Groups are object ids, in tokens for clusters only: their RBAC binds roles to groups, and does not ask Berth who is in them.
	Groups []string `json:"groups,omitempty"`
}

// Issue creates an access token for a client. The audience can be anything: at their start, clients request tokens of APIs that they
// never use, and must get them. Verify accepts only those for the API that was called.
func (a *Authority) Issue(c berth.Application, audience string) (string, error) {
	return a.issue(c, audience, "")
}

func (a *Authority) issue(c berth.Application, audience, credential string) (string, error) {
	now := a.clock.Now()
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
		UTI:       newUTI(),
		Version:   "2.0",

		Credential: credential,
	})
}

func newUTI() string {
	uti := make([]byte, 16)
	rand.Read(uti) // never fails: it ends the program instead
	return base64.RawURLEncoding.EncodeToString(uti)
}

func (a *Authority) sign(c any) (string, error) {
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

// audienceKey is the form in which audiences are compared: clients differ in trailing slashes and in the casing of the host.
func audienceKey(audience string) string { return strings.ToLower(strings.TrimRight(audience, "/")) }
