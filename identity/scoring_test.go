package identity

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/jonboulle/clockwork"
)

// TestScoringKeys: the key stays the same, its tokens are verified by its public set and name one audience, and a damaged file is refused.
func TestScoringKeys(t *testing.T) {
	dir, clock := t.TempDir(), clockwork.NewFakeClock()
	k, err := LoadOrMakeScoringKeys(dir, clock)
	if err != nil {
		t.Fatal(err)
	}
	token, made, err := k.Token("berth-fe:service/s", "caller")
	if err != nil || !made.Equal(clock.Now()) {
		t.Fatal(made, err)
	}
	again, err := LoadOrMakeScoringKeys(dir, clock)
	if err != nil || string(again.Public()) != string(k.Public()) {
		t.Fatalf("%s, %v", again.Public(), err)
	}
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.EdDSA})
	if err != nil {
		t.Fatal(err)
	}
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(again.Public(), &set); err != nil {
		t.Fatal(err)
	}
	var claims jwt.Claims
	if err := parsed.Claims(&set, &claims); err != nil {
		t.Fatal(err)
	}
	for audience, good := range map[string]bool{"berth-fe:service/s": true, "berth-fe:service/t": false} {
		if err := claims.Validate(jwt.Expected{AnyAudience: jwt.Audience{audience}, Time: made}); (err == nil) != good {
			t.Errorf("%s: %v", audience, err)
		}
	}
	if claims.Expiry.Time().Unix() != made.Add(ScoringLife).Unix() || claims.Subject != "caller" {
		t.Errorf("%+v", claims)
	}
	for _, text := range []string{"nothing", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"} {
		if err := os.WriteFile(filepath.Join(dir, ScoringKeyFile), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadOrMakeScoringKeys(dir, clock); err == nil {
			t.Errorf("%q is taken for a key", text)
		}
	}
}
