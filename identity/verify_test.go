package identity

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"berth.dev/berth"
	"github.com/go-jose/go-jose/v4"
)

// claimsOf is what Issue would sign now, to be changed by a test.
func (w *world) claimsOf() claims {
	now := w.clock.Now().Unix()
	return claims{Audience: testBase, Issuer: w.issuer(), IssuedAt: now, NotBefore: now, Expires: now + 3600,
		AppID: w.client.ID, ObjectID: w.client.ObjectID, TenantID: testTenant}
}

func (w *world) forge(t testing.TB, change func(*claims)) string {
	t.Helper()
	c := w.claimsOf()
	change(&c)
	token, err := w.sign(c)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func signWith(t testing.TB, alg jose.SignatureAlgorithm, key, payload any) string {
	t.Helper()
	if private, ours := key.(*ecdsa.PrivateKey); ours { // under its right name, so that the signature is what decides
		named, err := newSigningKey(private)
		if err != nil {
			t.Fatal(err)
		}
		key = jose.JSONWebKey{Key: private, KeyID: named.public.KeyID}
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key},
		(&jose.SignerOptions{EmbedJWK: alg == jose.ES256}).WithType("JWT"))
	if err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(payload)
	if err != nil {
		t.Fatal(err)
	}
	jws, err := signer.Sign(data)
	if err != nil {
		t.Fatal(err)
	}
	token, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func unsigned(header string, payload any) string {
	data, _ := json.Marshal(payload)
	enc := base64.RawURLEncoding.EncodeToString
	return enc([]byte(header)) + "." + enc(data) + "."
}

// publicForms are what an attacker has and could use as an HMAC key.
func publicForms(t testing.TB, key *ecdsa.PublicKey) [][]byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	point, err := key.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return [][]byte{der, point}
}

func TestVerifyAccepts(t *testing.T) {
	w := newWorld(t)
	want := Caller{AppID: testClient, ObjectID: w.client.ObjectID, TenantID: testTenant, Name: "test",
		Expires: w.clock.Now().Add(TokenLife + leeway).UTC()}
	for _, aud := range []string{testBase, testBase + "/", "https://management.azure.com", "https://management.azure.com/",
		"https://management.core.windows.net", "https://management.core.windows.net/", "api://extra", "HTTPS://Berth.Test:8443"} {
		token := w.token(t, aud)
		for range 2 { // the second comes from the cache
			if got, err := w.Verify(token, ResourceManager); err != nil || got != want {
				t.Errorf("%s: %+v %v", aud, got, err)
			}
		}
	}
	for _, shift := range []time.Duration{-50 * time.Second, 3650 * time.Second} { // inside the leeway
		w := newWorld(t)
		token := w.token(t, testBase)
		w.clock.Advance(shift)
		if _, err := w.Verify(token, ResourceManager); err != nil {
			t.Errorf("at %v: %v", shift, err)
		}
	}
}

// TestAudiences: each API takes the tokens for it and no others, whether they were verified before or not.
func TestAudiences(t *testing.T) {
	w := newWorld(t)
	for api, audiences := range map[API][]string{
		ResourceManager: {testBase, testBase + "/", "https://management.azure.com/", "api://extra"},
		Graph:           {testBase + "/graph", testBase + "/graph/", "https://graph.microsoft.com", "api://extra/graph"},
	} {
		for _, aud := range audiences {
			token := w.token(t, aud)
			for range 2 {
				if _, err := w.Verify(token, api); err != nil {
					t.Errorf("%s: %v", aud, err)
				}
				other := Graph
				if api == Graph {
					other = ResourceManager
				}
				_, err := w.Verify(token, other)
				if berth.ErrorCode(err) != berth.CodeInvalidToken || !strings.Contains(err.Error(), "'"+testBase+apis[other].path+"/.default'") {
					t.Errorf("%s at the other API: %v", aud, err)
				}
			}
		}
	}
}

type refusal struct {
	token string
	code  berth.Code
}

