package apptest

import (
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
	"sync/atomic"
	"testing"
	"time"
)

// Hostile is a server that pretends to be a cluster, and behaves as a test sets it to.
type Hostile struct {
	*httptest.Server
	behave atomic.Value // func(http.ResponseWriter, *http.Request)
}

// StartHostile starts one and returns a kubeconfig for it. Its certificate expires at ends, and it has one node of that name.
func StartHostile(t testing.TB, ends time.Time, node string) (h *Hostile, kubeconfig string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	leaf := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().AddDate(-1, 0, 0), NotAfter: ends,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA:        true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, leaf, leaf, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	h = &Hostile{}
	h.Be(PretendCluster("uid-1", node))
	h.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.behave.Load().(func(http.ResponseWriter, *http.Request))(w, r)
	}))
	h.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: tls.VersionTLS12}
	h.Config.ErrorLog = nil
	h.StartTLS()
	t.Cleanup(h.CloseClientConnections)
	ca := base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	return h, "apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts: [{name: c, context: {cluster: c, user: c}}]\n" +
		"clusters: [{name: c, cluster: {server: '" + h.URL + "', certificate-authority-data: " + ca +
		"}}]\nusers: [{name: c, user: {token: s3cr3t-token}}]\n"
}

// Be sets how it behaves from now on.
func (h *Hostile) Be(f func(http.ResponseWriter, *http.Request)) { h.behave.Store(f) }

// PretendCluster answers every request that a check of a cluster sends, and what the page of its workloads asks for.
func PretendCluster(uid, node string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch r.URL.Path {
		case "/api/v1/namespaces/kube-system":
			_, _ = fmt.Fprintf(w, `{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"kube-system","uid":%q}}`, uid)
		case "/version":
			_, _ = fmt.Fprint(w, `{"gitVersion":"v1.36.0"}`)
		case "/api/v1/nodes":
			_, _ = fmt.Fprintf(w, `{"apiVersion":"v1","kind":"NodeList","items":[{"metadata":{"name":%q},`+
				`"status":{"capacity":{"cpu":"4","memory":"16Gi"}}}]}`, node)
		default:
			if !pretendWorkloads(w, r, node) {
				http.NotFound(w, r)
			}
		}
	}
}
