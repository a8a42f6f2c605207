package local

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/jonboulle/clockwork"

	"berth.dev/berth"
	"berth.dev/berth/kube"
	"berth.dev/berth/provider/providertest"
)

const issuer = "https://berth.example/tenant/v2.0"

// authority is what an API server asks: an issuer with a key, and a judge who says yes as long as it answers.
type authority struct {
	*httptest.Server
	t      *testing.T
	key    *ecdsa.PrivateKey
	asked  atomic.Int32
	by     atomic.Value // the header Authorization of the last question
	broken atomic.Bool
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{t: t, key: key}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /document", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(object{"issuer": issuer, "jwks_uri": a.URL + "/keys"})
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &key.PublicKey, KeyID: "k", Algorithm: "ES256",
			Use: "sig"}}})
	})
	mux.HandleFunc("POST /judge", func(w http.ResponseWriter, r *http.Request) {
		a.asked.Add(1)
		a.by.Store(r.Header.Get("Authorization"))
		if a.broken.Load() {
			http.Error(w, "no", http.StatusInternalServerError)
			return
		}
		_ = json.NewEncoder(w).Encode(object{"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
			"status": object{"allowed": true}})
	})
	a.Server = httptest.NewTLSServer(mux)
	t.Cleanup(a.Close)
	return a
}

func (a *authority) signIn() SignIn {
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.Certificate().Raw})
	return SignIn{Issuer: issuer, Discovery: a.URL + "/document", Authorize: a.URL + "/judge", CA: string(ca)}
}

// token is a token of a caller with a name.
func (a *authority) token(name string) string {
	a.t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: a.key, KeyID: "k"}}, nil)
	if err != nil {
		a.t.Fatal(err)
	}
	now := time.Now().Unix()
	claims, _ := json.Marshal(object{"iss": issuer, "aud": berth.KubernetesApplication, "iat": now, "nbf": now, "exp": now + 3600, "upn": name,
		"oid": "3f0c3b52-0a0e-4b0e-9d7e-0a0e4b0e9d7e", "appid": "a", "idtyp": "user"})
	signed, err := signer.Sign(claims)
	if err != nil {
		a.t.Fatal(err)
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		a.t.Fatal(err)
	}
	return text
}

// TestSignIn: a cluster takes the tokens of an issuer and asks what their callers may do. Without an answer it refuses them, and its own
// certificate works; without local accounts that of its administrator does not, and Berth's own does.
func TestSignIn(t *testing.T) {
	t.Parallel()
	a, dir := newAuthority(t), t.TempDir()
	p, err := New(Options{Dir: dir, Nodes: berth.NodesSimulated, Binary: providertest.Binary(t), SignIn: a.signIn(), Logger: discard,
		Clock: clockwork.NewRealClock()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { end(t, p) })
	if err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := spec
	want.Profile = object{"aadProfile": object{"managed": true}}
	become(t, p, want)
	admin, err := p.AdminKubeconfig(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	ann := by(t, admin, a.token("ann@example.com"))
	if nodes, err := ann.Nodes(t.Context()); err != nil || len(nodes) != 1 {
		t.Fatalf("%v, %v", nodes, err)
	}
	token, _ := strings.CutPrefix(a.by.Load().(string), "Bearer ")
	if of, _, known := p.Asking(token); !known || of.Key() != id.Key() {
		t.Errorf("the cluster that asks is %v, %v", of, known)
	}
	if _, _, known := p.Asking(""); known {
		t.Error("a cluster asks without a token")
	}
	if err := by(t, admin, a.token("system:kube-scheduler")).Healthy(t.Context()); err == nil {
		t.Error("a caller has a name of Kubernetes itself")
	}

	a.broken.Store(true)
	eventually(t, func() error { // it remembers for seconds
		if _, err := ann.Nodes(t.Context()); err == nil || kube.Unreachable(err) {
			return errors.Join(errors.New("not refused"), err)
		}
		return nil
	})
	asked := a.asked.Load()
	if nodes, err := connected(t, admin).Nodes(t.Context()); err != nil || len(nodes) != 1 || a.asked.Load() != asked {
		t.Errorf("the administrator: %v, %v", nodes, err)
	}
	a.broken.Store(false)

	want.Profile = object{"aadProfile": object{"managed": true}, "disableLocalAccounts": true}
	become(t, p, want)
	if _, err := connected(t, admin).Nodes(t.Context()); err == nil {
		t.Error("the administrator's certificate signs in without local accounts")
	}
	if _, err := ann.Nodes(t.Context()); err != nil {
		t.Error(err)
	}
	secret(t, dir, token)
}

// secret fails when a token of a process that has ended still asks, or stands where others read it.
func secret(t *testing.T, dir, token string) {
	t.Helper()
	for _, name := range []string{"authorizer.json", "authentication.json", "berth-kube.log", "cluster.json"} {
		path := filepath.Join(dir, folder(id), name)
		text, err := os.ReadFile(path)
		if err != nil || bytes.Contains(text, []byte(token)) {
			t.Errorf("%s: %v, or it has the token of a process that has ended", name, err)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
}

// become makes the cluster what it is to be.
func become(t *testing.T, p *Provider, want berth.ClusterSpec) {
	t.Helper()
	eventually(t, func() error {
		f, err := p.Ensure(t.Context(), id, want)
		if err == nil && !f.Ready {
			err = errors.New(f.Message)
		}
		return err
	})
}

func connected(t *testing.T, config []byte) *kube.Conn {
	t.Helper()
	conn, err := kube.Connect(config, kube.Options{Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	return conn
}

// by connects with a token in the place of the certificate.
func by(t *testing.T, config []byte, token string) *kube.Conn {
	t.Helper()
	k, err := kube.ParseKubeconfig(config)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := k.WithToken(token, "default").Connect(kube.Options{Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	return conn
}
