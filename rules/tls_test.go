package rules

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"

	"berth.dev/berth"
)

var testNow = time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)

// issued is a certificate with its key, both in PEM.
type issued struct {
	cert, key string
	x509      *x509.Certificate
	private   crypto.Signer
}

// issue makes a certificate for common name and hosts; by nil it is its own issuer.
func issue(t *testing.T, cn string, hosts []string, until time.Time, by *issued) issued {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: cn}, DNSNames: hosts,
		NotBefore: testNow.Add(-time.Hour), NotAfter: until,
		IsCA: by == nil, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature}
	out := issued{private: private}
	parent, signer := template, crypto.Signer(private)
	if by != nil {
		parent, signer = by.x509, by.private
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, private.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	if out.x509, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	out.cert = block("CERTIFICATE", der)
	out.key = block("PRIVATE KEY", pkcs8)
	return out
}

func block(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func TestOwnCertificate(t *testing.T) {
	year := testNow.AddDate(1, 0, 0)
	hosts := []string{"score.example", "*.inner.example"}
	authority := issue(t, "authority", nil, year, nil)
	other := issue(t, "other", nil, year, nil)
	good := issue(t, "score.example", hosts, year, &authority)
	soon := issue(t, "score.example", hosts, testNow.AddDate(0, 0, 10), &authority)
	over := issue(t, "score.example", hosts, testNow.Add(-time.Minute), &authority)
	plain := issue(t, "score.example", nil, year, &authority)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	pkcs1 := block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey))
	sec1, err := x509.MarshalECPrivateKey(good.private.(*ecdsa.PrivateKey))
	if err != nil {
		t.Fatal(err)
	}
	const (
		cert  = tlsField + ".cert"
		key   = tlsField + ".key"
		cname = tlsField + ".cname"
	)
	secKey := "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n" + block("EC PRIVATE KEY", sec1)
	for name, c := range map[string]struct {
		cert, key, cname string
		target, says     string
		warning          bool
	}{
		"good":                 {good.cert, good.key, "score.example", "", "", false},
		"good, with its chain": {good.cert + authority.cert, good.key, "score.example", "", "", false},
		"wildcard":             {good.cert, good.key, "a.inner.example", "", "", false},
		"key in SEC 1":         {good.cert, secKey, "score.example", "", "", false},
		"no PEM":               {"MIIB", good.key, "score.example", cert, "not in PEM", false},
		"PEM of nothing":       {block("CERTIFICATE", []byte("x")), good.key, "score.example", cert, "no X.509", false},
		"key in the cert":      {good.key + good.cert, good.key, "score.example", cert, "PRIVATE KEY", false},
		"chain of others":      {good.cert + other.cert, good.key, "score.example", cert, "not issued by the next", false},
		"ended":                {over.cert, over.key, "score.example", cert, "ended on 2026-03-01", false},
		"ends soon":            {soon.cert, soon.key, "score.example", cert, "in 10 days", true},
		"other host":           {good.cert, good.key, "other.example", cname, "score.example, *.inner.example and not for other.example", false},
		"common name alone":    {plain.cert, plain.key, "score.example", cert, "SAN", true},
		"other host, no SAN":   {plain.cert, plain.key, "other.example", cname, "not for other.example", false},
		"key of another":       {good.cert, other.key, "score.example", key, "does not belong", false},
		"key of another kind":  {good.cert, pkcs1, "score.example", key, "does not belong", false},
		"no key in the key":    {good.cert, good.cert, "score.example", key, "not in PEM", false},
		"damaged key":          {good.cert, block("PRIVATE KEY", []byte("x")), "score.example", key, "damaged", false},
		"encrypted key":        {good.cert, block("ENCRYPTED PRIVATE KEY", []byte("x")), "score.example", key, "passphrase", false},
	} {
		t.Run(name, func(t *testing.T) {
			w := created(func(s *berth.ComputeSpec) {
				s.SSL = &berth.SSLSpec{Status: "Enabled", CNAME: c.cname, Certificate: c.cert}
			})
			vs := Compute("myaks", w, ComputeFacts{Now: testNow, SSLKey: true, SSLKeyPEM: []byte(c.key)})
			if !c.warning {
				check(t, vs, c.target, c.says)
			} else if len(vs) != 1 || !vs[0].Warning || vs[0].Target != c.target || !strings.Contains(vs[0].Message, c.says) {
				t.Errorf("got %+v; want a warning at %s that says %q", vs, c.target, c.says)
			}
		})
	}
	early := ComputeFacts{Now: testNow.Add(-2 * time.Hour), SSLKey: true}
	check(t, ownCertificate(&berth.SSLSpec{CNAME: "score.example", Certificate: good.cert}, early), cert, "not valid before")
	check(t, Compute("myaks", created(func(*berth.ComputeSpec) {}), ComputeFacts{Renew: true}), tlsField+".renew", "leaf domain label")
}

// What strangers send as PEM never breaks the rules themselves.
func FuzzCertificate(f *testing.F) {
	f.Add("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n", "-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n",
		"a.example")
	f.Fuzz(func(_ *testing.T, cert, key, cname string) {
		ownCertificate(&berth.SSLSpec{Status: "Enabled", CNAME: cname, Certificate: cert}, ComputeFacts{Now: testNow, SSLKeyPEM: []byte(key)})
	})
}