// refusals are tokens that are not good, by what is wrong with them.
func refusals(t testing.TB, w *world) map[string]refusal {
	good := w.token(t, testBase)
	parts := strings.Split(good, ".")
	now := testNow.Unix()
	set := func(f func(*claims)) string { return w.forge(t, f) }
	public := publicForms(t, &w.key.PublicKey)
	return map[string]refusal{
		"empty":        {"", berth.CodeAuthenticationFailed},
		"no token":     {"hello", berth.CodeInvalidToken},
		"huge":         {good + strings.Repeat("A", maxToken), berth.CodeInvalidToken},
		"huge valid":   {set(func(c *claims) { c.UTI = strings.Repeat("A", maxToken) }), berth.CodeInvalidToken},
		"alg none":     {unsigned(`{"alg":"none","typ":"JWT"}`, w.claimsOf()), berth.CodeInvalidToken},
		"alg NONE":     {unsigned(`{"alg":"NONE"}`, w.claimsOf()), berth.CodeInvalidToken},
		"no alg":       {unsigned(`{}`, w.claimsOf()), berth.CodeInvalidToken},
		"no signature": {parts[0] + "." + parts[1] + ".", berth.CodeInvalidToken},
		"two parts":    {parts[0] + "." + parts[1], berth.CodeInvalidToken},
		"other key":    {signWith(t, jose.ES256, newKey(t), w.claimsOf()), berth.CodeInvalidToken},
		"other key, our kid": {signWith(t, jose.ES256, jose.JSONWebKey{Key: newKey(t), KeyID: w.keys.list[0].public.KeyID}, w.claimsOf()),
			berth.CodeInvalidToken},
		"trailing garbage":   {good + ".x", berth.CodeInvalidToken},
		"longer signature":   {good + "AAAA", berth.CodeInvalidToken},
		"line break":         {good + "\n", berth.CodeInvalidToken},
		"break inside":       {parts[0] + "." + parts[1] + ".\r\n" + parts[2], berth.CodeInvalidToken},
		"other payload":      {parts[0] + "." + strings.Split(w.token(t, "x"), ".")[1] + "." + parts[2], berth.CodeInvalidToken},
		"not claims":         {signWith(t, jose.ES256, w.key, "text"), berth.CodeInvalidToken},
		"aud list":           {signWith(t, jose.ES256, w.key, map[string]any{"aud": []string{testBase}}), berth.CodeInvalidToken},
		"wrong aud":          {w.token(t, "https://graph.microsoft.com"), berth.CodeInvalidToken},
		"longer aud":         {w.token(t, testBase+".evil.test"), berth.CodeInvalidToken},
		"no aud":             {w.token(t, ""), berth.CodeInvalidToken},
		"other tenant":       {set(func(c *claims) { c.TenantID = testClient }), berth.CodeInvalidToken},
		"no tenant":          {set(func(c *claims) { c.TenantID = "" }), berth.CodeInvalidToken},
		"other issuer":       {set(func(c *claims) { c.Issuer = "https://evil.test" }), berth.CodeInvalidToken},
		"expired":            {set(func(c *claims) { c.Expires = now - 60 }), berth.CodeExpiredToken},
		"no exp":             {set(func(c *claims) { c.Expires = 0 }), berth.CodeExpiredToken},
		"not yet":            {set(func(c *claims) { c.NotBefore = now + 61 }), berth.CodeInvalidToken},
		"unknown client":     {set(func(c *claims) { c.AppID = "nobody" }), berth.CodeInvalidToken},
		"made-over client":   {set(func(c *claims) { c.ObjectID = "other" }), berth.CodeInvalidToken},
		"HMAC, public key":   {signWith(t, jose.HS256, public[0], w.claimsOf()), berth.CodeInvalidToken},
		"HMAC, public point": {signWith(t, jose.HS256, public[1], w.claimsOf()), berth.CodeInvalidToken},
	}
}

func TestVerifyRefuses(t *testing.T) {
	w := newWorld(t)
	for name, c := range refusals(t, w) {
		t.Run(name, func(t *testing.T) {
			for range 2 { // failures are not remembered as successes
				caller, err := w.Verify(c.token, ResourceManager)
				e, ours := errors.AsType[*berth.Error](err)
				if !ours || e.Code != c.code || caller != (Caller{}) {
					t.Fatalf("%+v %v", caller, err)
				}
				if c.token != "" && strings.Contains(e.Message, c.token) {
					t.Errorf("the text holds the token")
				}
			}
		})
	}
	if len(w.cache.entries) != 0 {
		t.Errorf("%d failures are cached", len(w.cache.entries))
	}
}

func TestCachedTokenEnds(t *testing.T) {
	w := newWorld(t)
	token := w.token(t, testBase)
	if _, err := w.Verify(token, ResourceManager); err != nil || len(w.cache.entries) != 1 {
		t.Fatal(err, len(w.cache.entries))
	}
	w.clock.Advance(61 * time.Minute)
	if _, err := w.Verify(token, ResourceManager); berth.ErrorCode(err) != berth.CodeExpiredToken {
		t.Errorf("expired: %v", err)
	}
	fresh := w.token(t, testBase)
	if _, err := w.Verify(fresh, ResourceManager); err != nil {
		t.Fatal(err)
	}
	w.remove()
	if _, err := w.Verify(fresh, ResourceManager); berth.ErrorCode(err) != berth.CodeInvalidToken ||
		!strings.Contains(err.Error(), "no longer exists") {
		t.Errorf("removed: %v", err)
	}
}

func TestCacheIsBounded(t *testing.T) {
	var c tokenCache
	key := func(i int) [sha256.Size]byte { return sha256.Sum256([]byte{byte(i), byte(i >> 8)}) }
	for i := range cacheSize + 10 {
		c.put(key(i), verified{appID: "x", expires: testNow})
		c.put(key(i), verified{appID: "y", expires: testNow}) // again: takes no second place
	}
	before := testNow.Add(-time.Second)
	if _, ok := c.get(key(9), before); ok || len(c.entries) != cacheSize {
		t.Errorf("the oldest stayed: %v, %d entries", ok, len(c.entries))
	}
	if v, ok := c.get(key(10), before); !ok || v.appID != "x" {
		t.Error("more than the oldest went")
	}
	if _, ok := c.get(key(10), testNow); ok {
		t.Error("expired, and still a hit")
	}
}

