package app_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"berth.dev/berth/app"
	"berth.dev/berth/app/apptest"
)

// hostile is something that says it is a cluster, and behaves as a test tells it to.
type hostile struct {
	*httptest.Server
	behave atomic.Value // func(http.ResponseWriter, *http.Request)
}

func startHostile(t *testing.T, ends time.Time) (h *hostile, kubeconfig string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	leaf := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().AddDate(-1, 0, 0), NotAfter: ends, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, leaf, leaf, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	h = &hostile{}
	h.be(cluster("uid-1"))
	h.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.behave.Load().(func(http.ResponseWriter, *http.Request))(w, r)
	}))
	h.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: tls.VersionTLS12}
	h.Config.ErrorLog = nil
	h.StartTLS()
	t.Cleanup(h.CloseClientConnections)
	ca := base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	return h, kubeconfigTo(h.URL, ", certificate-authority-data: "+ca, "")
}

func (h *hostile) be(f func(http.ResponseWriter, *http.Request)) { h.behave.Store(f) }

// cluster answers as much as a look at a cluster wants to know.
func cluster(uid string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch r.URL.Path {
		case "/api/v1/namespaces/kube-system":
			_, _ = fmt.Fprintf(w, `{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"kube-system","uid":%q}}`, uid)
		case "/version":
			_, _ = fmt.Fprint(w, `{"gitVersion":"v1.36.0"}`)
		case "/api/v1/nodes":
			_, _ = fmt.Fprint(w, `{"apiVersion":"v1","kind":"NodeList","items":[{"metadata":{"name":"<script>"},"status":{"capacity":{"cpu":"4"}}}]}`)
		default:
			http.NotFound(w, r)
		}
	}
}

// TestHostileClusters: what a cluster may do to Berth that does not wish it well, each by its name.
func TestHostileClusters(t *testing.T) {
	s := &site{Server: apptest.New(t, allowLoopback, func(c *app.Config) { c.HealthEvery = "1s" }), t: t, ctx: t.Context()}
	s.workspace = s.MakeWorkspace(jobGroup, jobWorkspace)
	kept := func(kubeconfig string) apptest.Object {
		body := given(kubeconfig)
		body["properties"].(apptest.Object)["keepCredential"] = true
		return body
	}
	gone := func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusUnauthorized) }
	h, config := startHostile(t, time.Now().AddDate(1, 0, 0))
	for name, c := range map[string]struct {
		behave func(http.ResponseWriter, *http.Request)
		code   string
		word   string
	}{
		"redirects": {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, s.Endpoint, http.StatusFound) }, "BadRequest", "redirect"},
		"huge": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			for line := bytes.Repeat([]byte("x"), 1<<20); r.Context().Err() == nil; {
				if _, err := w.Write(line); err != nil {
					return
				}
			}
		}, "BadRequest", "16 MiB"},
		"slow":            {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, "", "does not answer"},
		"no Kubernetes":   {func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, "<html>welcome</html>") }, "BadRequest", "does not answer as Kubernetes does"},
		"strange version": {strange("/version", `{"gitVersion":"<script>"}`), "BadRequest", "not a version of Kubernetes"},
		"no identity":     {strange("/api/v1/namespaces/kube-system", `{"apiVersion":"v1","kind":"Namespace","metadata":{}}`), "BadRequest", "no UID"},
		"refuses":         {gone, "AuthorizationFailed", "refused the credential"},
	} {
		h.be(c.behave)
		edge := s.edge(strings.ReplaceAll(name, " ", "-"))
		r := s.Want(http.StatusCreated, s.Do(http.MethodPut, edge, kept(config)))
		if c.code != "" {
			s.Fails(r, c.code, c.word)
			continue
		}
		// It may pass: so it is tried again, and what is seen meanwhile is told.
		s.Until(name+" to be told", func() bool {
			op := s.Do(http.MethodGet, r.Header.Get("Azure-AsyncOperation"), nil)
			return strings.Contains(op.Text, "trying again") && strings.Contains(op.Text, c.word)
		})
		s.Succeed(s.Do(http.MethodDelete, edge, nil))
	}

	h.be(cluster("uid-1"))
	s.put(s.edge("edge"), kept(config))
	told := func(path, want string) {
		t.Helper()
		s.Until(want, func() bool {
			p := apptest.At(s.get(s.edge("edge")), path)
			return p != nil && strings.Contains(fmt.Sprint(p), want)
		})
	}
	h.be(gone)
	told("properties.statusMessage", "credentials")
	told("properties.connectivityStatus", "Offline")
	h.be(cluster("uid-1"))
	told("properties.connectivityStatus", "Connected")
	h.be(cluster("uid-2"))
	told("properties.error.message", "Another cluster answers")

	_, config = startHostile(t, time.Now().Add(-time.Hour))
	s.Fails(s.Do(http.MethodPut, s.edge("old"), kept(config)), "BadRequest", "cannot be trusted", "expired")
}

// strange is a cluster with one answer of its own.
func strange(path, answer string) func(http.ResponseWriter, *http.Request) {
	good := cluster("uid-1")
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != path {
			good(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprint(w, answer)
	}
}
