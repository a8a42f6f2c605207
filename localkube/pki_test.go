package main

import (
	"crypto/x509"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func newPKI(t *testing.T) (*pki, settings) {
	t.Helper()
	ranges, err := rangesText{services: "10.0.0.0/16", pods: "10.244.0.0/16"}.parse()
	if err != nil {
		t.Fatal(err)
	}
	s := settings{dir: t.TempDir(), apiPort: 7443, network: ranges}
	if err := os.Mkdir(filepath.Join(s.dir, "pki"), 0o700); err != nil {
		t.Fatal(err)
	}
	p, err := loadOrMakePKI(s)
	if err != nil {
		t.Fatal(err)
	}
	return p, s
}

// Any file but the authority's can be lost: the start that was killed may have been about to write it.
func TestPKIHealsItself(t *testing.T) {
	first, s := newPKI(t)
	files, err := filepath.Glob(first.path("*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		if name := filepath.Base(path); name == "ca.key" || name == "ca.crt" {
			continue
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		again, err := loadOrMakePKI(s)
		if err != nil {
			t.Fatalf("without %s: %v", path, err)
		}
		if _, err := os.Stat(path); err != nil || !again.cert.Equal(first.cert) {
			t.Errorf("%s is not back, or of another authority: %v", path, err)
		}
	}
}

func TestPKIRefusesAnotherAuthority(t *testing.T) {
	p, s := newPKI(t)
	if err := os.Remove(p.path("ca.key")); err != nil {
		t.Fatal(err)
	}
	if _, err := loadOrMakePKI(s); err == nil {
		t.Error("a new key for an old certificate is taken")
	}
}

func TestLeafIsRenewed(t *testing.T) {
	p, _ := newPKI(t)
	old, err := readCert(p.path("apiserver.crt"))
	if err != nil {
		t.Fatal(err)
	}
	same := x509.Certificate{Subject: old.Subject, DNSNames: old.DNSNames, IPAddresses: old.IPAddresses}
	if !p.serves(old, &same) {
		t.Error("a good one is not kept")
	}
	ending := *old
	ending.NotAfter = time.Now().Add(renewBefore - time.Hour)
	if p.serves(&ending, &same) {
		t.Error("one that ends soon is kept")
	}
	moved := same
	moved.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	if p.serves(old, &moved) {
		t.Error("one for other addresses is kept")
	}
}
