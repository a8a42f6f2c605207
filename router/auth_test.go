package router_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/jonboulle/clockwork"

	"berth.dev/berth/router/route"
)

// signer is a key of the control plane.
type signer struct {
	alg     jose.SignatureAlgorithm
	private crypto.Signer
	kid     string
}

func signers(t *testing.T) []signer {
	t.Helper()
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rs, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return []signer{{jose.EdDSA, ed, "ed"}, {jose.ES256, ec, "ec"}, {jose.RS256, rs, "rs"}}
}

func (s signer) sign(t *testing.T, claims any) string {
	t.Helper()
	j, err := jose.NewSigner(jose.SigningKey{Algorithm: s.alg, Key: jose.JSONWebKey{Key: s.private, KeyID: s.kid}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	token, err := jwt.Signed(j).Claims(claims).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestTokens(t *testing.T) {
	clock := clockwork.NewFakeClockAt(time.Now())
	all := signers(t)
	var set jose.JSONWebKeySet
	for _, s := range all {
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: s.private.Public(), KeyID: s.kid, Algorithm: string(s.alg)})
	}
	x := serviceOf("x", versionAt(replica(t, says("x"))))
	x.Auth = route.ByToken
	table := tableOf(x)
	table.Cluster = "/here"
	table.TokenKeys, _ = json.Marshal(set)
	f := start(t, table, clock)
	score := func(token string) answer { return f.ask(t, "POST", scoreX, "{}", "Authorization: Bearer "+token) }
	until := func(d time.Duration) *jwt.NumericDate { return jwt.NewNumericDate(clock.Now().Add(d)) }
	good := jwt.Claims{Audience: jwt.Audience{x.Audience("/here")}, Expiry: until(time.Hour)}
	for _, s := range all {
		for range 2 { // the second time from memory
			if a := score(s.sign(t, good)); a.code != 200 {
				t.Errorf("%s: %+v", s.alg, a)
			}
		}
	}
	stranger := signers(t)[1]
	other, elsewhere := good, good
	never := good
	ended, early := good, good
	other.Audience = jwt.Audience{route.Name{Kind: route.Service, Name: "y"}.Audience("/here")}
	elsewhere.Audience = jwt.Audience{x.Audience("/there")}
	never.Expiry = nil
	ended.Expiry = until(-2 * time.Minute)
	early.NotBefore = until(2 * time.Minute)
	hmac, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: []byte(strings.Repeat("k", 32))}, nil)
	if err != nil {
		t.Fatal(err)
	}
	symmetric, _ := jwt.Signed(hmac).Claims(good).Serialize()
	for token, reason := range map[string]string{
		stranger.sign(t, good):       "signature",
		all[0].sign(t, other):        "another service",
		all[0].sign(t, elsewhere):    "another cluster",
		all[0].sign(t, never):        "does not expire",
		all[0].sign(t, ended):        "has expired",
		all[0].sign(t, early):        "not valid yet",
		symmetric:                    "not a token",
		goodKey:                      "not a token",
		all[0].sign(t, good) + "AAA": "",
	} {
		if a := score(token); a.code != 401 || !strings.Contains(a.header.Get("X-Berth-Reason"), reason) {
			t.Errorf("want %q: %+v", reason, a)
		}
	}
	token := all[1].sign(t, good)
	if a := score(token); a.code != 200 {
		t.Errorf("%+v", a)
	}
	clock.Advance(time.Hour + 2*time.Minute)
	if a := score(token); a.code != 401 || !strings.Contains(a.header.Get("X-Berth-Reason"), "has expired") {
		t.Errorf("a token that was good: %+v", a)
	}
	private, _ := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: all[0].private, KeyID: "p"}}})
	for _, bad := range []string{`{"keys":[{"kty":"oct","k":"AAAA"}]}`, `[]`, string(private)} {
		table.TokenKeys = []byte(bad)
		if err := f.Apply(table); err == nil {
			t.Errorf("accepted: %s", bad)
		}
	}
}