func TestVerifyAtOnce(t *testing.T) {
	w := newWorld(t)
	tokens := []string{w.token(t, testBase), w.token(t, testBase)}
	done := make(chan error)
	for range 4 {
		go func() {
			var err error
			for i := range 50 {
				_, e := w.Verify(tokens[i%2], ResourceManager)
				err = errors.Join(err, e)
			}
			done <- err
		}()
	}
	for range 4 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func TestRequire(t *testing.T) {
	w := newWorld(t)
	token := w.token(t, testBase)
	var got Caller
	next := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got, _ = CallerFrom(r.Context()) })
	var failed error
	h := w.Require(ResourceManager, next, func(_ http.ResponseWriter, _ *http.Request, err error) { failed = err })
	for _, c := range []struct {
		name    string
		headers []string
		code    berth.Code
	}{
		{"good", []string{"Bearer " + token}, ""},
		{"lower case, spaces", []string{"bearer   " + token}, ""},
		{"a space behind it", []string{"Bearer " + token + " "}, berth.CodeAuthenticationFailed},
		{"a space before it", []string{" Bearer " + token}, berth.CodeAuthenticationFailed},
		{"a tab", []string{"Bearer\t" + token}, berth.CodeAuthenticationFailed},
		{"no scheme", []string{token}, berth.CodeAuthenticationFailed},
		{"quoted", []string{`Bearer "` + token + `"`}, berth.CodeAuthenticationFailed},
		{"signs of padding alone", []string{"Bearer =="}, berth.CodeAuthenticationFailed},
		{"missing", nil, berth.CodeAuthenticationFailed},
		{"basic", []string{"Basic eDp5"}, berth.CodeAuthenticationFailed},
		{"no token", []string{"Bearer "}, berth.CodeAuthenticationFailed},
		{"twice", []string{"Bearer " + token, "Bearer " + token}, berth.CodeAuthenticationFailed},
		{"bad token", []string{"Bearer x"}, berth.CodeInvalidToken},
		{"two tokens", []string{"Bearer " + token + " " + token}, berth.CodeAuthenticationFailed},
		{"for Graph", []string{"Bearer " + w.token(t, testBase+"/graph")}, berth.CodeInvalidToken},
	} {
		got, failed = Caller{}, nil
		r := httptest.NewRequest(http.MethodGet, "/subscriptions", nil)
		r.Header["Authorization"] = c.headers
		h.ServeHTTP(httptest.NewRecorder(), r)
		if berth.ErrorCode(failed) != c.code || (got.AppID == testClient) != (c.code == "") {
			t.Errorf("%s: %+v %v", c.name, got, failed)
		}
	}
	if _, ok := CallerFrom(t.Context()); ok {
		t.Error("a caller from nowhere")
	}
}

func TestChallenge(t *testing.T) {
	got := Challenge(testBase+"/", testTenant, berth.Errorf(berth.CodeInvalidToken, "say \"x\"\r\nSet-Cookie: é\\"))
	want := `Bearer authorization_uri="` + testBase + "/" + testTenant +
		`", error="invalid_token", error_description="say 'x'  Set-Cookie:  '"`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := Challenge(testBase, testTenant, errors.New("secret inside")); strings.Contains(got, "secret") {
		t.Errorf("shows an error that is not for users: %s", got)
	}
}

func FuzzVerify(f *testing.F) {
	w := newWorld(f)
	good := w.token(f, testBase)
	signed := good[:strings.LastIndex(good, ".")]
	for _, seed := range []string{"", ".", "..", good, good + ".", good[:len(good)-1], signed + ".", unsigned(`{"alg":"none"}`, w.claimsOf()),
		signWith(f, jose.HS256, publicForms(f, &w.key.PublicKey)[0], w.claimsOf()), signWith(f, jose.ES256, newKey(f), w.claimsOf())} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		_, err := w.Verify(token, ResourceManager)
		// The last bits of a signature may be written in several ways; what is signed may not.
		if err == nil && !strings.HasPrefix(token, signed+".") {
			t.Errorf("accepted %q", token)
		}
		if _, ours := errors.AsType[*berth.Error](err); err != nil && !ours {
			t.Errorf("%T is not for users", err)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	w := newWorld(b)
	token := w.token(b, testBase)
	b.Run("hit", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := w.Verify(token, ResourceManager); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("miss", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			w.cache.entries = nil
			if _, err := w.Verify(token, ResourceManager); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("issue", func(b *testing.B) {
		for b.Loop() {
			w.token(b, testBase)
		}
	})
}
