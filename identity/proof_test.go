package identity

import (
	"crypto"
	"crypto/sha1" //nolint:gosec // what clients send
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"berth.dev/berth"
)

func thumbprint(der []byte) string {
	sum := sha1.Sum(der) //nolint:gosec // see the import
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// assert creates a client assertion like MSAL; change can make it invalid.
func assert(t testing.TB, alg jose.SignatureAlgorithm, key crypto.Signer, header map[jose.HeaderKey]any, change map[string]any) string {
	t.Helper()
	claims := map[string]any{
		"iss": testClient, "sub": testClient, "aud": testBase + tokenV2, "jti": "1", "nbf": testNow.Unix(),
		"exp": testNow.Add(10 * time.Minute).Unix(),
	}
	for name, v := range change {
		claims[name] = v
	}
	o := &jose.SignerOptions{}
	for name, v := range header {
		o.WithHeader(name, v)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, o.WithType("JWT"))
	if err != nil {
		t.Fatal(err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	text, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func (w *world) assertionForm(text string) url.Values {
	return w.form("client_secret", "", "client_assertion", text, "client_assertion_type", assertionType)
}

func TestAssertions(t *testing.T) {
	w := newWorld(t)
	rsa, other := rsaKey(t, 2048), rsaKey(t, 2048)
	ec := newKey(t)
	until := testNow.Add(time.Hour)
	rsaCert, ecCert := certificate(t, rsa, until), certificate(t, ec, until)
	oldCert := certificate(t, other, until)
	w.client.Credentials = []berth.Credential{
		{KeyID: "1", Certificate: rsaCert, Start: testNow, End: until}, {KeyID: "2", Certificate: ecCert, Start: testNow, End: until},
		{KeyID: "3", Certificate: oldCert, Start: testNow.Add(-2 * time.Hour), End: testNow.Add(-time.Hour)},
	}
	x5t := func(der []byte) map[jose.HeaderKey]any { return map[jose.HeaderKey]any{"x5t": thumbprint(der)} }
	long := sha256.Sum256(rsaCert)
	short := sha1.Sum(rsaCert) //nolint:gosec // see the import
	for name, c := range map[string]struct {
		text string
		code float64 // 0: granted
	}{
		"RS256, x5t": {assert(t, jose.RS256, rsa, x5t(rsaCert), nil), 0},
		"PS256, x5t#S256": {assert(t, jose.PS256, rsa,
			map[jose.HeaderKey]any{"x5t#S256": base64.RawURLEncoding.EncodeToString(long[:])}, nil), 0},
		"x5t with padding": {assert(t, jose.RS256, rsa, map[jose.HeaderKey]any{"x5t": thumbprint(rsaCert) + "="}, nil), 0},
		"x5t#S256 as MSAL for Go": {assert(t, jose.PS256, rsa, map[jose.HeaderKey]any{"x5t#S256": base64.StdEncoding.EncodeToString(long[:])},
			nil), 0},
		"kid in hex": {assert(t, jose.RS256, rsa, map[jose.HeaderKey]any{"kid": fmt.Sprintf("%X", short)}, nil), 0},
		"ES256":      {assert(t, jose.ES256, ec, x5t(ecCert), nil), 0},
		"audience v1": {assert(t, jose.RS256, rsa, x5t(rsaCert),
			map[string]any{"aud": strings.ToUpper(testBase) + "/adfs/oauth2/token"}), 0},
		"audience list": {assert(t, jose.RS256, rsa, x5t(rsaCert),
			map[string]any{"aud": []string{"x", testBase + "/" + testTenant + "/v2.0"}}), 0},
		"clock behind": {assert(t, jose.RS256, rsa, x5t(rsaCert), map[string]any{"nbf": testNow.Add(30 * time.Second).Unix()}), 0},
		"other audience": {assert(t, jose.RS256, rsa, x5t(rsaCert),
			map[string]any{"aud": "https://evil.test/" + testTenant + "/oauth2/v2.0/token"}), 700023},
		"other path": {assert(t, jose.RS256, rsa, x5t(rsaCert), map[string]any{"aud": testBase + "/" + testTenant + "/other"}),
			700023},
		"Azure's audience": {assert(t, jose.RS256, rsa, x5t(rsaCert),
			map[string]any{"aud": "https://management.azure.com/" + testTenant}), 700023},
		"no audience":   {assert(t, jose.RS256, rsa, x5t(rsaCert), map[string]any{"aud": nil}), 700023},
		"other subject": {assert(t, jose.RS256, rsa, x5t(rsaCert), map[string]any{"sub": testTenant}), 700021},
		"other issuer":  {assert(t, jose.RS256, rsa, x5t(rsaCert), map[string]any{"iss": testTenant}), 700021},
		"ended": {assert(t, jose.RS256, rsa, x5t(rsaCert), map[string]any{"exp": testNow.Add(-2 * time.Minute).Unix()}),
			700024},
		"not yet":          {assert(t, jose.RS256, rsa, x5t(rsaCert), map[string]any{"nbf": testNow.Add(2 * time.Minute).Unix()}), 700024},
		"without end":      {assert(t, jose.RS256, rsa, x5t(rsaCert), map[string]any{"exp": nil}), 700024},
		"for ever":         {assert(t, jose.RS256, rsa, x5t(rsaCert), map[string]any{"exp": 1e300}), 700024},
		"other key":        {assert(t, jose.RS256, other, x5t(rsaCert), nil), 700027},
		"crossed keys":     {assert(t, jose.ES256, ec, x5t(rsaCert), nil), 700027},
		"unregistered":     {assert(t, jose.RS256, rsa, x5t([]byte("x")), nil), 700027},
		"unnamed":          {assert(t, jose.RS256, rsa, nil, nil), 700027},
		"certificate over": {assert(t, jose.RS256, other, x5t(oldCert), nil), 700027},
		"HMAC":             {signWith(t, jose.HS256, rsaCert, map[string]any{"iss": testClient}), 50027},
		"none":             {unsigned(`{"alg":"none"}`, map[string]any{"iss": testClient}), 50027},
		"junk":             {"junk", 50027},
	} {
		t.Run(name, func(t *testing.T) {
			w.throttle = throttle{} // here guessing is the point
			rec, body := w.do(t, post(tokenV2, w.assertionForm(c.text).Encode()))
			if c.code == 0 {
				if rec.Code != http.StatusOK {
					t.Errorf("%d %v", rec.Code, body)
				}
				return
			}
			if rec.Code != http.StatusUnauthorized || body["error"] != "invalid_client" || body["error_codes"].([]any)[0] != c.code {
				t.Errorf("%d %v", rec.Code, body)
			}
		})
	}
	for name, form := range map[string]url.Values{
		"both":       w.form("client_assertion", "x", "client_assertion_type", assertionType),
		"wrong type": w.form("client_secret", "", "client_assertion", "x", "client_assertion_type", "saml"),
	} {
		if rec, body := w.do(t, post(tokenV2, form.Encode())); rec.Code != http.StatusBadRequest || body["error"] != "invalid_request" {
			t.Errorf("%s: %d %v", name, rec.Code, body)
		}
	}
}

func TestSecretsBeginAndEnd(t *testing.T) {
	w := newWorld(t)
	w.client.Credentials[0].Start, w.client.Credentials[0].End = testNow, testNow.Add(time.Hour)
	ask := func() (int, string) {
		rec, body := w.do(t, post(tokenV2, w.form().Encode()))
		text, _ := body["error_description"].(string)
		return rec.Code, text
	}
	if code, text := ask(); code != 200 {
		t.Error(code, text)
	}
	w.clock.Advance(time.Hour)
	if code, text := ask(); code != 401 || !strings.Contains(text, "AADSTS7000222") ||
		!strings.Contains(text, "expired (at 2026-03-01 13:00:00Z") {
		t.Error(code, text)
	}
	w.client.Credentials[0].Start, w.client.Credentials[0].End = testNow.Add(2*time.Hour), time.Time{}
	if code, text := ask(); code != 401 || !strings.Contains(text, "is valid from") {
		t.Error(code, text)
	}
}

func TestGuessingIsSlowedDown(t *testing.T) {
	w := newWorld(t)
	from := func(address, client, secret string) (int, http.Header) {
		r := post(tokenV2, w.form("client_id", client, "client_secret", secret).Encode())
		r.RemoteAddr = address
		rec, _ := w.do(t, r)
		return rec.Code, rec.Header()
	}
	wrong := NewSecret()
	for range failures {
		if code, _ := from("192.0.2.1:1", testClient, wrong); code != 401 {
			t.Fatal(code)
		}
	}
	code, header := from("192.0.2.1:2", testClient, wrong)
	if rest, err := strconv.Atoi(header.Get("Retry-After")); code != 429 || err != nil || rest != int(failureRest/time.Second) {
		t.Errorf("%d %v", code, header)
	}
	if code, _ := from("192.0.2.1:2", testClient, w.secret); code != 200 { // nobody guesses 255 bits
		t.Errorf("the right secret is shut out by wrong ones: %d", code)
	}
	if code, _ := from("192.0.2.2:1", testClient, w.secret); code != 200 {
		t.Errorf("another address is shut out: %d", code)
	}
	w.clock.Advance(failureRest)
	if code, _ := from("192.0.2.1:3", testClient, w.secret); code != 200 {
		t.Errorf("after a rest: %d", code)
	}
	for i := range failures {
		from("[2001:db8::1]:1", fmt.Sprintf("7f000001-0000-4000-8000-%012d", i), wrong)
	}
	if code, _ := from("[2001:db8::ffff]:1", "7f000001-0000-4000-8000-00000000ffff", wrong); code != 429 {
		t.Errorf("trying ids from one network: %d", code)
	}
	for i := range maxThrottle + 10 {
		w.throttle.of(strconv.Itoa(i), testNow).failed(testNow)
	}
	if n := len(w.throttle.tries); n > maxThrottle {
		t.Errorf("%d addresses are remembered", n)
	}
	if log := w.log.String(); strings.Contains(log, wrong) || strings.Contains(log, w.secret) ||
		!strings.Contains(log, "from=192.0.2.1:1 code=AADSTS7000215") {
		t.Errorf("log: %.400s", log)
	}
}

// TestSlowSecrets: a secret that somebody may guess has a slow hash, which few wrong ones make the server compute, at once or one after
// the other. The right one gets in all the same when it did before.
func TestSlowSecrets(t *testing.T) {
	w := newWorld(t)
	const secret = "an operator chose this text as a secret"
	w.client.Credentials[0].Hash, w.client.Credentials[0].Hint = HashSecret(secret), hint(secret)
	if !strings.HasPrefix(w.client.Credentials[0].Hash, "$argon2id$") {
		t.Fatal(w.client.Credentials[0].Hash)
	}
	ask := func(secret string) int {
		rec, _ := w.do(t, post(tokenV2, w.form("client_secret", secret).Encode()))
		return rec.Code
	}
	guess := func() map[int]int {
		var codes [3 * failures]int
		var all sync.WaitGroup
		for i := range codes {
			all.Go(func() { codes[i] = ask(fmt.Sprint(secret, i)) })
		}
		all.Wait()
		count := map[int]int{}
		for _, c := range codes {
			count[c]++
		}
		return count
	}
	if got := guess(); got[401] != failures || got[429] != 2*failures {
		t.Errorf("guesses at once: %v", got)
	}
	if code := ask(secret); code != 429 {
		t.Errorf("a secret that nobody has used yet, after many guesses: %d", code)
	}
	w.clock.Advance(failureRest)
	if code := ask(secret); code != 200 {
		t.Error(code)
	}
	guess()
	if code := ask(secret); code != 200 {
		t.Errorf("a secret that was right before is shut out: %d", code)
	}
}

func TestSecretMatches(t *testing.T) {
	secret := NewSecret()
	if fast := HashSecret(secret); !secretMatches(fast, secret) || secretMatches(fast, secret+"x") || secretMatches(fast+"0", secret) ||
		strings.Contains(fast, secret) {
		t.Error("wrong match of a fast hash")
	}
	hash := hashPassword(secret)
	if !secretMatches(hash, secret) || secretMatches(hash, secret+"x") || hash == hashPassword(secret) {
		t.Error("wrong match, or no salt")
	}
	for _, bad := range []string{"", "x", "$argon2id$v=19$m=7168,t=5,p=1$$", strings.Replace(hash, "argon2id", "argon2i", 1),
		strings.Replace(hash, "m=7168", "m=999999999", 1), strings.Replace(hash, "t=5", "t=0", 1)} {
		if secretMatches(bad, secret) {
			t.Errorf("%q matches", bad)
		}
	}
}

func BenchmarkHashSecret(b *testing.B) {
	for b.Loop() {
		hashPassword("x")
	}
}

func FuzzAssertion(f *testing.F) {
	w := newWorld(f)
	key := newKey(f)
	cert := certificate(f, key, testNow.Add(time.Hour))
	w.client.Credentials = []berth.Credential{{KeyID: "1", Certificate: cert, Start: testNow, End: testNow.Add(time.Hour)}}
	header := map[jose.HeaderKey]any{"x5t": thumbprint(cert)}
	good := assert(f, jose.ES256, key, header, nil)
	f.Add(good)
	f.Add(assert(f, jose.ES256, key, nil, map[string]any{"aud": []int{1}, "exp": "x"}))
	f.Add(strings.Replace(good, ".", "..", 1))
	f.Fuzz(func(t *testing.T, text string) {
		if _, bad := w.proves(w.client, text); bad.code == 0 && !strings.HasPrefix(text, good[:strings.LastIndex(good, ".")]) {
			t.Errorf("accepted %q", text)
		}
	})
}
