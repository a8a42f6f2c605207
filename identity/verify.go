package identity

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"strings"
	"sync"
	"time"

	"berth.dev/berth"
	"github.com/go-jose/go-jose/v4"
)

const (
	// leeway is the tolerated difference between the clocks of issuer and verifier.
	leeway = time.Minute
	// maxToken limits what is hashed and parsed for an unauthenticated request. Our tokens have about 800 characters.
	maxToken = 16 << 10
	// cacheSize limits the memory of the cache: about 300 kB, and 1.3 MB when all audiences have the maximum length.
	cacheSize = 1024
)

// Caller is who sent a request: an application or a person.
type Caller struct {
	AppID    string // client id of the application; of a person the object id. Known finds it.
	ObjectID string
	TenantID string
	Name     string
	UPN      string    // of a person; empty for an application
	Expires  time.Time // of the token
	SignedIn time.Time // of a person: when it signed in
	// Credential is the key id of the credential with which an application signed in.
	Credential string
}

// Called is the name under which refusals speak of the caller, as Azure has it: the client id or the user principal name.
func (c Caller) Called() string { return cmp.Or(c.UPN, c.AppID) }

// Verify returns the caller to which a token was issued, if it was issued for api. Its errors are *berth.Error (401) and safe to
// show: they never contain any part of a token that this server did not issue.
func (a *Authority) Verify(token string, api API) (Caller, error) {
	if token == "" {
		return Caller{}, errMissing()
	}
	if len(token) > maxToken {
		return Caller{}, invalid("The access token is longer than %d characters. %s", maxToken, signInAgain)
	}
	key := sha256.Sum256([]byte(token))
	now := a.clock.Now()
	found, hit := a.cache.get(key, now)
	if !hit {
		var err error
		if found, err = a.check(token, now); err != nil {
			return Caller{}, err
		}
	}
	if found.api != api {
		return Caller{}, invalid("The access token is for the audience '%s'. Request one with the scope '%s/.default'.",
			found.audience, a.base+apis[api].path)
	}
	if hit && a.keys.find(found.keyID) == nil {
		return Caller{}, errSignature() // the key was removed in the meantime
	}
	caller, err := a.stillThere(found)
	if err == nil && !hit {
		a.cache.put(key, found)
	}
	return caller, err
}

// stillThere is the caller of a verified token. Who it is gets read every time, cached or not: who was removed stops at once.
func (a *Authority) stillThere(v verified) (Caller, error) {
	if v.person {
		return a.personThere(v)
	}
	// The object id distinguishes a client from one that was created later under the same id.
	client, known := a.find(v.appID)
	if !known || client.ObjectID != v.objectID {
		return Caller{}, invalid("The application '%s' that this access token was issued to no longer exists here. "+
			"Sign in with a client that exists.", v.appID)
	}
	return Caller{AppID: v.appID, ObjectID: v.objectID, TenantID: a.tenant, Name: client.Name, Expires: v.expires.UTC(),
		Credential: v.credential}, nil
}

// Known is an application or a person that may sign in, as the caller that it is then, by its Caller.AppID. known is false once it was
// removed or disabled.
func (a *Authority) Known(appID string) (c Caller, known bool) {
	if client, known := a.find(appID); known && appID != "" {
		return Caller{AppID: client.ID, ObjectID: client.ObjectID, TenantID: a.tenant, Name: client.Name}, true
	}
	if a.people == nil {
		return Caller{}, false
	}
	one, known := a.people.Find(appID)
	if !known || one.Disabled || !strings.EqualFold(one.ID, appID) {
		return Caller{}, false
	}
	return a.callerOf(one), true
}

const signInAgain = "Sign in again to get a new one."

func errMissing() error {
	return berth.Errorf(berth.CodeAuthenticationFailed,
		"Authentication failed. The 'Authorization' header is missing: sign in and send 'Authorization: Bearer {access token}'.")
}

func invalid(format string, args ...any) error {
	return berth.Errorf(berth.CodeInvalidToken, format, args...)
}

