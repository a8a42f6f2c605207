package fake

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// server is the one listener of all clusters of a provider: each has a path of its own. So a thousand of them cost one
// socket and one certificate, and a client's TLS connection can serve several.
type server struct {
	http     *http.Server
	url      string
	ca       []byte // PEM
	find     func(path string) *cluster
	finished chan struct{}
}

func startServer(find func(path string) *cluster) (*server, error) {
	cert, err := certificate()
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("the simulated clusters have no port to listen on: %w", err)
	}
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]})
	s := &server{url: "https://" + l.Addr().String(), ca: ca, find: find, finished: make(chan struct{})}
	s.http = &http.Server{
		Handler: s, TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12},
		ReadHeaderTimeout: 10 * time.Second, ErrorLog: log.New(io.Discard, "", 0),
		HTTP2: &http.HTTP2Config{MaxConcurrentStreams: 1000},
	}
	go func() {
		defer close(s.finished)
		_ = s.http.ServeTLS(l, "", "") // ends with Close
	}()
	return s, nil
}

func (s *server) close() {
	_ = s.http.Close()
	<-s.finished
}

const prefix = "/clusters/"

// ServeHTTP implements http.Handler. A cluster that does not exist, or is set unreachable, gives no answer at all.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, prefix), "/")
	c := s.find(path)
	if c == nil {
		panic(http.ErrAbortHandler)
	}
	c.mu.Lock()
	f := c.faults
	c.mu.Unlock()
	if f.delay > 0 {
		select {
		case <-c.clock.After(f.delay):
		case <-r.Context().Done():
		}
	}
	if f.unreachable {
		panic(http.ErrAbortHandler)
	}
	c.serve(w, r, "/"+rest)
}

// certificate creates the server's certificate, which is its own authority, once per process.
var certificate = sync.OnceValues(func() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "simulated Kubernetes"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
})
