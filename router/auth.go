package router

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/jonboulle/clockwork"

	"berth.dev/berth/router/route"
)

const (
	maxCredential = 8 << 10
	maxTokens     = 4096 // verified tokens that are remembered
	leeway        = time.Minute
)

var algorithms = []jose.SignatureAlgorithm{jose.EdDSA, jose.ES256, jose.RS256}

var (
	errNoCredential = errors.New("the request has no header Authorization: Bearer with a key or token")
	errWrongKey     = errors.New("the key is neither the primary nor the secondary key of this service")
)

// guard checks who calls one route. It asks nobody.
type guard struct {
	mode     route.Mode
	audience string
	keys     []keyHash
	tokens   *tokens
}

type keyHash struct{ salt, sum []byte }

func newGuard(r *route.Route, cluster string, t *tokens) guard {
	g := guard{mode: r.Auth, audience: r.Audience(cluster), tokens: t}
	for _, k := range r.Keys {
		salt, errSalt := base64.StdEncoding.DecodeString(k.Salt)
		sum, err := base64.StdEncoding.DecodeString(k.Hash)
		if errors.Join(errSalt, err) == nil { // route.Parse has seen to it
			g.keys = append(g.keys, keyHash{salt, sum})
		}
	}
	return g
}

// allow returns nil when the request may pass.
func (g *guard) allow(req *http.Request) error {
	if g.mode == route.Anonymous {
		return nil
	}
	word, credential, _ := strings.Cut(first(req.Header["Authorization"]), " ")
	credential = strings.TrimSpace(credential)
	if !strings.EqualFold(word, "Bearer") || credential == "" {
		return errNoCredential
	}
	if len(credential) > maxCredential {
		return fmt.Errorf("the key or token is longer than %d bytes", maxCredential)
	}
	if g.mode == route.ByToken {
		return g.tokens.verify(credential, g.audience)
	}
	return g.checkKey(credential)
}

// checkKey compares with every key, whichever matches, so that the time it takes says nothing.
func (g *guard) checkKey(key string) error {
	var space [256]byte
	match := 0
	for _, k := range g.keys {
		sum := sha256.Sum256(append(append(space[:0], k.salt...), key...))
		match |= subtle.ConstantTimeCompare(sum[:], k.sum)
	}
	if match == 0 {
		return errWrongKey
	}
	return nil
}

// tokens verifies tokens, and remembers those that it has verified: a signature takes longer to verify than a request to route.
type tokens struct {
	clock clockwork.Clock
	keys  jose.JSONWebKeySet

	mu   sync.Mutex
	good map[[sha256.Size]byte]time.Time // of audience and token: when it expires
}

func newTokens(set json.RawMessage, clock clockwork.Clock) (*tokens, error) {
	t := &tokens{clock: clock, good: map[[sha256.Size]byte]time.Time{}}
	if len(set) == 0 {
		return t, nil
	}
	if err := json.Unmarshal(set, &t.keys); err != nil {
		return nil, fmt.Errorf("the keys of the tokens are not a JSON Web Key Set: %w", err)
	}
	for i := range t.keys.Keys {
		if !t.keys.Keys[i].IsPublic() {
			return nil, errors.New("a key of the tokens is not public")
		}
	}
	return t, nil
}

func (t *tokens) verify(token, audience string) error {
	sum := sha256.Sum256([]byte(audience + "\x00" + token))
	now := t.clock.Now()
	t.mu.Lock()
	ends, ok := t.good[sum]
	t.mu.Unlock()
	if ok && now.Before(ends) {
		return nil
	}
	ends, err := t.check(token, audience, now)
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.good) >= maxTokens {
		clear(t.good)
	}
	t.good[sum] = ends
	return nil
}

func (t *tokens) check(token, audience string, now time.Time) (ends time.Time, err error) {
	parsed, err := jwt.ParseSigned(token, algorithms)
	if err != nil {
		return ends, errors.New("the credential is not a token; this service takes tokens (get_token), not keys")
	}
	var claims jwt.Claims
	if err := parsed.Claims(&t.keys, &claims); err != nil {
		return ends, errors.New("the token's signature is not one of this cluster's control plane")
	}
	if claims.Expiry == nil {
		return ends, errors.New("the token does not expire, so it is not accepted")
	}
	err = claims.ValidateWithLeeway(jwt.Expected{AnyAudience: jwt.Audience{audience}, Time: now}, leeway)
	switch {
	case errors.Is(err, jwt.ErrExpired):
		return ends, errors.New("the token has expired; get a new one")
	case errors.Is(err, jwt.ErrInvalidAudience):
		return ends, errors.New("the token is for another service, or for another cluster")
	case err != nil:
		return ends, errors.New("the token is not valid yet")
	}
	return claims.Expiry.Time().Add(leeway), nil
}
