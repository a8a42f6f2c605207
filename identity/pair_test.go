package identity

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"
)

// writePair writes a certificate for a name, with its key.
func writePair(t *testing.T, dir, host string, from, to time.Time) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(from.UnixNano()), DNSNames: []string{host}, NotBefore: from, NotAfter: to}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	text, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for file, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: text}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(file, from, from); err != nil { // file systems differ in how finely they tell times apart
			t.Fatal(err)
		}
	}
	return cert, key
}

func TestOwnCertificate(t *testing.T) {
	clock := clockwork.NewFakeClockAt(time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC))
	now, dir := clock.Now(), t.TempDir()
	cert, key := writePair(t, dir, "berth.example", now, now.Add(time.Hour))
	get, err := OwnCertificate(cert, key, "berth.example", clock)
	if err != nil {
		t.Fatal(err)
	}
	serial := func() string {
		t.Helper()
		c, err := get(nil)
		if err != nil {
			t.Fatal(err)
		}
		return c.Leaf.SerialNumber.String()
	}
	first := serial()
	renewed := now.Add(time.Minute)
	writePair(t, dir, "berth.example", renewed, now.Add(2*time.Hour))
	if serial() != first {
		t.Error("the files are read at every handshake")
	}
	clock.Advance(checkEvery)
	second := serial()
	if second == first {
		t.Error("a renewed certificate is not taken")
	}
	if err := os.WriteFile(cert, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	clock.Advance(checkEvery)
	if serial() != second {
		t.Error("a half-written certificate is taken")
	}
}

func TestOwnCertificateRefused(t *testing.T) {
	clock := clockwork.NewFakeClockAt(time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC))
	now, dir := clock.Now(), t.TempDir()
	cert, key := writePair(t, dir, "berth.example", now.Add(-2*time.Hour), now.Add(-time.Hour))
	for what, c := range map[string]struct{ cert, key, host, word string }{
		"expired":     {cert, key, "berth.example", "renew it"},
		"wrong name":  {cert, key, "other.example", "--public-url"},
		"no file":     {cert + "x", key, "berth.example", "no such file"},
		"not the key": {cert, cert, "berth.example", "cannot be used"},
	} {
		if _, err := OwnCertificate(c.cert, c.key, c.host, clock); err == nil || !strings.Contains(err.Error(), c.word) {
			t.Errorf("%s: %v; want %q", what, err, c.word)
		}
	}
}
