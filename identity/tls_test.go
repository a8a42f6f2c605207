package identity

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"
)

func makeCA(t *testing.T, dir string) *CA {
	t.Helper()
	ca, err := LoadOrMakeCA(dir, testNow)
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

func mode(t *testing.T, path string) os.FileMode {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Mode().Perm()
}

func TestCAIsMadeOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "dir")
	ca := makeCA(t, dir)
	if mode(t, ca.File) != 0o644 || mode(t, filepath.Join(dir, "ca-key.pem")) != 0o600 {
		t.Error("wrong modes")
	}
	cert := ca.Certificate
	if !cert.IsCA || !cert.MaxPathLenZero || cert.MaxPathLen != 0 || !cert.NotAfter.Equal(testNow.AddDate(10, 0, 0)) ||
		!strings.Contains(cert.Subject.String(), "Berth") || cert.SerialNumber.Sign() <= 0 {
		t.Errorf("%+v", cert)
	}
	if again := makeCA(t, dir); !again.Certificate.Equal(cert) {
		t.Error("made anew")
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*.tmp")); left != nil {
		t.Errorf("left behind: %v", left)
	}
}

func TestCAIsRepaired(t *testing.T) {
	dir := t.TempDir()
	ca := makeCA(t, dir)
	// Killed between the two files, and in the middle of writing the second.
	if err := os.Rename(ca.File, ca.File+".tmp"); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(ca.File+".tmp", 10); err != nil {
		t.Fatal(err)
	}
	again := makeCA(t, dir)
	if !again.key.Equal(ca.key) || mode(t, again.File) != 0o644 {
		t.Error("the key that was there was not used")
	}
	makeCA(t, dir)
}

