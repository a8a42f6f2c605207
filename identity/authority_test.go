package identity

import (
	"bytes"
	"crypto/ecdsa"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/jonboulle/clockwork"

	"berth.dev/berth"
)

const (
	testBase   = "https://berth.test:8443"
	testTenant = "0b1f6471-1bf0-4dda-aec3-111122223333"
	testClient = "7f000001-0000-4000-8000-00000000c11e"
)

var testNow = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// world is an authority with one client, and the means to change everything around it.
type world struct {
	*Authority
	clock  *clockwork.FakeClock
	key    *ecdsa.PrivateKey // that signs
	secret string
	client berth.Application
	log    bytes.Buffer

	mu      sync.Mutex
	removed bool
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{clock: clockwork.NewFakeClockAt(testNow), secret: NewSecret()}
	w.client = berth.Application{ID: testClient, Name: "test", ObjectID: "0b1ec700-0000-4000-8000-000000000001",
		Credentials: []berth.Credential{{KeyID: "1", Hash: HashSecret(w.secret), Hint: hint(w.secret)}}}
	keys, err := LoadOrMakeKeys(t.TempDir(), w.clock)
	if err != nil {
		t.Fatal(err)
	}
	w.key = keys.list[0].private
	a, err := New(Options{Issuer: testBase + "/", TenantID: strings.ToUpper(testTenant), Keys: keys, Applications: w.lookup,
		Clock: w.clock, Hosts: []string{"api://extra"}, Log: slog.New(slog.NewTextHandler(&w.log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	w.Authority = a
	return w
}

func (w *world) lookup(id string) (berth.Application, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.removed || !strings.EqualFold(id, w.client.ID) {
		return berth.Application{}, false
	}
	return w.client, true
}

func (w *world) remove() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.removed = true
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := generateKey()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (w *world) token(t testing.TB, audience string) string {
	t.Helper()
	token, err := w.Issue(w.client, audience)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// form is a good request; pairs of arguments change it, and an empty value takes a field away.
func (w *world) form(change ...string) url.Values {
	f := url.Values{"grant_type": {"client_credentials"}, "client_id": {testClient}, "client_secret": {w.secret},
		"scope": {testBase + "/.default"}}
	for i := 0; i < len(change); i += 2 {
		f.Set(change[i], change[i+1])
		if change[i+1] == "" {
			f.Del(change[i])
		}
	}
	return f
}

func post(path, body string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r
}

func (w *world) do(t testing.TB, r *http.Request) (*httptest.ResponseRecorder, map[string]any) {
	t.Helper()
	h := w.Route(r.URL.Path)
	if h == nil {
		t.Fatalf("no handler for %s", r.URL.Path)
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	if strings.Contains(rec.Body.String(), w.secret) {
		t.Error("the answer holds the secret")
	}
	body := map[string]any{}
	if err := json.Unmarshal(rec.Body.Bytes(), &body); err != nil {
		t.Fatalf("not JSON: %s", rec.Body)
	}
	return rec, body
}

const tokenV2 = "/" + testTenant + "/oauth2/v2.0/token"

func TestTokenGranted(t *testing.T) {
	w := newWorld(t)
	const arm = "https://management.azure.com"
	for _, c := range []struct{ name, path, scope, wantAud string }{
		{"plain", tokenV2, testBase + "/.default", testBase},
		{"double slash", tokenV2, testBase + "//.default", testBase},
		{"extra scopes", tokenV2, arm + "/.default openid offline_access profile", arm},
		{"alias", "/adfs/oauth2/v2.0/token", arm + "/.default", arm},
		{"upper case", strings.ToUpper("/"+testTenant) + "/oauth2/v2.0/token", arm + "/.default", arm},
		{"any audience", tokenV2, "https://graph.microsoft.com/.default", "https://graph.microsoft.com"},
		{"v1 with scope", "/adfs/oauth2/token", arm + "/.default", arm},
	} {
		t.Run(c.name, func(t *testing.T) {
			rec, body := w.do(t, post(c.path, w.form("scope", c.scope).Encode()))
			if rec.Code != 200 || body["token_type"] != "Bearer" || rec.Header().Get("Cache-Control") != "no-store" {
				t.Fatalf("%d %v %v", rec.Code, rec.Header(), body)
			}
			if got := decode(t, w, body["access_token"].(string)); got.Audience != c.wantAud {
				t.Errorf("aud %q, want %q", got.Audience, c.wantAud)
			}
		})
	}
}

func decode(t *testing.T, w *world, token string) (c claims) {
	t.Helper()
	jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		t.Fatal(err)
	}
	if jws.Signatures[0].Protected.KeyID != w.keys.list[0].public.KeyID {
		t.Errorf("kid %q", jws.Signatures[0].Protected.KeyID)
	}
	payload, err := jws.Verify(&w.key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(payload, &c); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestTokenClaimsAndShapes(t *testing.T) {
	w := newWorld(t)
	_, body := w.do(t, post(tokenV2, w.form().Encode()))
	if body["expires_in"] != 3599.0 || body["ext_expires_in"] != 3599.0 {
		t.Errorf("v2: %v", body)
	}
	got := decode(t, w, body["access_token"].(string))
	if got.UTI == "" {
		t.Error("no uti")
	}
	got.UTI = ""
	want := claims{Audience: testBase, Issuer: testBase + "/" + testTenant + "/v2.0", IssuedAt: testNow.Unix(), NotBefore: testNow.Unix(),
		Expires: testNow.Unix() + 3600, AppID: testClient, AZP: testClient, IDType: "app", ObjectID: w.client.ObjectID,
		Subject: w.client.ObjectID, TenantID: testTenant, Version: "2.0", Credential: "1"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("claims\n got %+v\nwant %+v", got, want)
	}
	_, v1 := w.do(t, post("/"+testTenant+"/oauth2/token", w.form("scope", "", "resource", testBase+"/").Encode()))
	if v1["expires_in"] != "3599" || v1["expires_on"] != "1772370000" || v1["resource"] != testBase {
		t.Errorf("v1: %v", v1)
	}
	basic := post(tokenV2, w.form("client_id", "", "client_secret", "").Encode())
	basic.SetBasicAuth(strings.ToUpper(testClient), url.QueryEscape(w.secret))
	if rec, body := w.do(t, basic); rec.Code != 200 {
		t.Errorf("basic: %v", body)
	}
}

func TestTokenRefused(t *testing.T) {
	w := newWorld(t)
	encoded := func(change ...string) string { return w.form(change...).Encode() }
	for _, c := range []struct {
		name, path, body string
		status           int
		kind             string
		code             float64
	}{
		{"wrong secret", tokenV2, encoded("client_secret", NewSecret()), 401, "invalid_client", 7000215},
		{"secret and more", tokenV2, encoded("client_secret", w.secret[:42]), 401, "invalid_client", 7000215},
		{"unknown client", tokenV2, encoded("client_id", "nobody"), 400, "unauthorized_client", 700016},
		{"no grant", tokenV2, encoded("grant_type", ""), 400, "invalid_request", 900144},
		{"no client", tokenV2, encoded("client_id", ""), 400, "invalid_request", 900144},
		{"no secret", tokenV2, encoded("client_secret", ""), 401, "invalid_client", 7000218},
		{"no scope", tokenV2, encoded("scope", ""), 400, "invalid_request", 900144},
		{"resource on v2", tokenV2, encoded("scope", "", "resource", testBase), 400, "invalid_request", 900144},
		{"no resource", "/adfs/oauth2/token", encoded("scope", ""), 400, "invalid_request", 900144},
		{"password grant", tokenV2, encoded("grant_type", "password"), 400, "unsupported_grant_type", 70003},
		{"other tenant", "/" + testClient + "/oauth2/v2.0/token", encoded(), 400, "invalid_tenant", 90002},
		{"common", "/common/oauth2/v2.0/token", encoded(), 400, "invalid_tenant", 90002},
		{"scope of users", tokenV2, encoded("scope", testBase+"/user_impersonation"), 400, "invalid_scope", 1002012},
		{"openid alone", tokenV2, encoded("scope", "openid"), 400, "invalid_scope", 1002012},
		{"empty audience", tokenV2, encoded("scope", "//.default"), 400, "invalid_scope", 1002012},
		{"long audience", tokenV2, encoded("scope", strings.Repeat("a", 2000)+"/.default"), 400, "invalid_scope", 1002012},
		{"two resources", tokenV2, encoded("scope", "a/.default b/.default"), 400, "invalid_scope", 28000},
		{"twice", tokenV2, encoded() + "&client_id=x", 400, "invalid_request", 9002313},
		{"bad escape", tokenV2, "client_secret=" + w.secret + "%zz", 400, "invalid_request", 9002313},
		{"too large", tokenV2, encoded("pad", strings.Repeat("x", maxForm)), 413, "invalid_request", 9002313},
		{"in the query", tokenV2 + "?" + encoded(), "", 400, "invalid_request", 900144},
		{"device code", "/adfs/oauth2/v2.0/devicecode", encoded(), 400, "unauthorized_client", 700016},
	} {
		t.Run(c.name, func(t *testing.T) {
			rec, body := w.do(t, post(c.path, c.body))
			if rec.Code != c.status || body["error"] != c.kind || body["error_codes"].([]any)[0] != c.code {
				t.Fatalf("%d %v", rec.Code, body)
			}
			for _, field := range []string{"timestamp", "trace_id", "correlation_id"} {
				if body[field] == "" || !strings.Contains(body["error_description"].(string), body[field].(string)) {
					t.Errorf("%s missing: %v", field, body)
				}
			}
			if rec.Header().Get("Cache-Control") != "no-store" {
				t.Error("may be cached")
			}
		})
	}
}

func TestTokenRefusedByHeader(t *testing.T) {
	w := newWorld(t)
	get := httptest.NewRequest(http.MethodGet, tokenV2, nil)
	if rec, body := w.do(t, get); rec.Code != 405 || rec.Header().Get("Allow") != "POST" {
		t.Errorf("GET: %d %v", rec.Code, body)
	}
	asJSON := post(tokenV2, `{"grant_type":"client_credentials"}`)
	asJSON.Header.Set("Content-Type", "application/json")
	if rec, body := w.do(t, asJSON); rec.Code != 400 || body["error"] != "invalid_request" {
		t.Errorf("JSON: %d %v", rec.Code, body)
	}
	both := post(tokenV2, w.form().Encode())
	both.SetBasicAuth(testClient, w.secret)
	if rec, body := w.do(t, both); rec.Code != 400 || body["error"] != "invalid_request" {
		t.Errorf("both: %d %v", rec.Code, body)
	}
	basic := post(tokenV2, w.form("client_secret", "").Encode())
	basic.SetBasicAuth(testClient, "wrong")
	basic.Header.Set("client-request-id", testTenant)
	rec, body := w.do(t, basic)
	if rec.Code != 401 || !strings.HasPrefix(rec.Header().Get("WWW-Authenticate"), "Basic") || body["correlation_id"] != testTenant {
		t.Errorf("basic: %d %v %v", rec.Code, rec.Header(), body)
	}
	w.client.Credentials = nil
	if rec, _ := w.do(t, post(tokenV2, w.form().Encode())); rec.Code != 401 {
		t.Errorf("a client without secret signed in: %d", rec.Code)
	}
}

func TestOpenID(t *testing.T) {
	w := newWorld(t)
	for _, path := range []string{"/adfs", "/" + testTenant} {
		for _, version := range []string{"", "/v2.0"} {
			r := httptest.NewRequest(http.MethodGet, path+version+"/.well-known/openid-configuration", nil)
			rec, body := w.do(t, r)
			issuer := testBase + "/" + testTenant + "/v2.0"
			if path == "/adfs" {
				issuer = testBase + path
			}
			if rec.Code != 200 || body["issuer"] != issuer || body["token_endpoint"] != testBase+path+"/oauth2/v2.0/token" {
				t.Errorf("%s: %d %v", r.URL, rec.Code, body)
			}
			for _, field := range []string{"token_endpoint", "authorization_endpoint", "device_authorization_endpoint", "jwks_uri"} {
				u, err := url.Parse(body[field].(string))
				if err != nil || w.Route(u.Path) == nil && !IsAuthorize(u.Path) {
					t.Errorf("%s leads nowhere: %v", field, body[field])
				}
			}
		}
	}
	rec, body := w.do(t, httptest.NewRequest(http.MethodGet, "/other/v2.0/.well-known/openid-configuration", nil))
	if rec.Code != 400 || body["error"] != "invalid_tenant" {
		t.Errorf("other tenant: %d %v", rec.Code, body)
	}
	if w.Route("/subscriptions/x") != nil || w.Route("/") != nil {
		t.Error("took a path of others")
	}
	var set jose.JSONWebKeySet
	keys := httptest.NewRecorder()
	w.Route("/adfs/discovery/v2.0/keys").ServeHTTP(keys, httptest.NewRequest(http.MethodGet, "/adfs/discovery/v2.0/keys", nil))
	if err := json.Unmarshal(keys.Body.Bytes(), &set); err != nil || len(set.Keys) != 1 || !set.Keys[0].IsPublic() ||
		set.Keys[0].KeyID != w.keys.list[0].public.KeyID {
		t.Errorf("keys: %v %s", err, keys.Body)
	}
	if strings.Contains(keys.Body.String(), `"d"`) {
		t.Error("the private key is served")
	}
}

func TestNewRefuses(t *testing.T) {
	good := Options{Issuer: testBase, TenantID: testTenant, Keys: &Keys{}, Applications: newWorld(t).lookup, Clock: clockwork.NewFakeClock()}
	for name, change := range map[string]func(*Options){
		"no url": func(o *Options) { o.Issuer = "berth:8443" }, "query": func(o *Options) { o.Issuer += "?x" },
		"no tenant": func(o *Options) { o.TenantID = "adfs" }, "no key": func(o *Options) { o.Keys = nil },
		"no clock": func(o *Options) { o.Clock = nil }, "no applications": func(o *Options) { o.Applications = nil },
	} {
		o := good
		change(&o)
		if _, err := New(o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
