package app_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"berth.dev/berth/app"
	"berth.dev/berth/app/apptest"
)

// TestOwnCertificate: an operator's certificate is served, clients get its authority, and Berth creates none.
func TestOwnCertificate(t *testing.T) {
	t.Parallel()
	cert, key := ownCertificate(t)
	own := func(c *app.Config) {
		c.TLSCert, c.TLSKey = cert, key
		c.TLSCA = cert
	}
	s := apptest.New(t, own)
	s.Want(http.StatusOK, s.Do(http.MethodGet, "/subscriptions", nil))
	if s.Info.CAFile != cert {
		t.Errorf("clients get the authority %s", s.Info.CAFile)
	}
	if _, err := os.Stat(filepath.Join(s.Dir, "ca.pem")); err == nil {
		t.Error("an authority was made all the same")
	}
	text := startError(t, t.TempDir(), own, func(c *app.Config) { c.PublicURL = "https://berth.example" })
	if !strings.Contains(text, "--public-url") || !strings.Contains(text, "berth.example") {
		t.Errorf("a certificate for another name: %q", text)
	}
}

// ownCertificate is one for 127.0.0.1 that is its own authority, and its key.
func ownCertificate(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	text, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for file, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: text}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}