func TestCAIsNeverReplaced(t *testing.T) {
	other := t.TempDir()
	makeCA(t, other)
	for _, c := range []struct {
		name   string
		damage func(t *testing.T, dir string)
		want   []string
	}{
		{"empty certificate", put("ca.pem", ""), []string{"ca.pem is damaged", "remove both"}},
		{"garbage certificate", put("ca.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), []string{"ca.pem is damaged"}},
		{"empty key", put("ca-key.pem", ""), []string{"ca-key.pem is damaged", "remove both"}},
		{"garbage key", put("ca-key.pem", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"), []string{"ca-key.pem is damaged"}},
		{"other's key", func(t *testing.T, dir string) { copyFile(t, other, dir, "ca-key.pem") }, []string{"ca.pem does not belong to the key"}},
		{"no key", func(t *testing.T, dir string) { os.Remove(filepath.Join(dir, "ca-key.pem")) }, []string{"ca-key.pem is missing"}},
		{"open key", func(t *testing.T, dir string) { os.Chmod(filepath.Join(dir, "ca-key.pem"), 0o640) }, []string{"chmod 600", "ca-key.pem"}},
		{"a leaf", putLeaf, []string{"not a certificate authority"}},
		{"a folder", func(t *testing.T, dir string) {
			os.Remove(filepath.Join(dir, "ca.pem"))
			os.Mkdir(filepath.Join(dir, "ca.pem"), 0o755)
		}, []string{"ca.pem is not a regular file"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			makeCA(t, dir)
			c.damage(t, dir)
			before, _ := os.ReadFile(filepath.Join(dir, "ca.pem"))
			_, err := LoadOrMakeCA(dir, testNow)
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %q", err, want)
				}
			}
			if after, _ := os.ReadFile(filepath.Join(dir, "ca.pem")); !bytes.Equal(before, after) {
				t.Error("ca.pem was changed")
			}
		})
	}
	for _, now := range []time.Time{testNow.AddDate(10, 0, 1), testNow.AddDate(-1, 0, 0)} {
		if _, err := LoadOrMakeCA(other, now); err == nil || !strings.Contains(err.Error(), "set the clock") {
			t.Errorf("at %v: %v", now, err)
		}
	}
}

func put(name, content string) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func putLeaf(t *testing.T, dir string) {
	leaf, err := makeCA(t, dir).ServerCertificate([]string{"x"}, testNow)
	if err != nil {
		t.Fatal(err)
	}
	put("ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leaf.Certificate[0]})))(t, dir)
}

func copyFile(t *testing.T, from, to, name string) {
	data, err := os.ReadFile(filepath.Join(from, name))
	if err != nil {
		t.Fatal(err)
	}
	put(name, string(data))(t, to)
}

func TestHandshake(t *testing.T) {
	ca := makeCA(t, t.TempDir())
	clock := clockwork.NewFakeClockAt(testNow)
	get, err := ca.GetCertificate([]string{"localhost", "Berth.Test.", "*.scoring.test", "127.0.0.1", "[::1]", "localhost"}, clock)
	if err != nil {
		t.Fatal(err)
	}
	for host, ok := range map[string]bool{"localhost": true, "berth.test": true, "a.scoring.test": true, "127.0.0.1": true, "::1": true,
		"other.test": false, "127.0.0.2": false} {
		if err := handshake(ca.Pool(), get, host); (err == nil) != ok {
			t.Errorf("%s: %v", host, err)
		}
	}
	if err := handshake(makeCA(t, t.TempDir()).Pool(), get, "localhost"); err == nil {
		t.Error("another authority vouched for it")
	}
}

func handshake(pool *x509.CertPool, get func(*tls.ClientHelloInfo) (*tls.Certificate, error), host string) error {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	go tls.Server(a, &tls.Config{GetCertificate: get}).Handshake()
	return tls.Client(b, &tls.Config{RootCAs: pool, ServerName: host, Time: func() time.Time { return testNow }}).Handshake()
}

func TestServerCertificateIsRenewed(t *testing.T) {
	ca := makeCA(t, t.TempDir())
	clock := clockwork.NewFakeClockAt(testNow)
	get, err := ca.GetCertificate([]string{"localhost"}, clock)
	if err != nil {
		t.Fatal(err)
	}
	serial := func() string {
		cert, err := get(nil)
		if err != nil {
			t.Fatal(err)
		}
		if now := clock.Now(); now.Before(cert.Leaf.NotBefore) || now.After(cert.Leaf.NotAfter) {
			t.Errorf("not valid at %v", now)
		}
		return cert.Leaf.SerialNumber.String()
	}
	first := serial()
	clock.Advance(59 * 24 * time.Hour)
	if serial() != first {
		t.Error("renewed too early")
	}
	clock.Advance(2 * 24 * time.Hour)
	second := serial()
	if second == first {
		t.Error("not renewed")
	}
	clock.Advance(-50 * 24 * time.Hour) // the clock is put right
	if serial() == second {
		t.Error("serves a certificate of the future")
	}
	clock.Advance(testNow.AddDate(10, 0, -1).Sub(clock.Now())) // the authority's last day
	serial()
	clock.Advance(48 * time.Hour)
	if _, err := get(nil); err == nil || !strings.Contains(err.Error(), "ended") {
		t.Errorf("beyond the authority: %v", err)
	}
}

func TestServerCertificateRefuses(t *testing.T) {
	ca := makeCA(t, t.TempDir())
	for _, hosts := range [][]string{nil, {""}, {"a b"}, {"host:8443"}, {"https://host"}, {"127.0.0.1:1"}, {"a..b"}, {"-a"}, {"é.test"},
		{"a.*"}, {strings.Repeat("a.", 150) + "b"}} {
		if _, err := ca.ServerCertificate(hosts, testNow); err == nil {
			t.Errorf("%q: no error", hosts)
		}
	}
	long := strings.Repeat("a", 60) + ".berth.test"
	if cert, err := ca.ServerCertificate([]string{long}, testNow); err != nil || cert.Leaf.VerifyHostname(long) != nil {
		t.Errorf("long name: %v", err)
	}
}

// OpenSSL's strict mode is what Python 3.13 uses.
func TestOpenSSLStrict(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not installed")
	}
	dir := t.TempDir()
	ca, err := LoadOrMakeCA(dir, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := ca.ServerCertificate([]string{"localhost", "127.0.0.1"}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	put("leaf.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leaf.Certificate[0]})))(t, dir)
	out, err := exec.Command(openssl, "verify", "-x509_strict", "-purpose", "sslserver", "-verify_hostname", "localhost",
		"-verify_ip", "127.0.0.1", "-CAfile", ca.File, filepath.Join(dir, "leaf.pem")).CombinedOutput()
	if err != nil {
		t.Errorf("%v: %s", err, out)
	}
}
