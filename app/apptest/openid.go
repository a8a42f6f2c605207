package apptest

import (
	"cmp"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// OpenID is an OpenID Connect provider: discovery, the authorization code flow with PKCE, a client secret, and keys that change. Whoever
// comes to it is signed in as the person of Claims at once. Each of its faults is one that real providers have.
type OpenID struct {
	*httptest.Server

	mu     sync.Mutex
	claims Object
	info   Object // of the userinfo endpoint
	change func(id Object)
	silent bool
	key    *ecdsa.PrivateKey
	keyID  string
	codes  map[string]url.Values
	t      testing.TB
}

const (
	openIDClient = "berth"
	openIDSecret = "not-a-secret-of-anybody-1234567890"
)

// NewOpenID starts a provider. It stops with the test.
func NewOpenID(t testing.TB) *OpenID {
	t.Helper()
	p := &OpenID{t: t, codes: map[string]url.Values{}}
	p.Rotate()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", p.discovery)
	mux.HandleFunc("GET /keys", p.keys)
	mux.HandleFunc("GET /auth", p.auth)
	mux.HandleFunc("POST /token", p.token)
	mux.HandleFunc("GET /userinfo", p.userInfo)
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		silent := p.silent
		p.mu.Unlock()
		if silent {
			<-r.Context().Done() // until the client gives up
			return
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(p.Close)
	return p
}

// File is a file for `berth serve --oidc` with this provider, and more lines of YAML about it.
func (p *OpenID) File(name string, more ...string) string {
	p.t.Helper()
	dir := p.t.TempDir()
	secret, file := filepath.Join(dir, "secret"), filepath.Join(dir, "oidc.yaml")
	if err := os.WriteFile(secret, []byte(openIDSecret+"\n"), 0o600); err != nil {
		p.t.Fatal(err)
	}
	text := fmt.Sprintf("- name: %s\n  title: Example Corp\n  issuer: %s\n  clientId: %s\n  clientSecretFile: %s\n", name, p.URL,
		openIDClient, secret)
	for _, line := range more {
		text += "  " + line + "\n"
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
	return file
}

// Person is who signs in from now on. info is what the userinfo endpoint says beside; change may alter the id token.
func (p *OpenID) Person(claims, info Object, change func(id Object)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.claims, p.info = claims, info
	p.change = change
}

// Silence lets the provider answer nothing, or again.
func (p *OpenID) Silence(silent bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.silent = silent
}

// Rotate gives the provider another signing key, and forgets the old one.
func (p *OpenID) Rotate() {
	p.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		p.t.Fatal(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.key, p.keyID = key, rand.Text()
}

func (p *OpenID) discovery(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, Object{"issuer": p.URL, "authorization_endpoint": p.URL + "/auth", "token_endpoint": p.URL + "/token",
		"jwks_uri": p.URL + "/keys", "userinfo_endpoint": p.URL + "/userinfo", "response_types_supported": []string{"code"},
		"subject_types_supported": []string{"public"}, "id_token_signing_alg_values_supported": []string{"ES256"}})
}

func (p *OpenID) keys(w http.ResponseWriter, _ *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	key := jose.JSONWebKey{Key: p.key.Public(), KeyID: p.keyID, Algorithm: "ES256", Use: "sig"}
	answer(w, http.StatusOK, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{key}})
}

// auth signs in and sends the browser back.
func (p *OpenID) auth(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	to, err := url.Parse(q.Get("redirect_uri"))
	if err != nil || q.Get("client_id") != openIDClient || q.Get("code_challenge_method") != "S256" || q.Get("nonce") == "" {
		http.Error(w, "this is not how one asks: "+r.URL.RawQuery, http.StatusBadRequest)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	back := url.Values{"state": {q.Get("state")}}
	if p.claims == nil {
		back.Set("error", "access_denied")
	} else {
		back.Set("code", rand.Text())
		p.codes[back.Get("code")] = q
	}
	to.RawQuery = back.Encode()
	http.Redirect(w, r, to.String(), http.StatusFound) //nolint:gosec // a provider for tests
}

func (p *OpenID) token(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	id, secret, basic := r.BasicAuth()
	sum := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
	q, known := p.codes[r.PostFormValue("code")]
	delete(p.codes, r.PostFormValue("code"))
	if !basic || id != openIDClient || secret != openIDSecret || !known || q.Get("redirect_uri") != r.PostFormValue("redirect_uri") ||
		q.Get("code_challenge") != base64.RawURLEncoding.EncodeToString(sum[:]) {
		answer(w, http.StatusBadRequest, Object{"error": "invalid_grant"})
		return
	}
	now := time.Now()
	claims := Object{"iss": p.URL, "aud": openIDClient, "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(), "nonce": q.Get("nonce")}
	maps.Copy(claims, p.claims)
	if p.change != nil {
		p.change(claims)
	}
	signed, err := p.sign(claims)
	if err != nil {
		p.t.Error(err)
	}
	answer(w, http.StatusOK, Object{"access_token": "opaque", "token_type": "Bearer", "expires_in": 3600, "id_token": signed})
}

func (p *OpenID) sign(claims Object) (string, error) {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: p.key, KeyID: p.keyID}}, nil)
	if err != nil {
		return "", err
	}
	text, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	signed, err := signer.Sign(text)
	if err != nil {
		return "", err
	}
	return signed.CompactSerialize()
}

func (p *OpenID) userInfo(w http.ResponseWriter, _ *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := Object{"sub": p.claims["sub"]}
	maps.Copy(out, p.info)
	answer(w, http.StatusOK, out)
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(cmp.Or(status, http.StatusOK))
	_ = json.NewEncoder(w).Encode(body) // the client has gone
}