// check does the whole verification. Nothing in the token is used, nor shown to the caller, before its signature is verified.
func (a *Authority) check(token string, now time.Time) (verified, error) {
	// Base64 decoding would skip line breaks, and no token of ours has any.
	if strings.ContainsAny(token, "\r\n") {
		return verified{}, invalid("The access token is not well formed. %s", signInAgain)
	}
	// Only one algorithm is allowed: "none", HMAC with our public key and all others fail here, whatever the header contains.
	jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		return verified{}, invalid("The access token is not a JSON web token signed with ES256, as the ones issued here are. %s", signInAgain)
	}
	keyID := jws.Signatures[0].Protected.KeyID
	key := a.keys.find(keyID)
	if key == nil {
		return verified{}, errSignature()
	}
	payload, err := jws.Verify(key)
	if err != nil {
		return verified{}, errSignature()
	}
	var c claims
	if err := json.Unmarshal(payload, &c); err != nil {
		return verified{}, invalid("The claims of the access token cannot be read. %s", signInAgain)
	}
	v, err := a.judge(c, now)
	v.keyID = keyID
	return v, err
}

func errSignature() error {
	return invalid("The signature of the access token is not of this server, or its key is no longer in use. " +
		"If the server was set up again, use its new credentials; then sign in again.")
}

// judge checks the claims of a token, whose signature is valid, against the clock and this server.
func (a *Authority) judge(c claims, now time.Time) (verified, error) {
	expires, notBefore := time.Unix(c.Expires, 0).Add(leeway), time.Unix(c.NotBefore, 0).Add(-leeway)
	switch {
	case !strings.EqualFold(c.TenantID, a.tenant):
		return verified{}, invalid("The access token is from the tenant '%s' and this server's is '%s'. Sign in to tenant '%s'.",
			c.TenantID, a.tenant, a.tenant)
	case c.Issuer != a.issuer():
		return verified{}, invalid("The access token was issued by '%s' and this server is '%s'. %s", c.Issuer, a.issuer(), signInAgain)
	case !now.Before(expires):
		return verified{}, berth.Errorf(berth.CodeExpiredToken, "The access token expired at %s and the server's clock is at %s. %s",
			stamp(time.Unix(c.Expires, 0)), stamp(now), signInAgain)
	case now.Before(notBefore):
		return verified{}, invalid("The access token is not valid before %s and the server's clock is at %s. Wait, or set the server's clock.",
			stamp(time.Unix(c.NotBefore, 0)), stamp(now))
	}
	api, known := a.audiences[audienceKey(c.Audience)]
	if !known {
		api = none
	}
	v := verified{appID: c.AppID, objectID: c.ObjectID, audience: c.Audience, api: api, expires: expires, person: c.IDType == idPerson,
		issued: c.IssuedAt, signedIn: c.AuthTime, credential: c.Credential}
	return v, nil
}

// verified is what a token proved.
type verified struct {
	appID, objectID string
	audience        string
	api             API       // that has the audience; none if there is no such
	keyID           string    // of the key that signed it
	expires         time.Time // leeway included
	person          bool
	issued          int64 // as in the token
	signedIn        int64 // of a person
	credential      string
}

// tokenCache stores the hashes of verified tokens, not the tokens themselves. The zero value is ready. It stores successes only, so
// that unauthenticated requests cannot displace entries.
type tokenCache struct {
	mu      sync.RWMutex
	entries map[[sha256.Size]byte]verified
	// order is a ring of the keys in the order of arrival. All tokens live equally long, so the oldest entry expires first.
	order [cacheSize][sha256.Size]byte
	next  int
}

func (c *tokenCache) get(key [sha256.Size]byte, now time.Time) (verified, bool) {
	c.mu.RLock()
	v, ok := c.entries[key]
	c.mu.RUnlock()
	// An expired entry is a miss; the ring overwrites it later.
	return v, ok && now.Before(v.expires)
}

func (c *tokenCache) put(key [sha256.Size]byte, v verified) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, there := c.entries[key]; there {
		return // two requests verified the same token at once
	}
	if c.entries == nil {
		c.entries = make(map[[sha256.Size]byte]verified)
	}
	delete(c.entries, c.order[c.next])
	c.entries[key], c.order[c.next] = v, key
	c.next = (c.next + 1) % cacheSize
}
