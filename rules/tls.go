package rules

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"strings"
	"time"

	"berth.dev/berth"
)

// ending is how long before the end of a certificate a warning begins.
const ending = 30 * 24 * time.Hour

const tlsField = inner + "sslConfiguration"

// ownCertificate checks a user's certificate as clients of the scoring service will: it can be read, its chain is in order, the
// key belongs to it, it is valid now, and it is for the cname (SDK: ssl_cert_pem_file, ssl_key_pem_file, ssl_cname).
func ownCertificate(s *berth.SSLSpec, f ComputeFacts) []Violation {
	chain, err := readChain(s.Certificate)
	if err != nil {
		return invalid(tlsField+".cert", "The certificate cannot be used: %v.", err)
	}
	leaf := chain[0]
	var out []Violation
	for i := 1; i < len(chain); i++ {
		if err := chain[i-1].CheckSignatureFrom(chain[i]); err != nil {
			out = append(out, invalid(tlsField+".cert", "Certificate %d of the chain (%s) was not issued by the next one (%s). Put the leaf "+
				"first, then each issuer in turn.", i, subject(chain[i-1]), subject(chain[i]))...)
		}
	}
	switch {
	case f.Now.After(leaf.NotAfter):
		out = append(out, invalid(tlsField+".cert", "The certificate ended on %s.", day(leaf.NotAfter))...)
	case f.Now.Before(leaf.NotBefore):
		out = append(out, invalid(tlsField+".cert", "The certificate is not valid before %s.", day(leaf.NotBefore))...)
	case f.Now.Add(ending).After(leaf.NotAfter):
		out = append(out, warning(tlsField+".cert", "The certificate ends on %s, in %d days.", day(leaf.NotAfter),
			int(leaf.NotAfter.Sub(f.Now).Hours()/24))...)
	}
	out = append(out, covers(leaf, s.CNAME)...)
	return append(out, keyFits(leaf, f.SSLKeyPEM)...)
}

// CertificateEnds is when the first certificate of a chain in PEM ends, in UTC; false when no certificate can be read.
func CertificateEnds(text string) (time.Time, bool) {
	chain, err := readChain(text)
	if err != nil {
		return time.Time{}, false
	}
	return chain[0].NotAfter.UTC(), true
}

func readChain(text string) (chain []*x509.Certificate, err error) {
	for block, rest := pem.Decode([]byte(text)); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			return nil, errors.New("it contains a PEM block " + block.Type + "; send only the certificate and its chain")
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, errors.New("a PEM block in it is no X.509 certificate")
		}
		chain = append(chain, c)
	}
	if len(chain) == 0 {
		return nil, errors.New("it is not in PEM (-----BEGIN CERTIFICATE-----)")
	}
	return chain, nil
}

// covers: clients check the alternative names only (RFC 9525). A certificate without any causes a warning, no refusal.
func covers(leaf *x509.Certificate, cname string) []Violation {
	if leaf.VerifyHostname(cname) == nil {
		return nil
	}
	names := strings.Join(leaf.DNSNames, ", ")
	switch {
	case names == "" && strings.EqualFold(leaf.Subject.CommonName, cname):
		return warning(tlsField+".cert", "The certificate names %s only in its common name. Current clients require it in the alternative "+
			"names (SAN) and will refuse the certificate.", cname)
	case names == "":
		names = subject(leaf)
	}
	return invalid(tlsField+".cname", "The certificate is for %s and not for %s.", names, cname)
}

// keyFits checks that a private key belongs to the certificate; nil is a key that an earlier request has stored.
func keyFits(leaf *x509.Certificate, text []byte) []Violation {
	if text == nil {
		return nil
	}
	key, err := readKey(text)
	if err != nil {
		return invalid(tlsField+".key", "The private key cannot be used: %v.", err)
	}
	public, comparable := key.Public().(interface{ Equal(crypto.PublicKey) bool })
	if !comparable || !public.Equal(leaf.PublicKey) {
		return invalid(tlsField+".key", "The private key does not belong to the certificate of %s.", subject(leaf))
	}
	return nil
}

func readKey(text []byte) (crypto.Signer, error) {
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		var key any
		var err error
		switch block.Type {
		case "PRIVATE KEY":
			key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
		case "RSA PRIVATE KEY":
			key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
		case "EC PRIVATE KEY":
			key, err = x509.ParseECPrivateKey(block.Bytes)
		case "ENCRYPTED PRIVATE KEY":
			return nil, errors.New("it is encrypted; remove its passphrase first (openssl pkey)")
		default:
			continue // some keys follow a block EC PARAMETERS
		}
		signer, ok := key.(crypto.Signer)
		if err != nil || !ok || block.Headers["DEK-Info"] != "" {
			return nil, errors.New("it is damaged, encrypted, or of a kind that is not known")
		}
		return signer, nil
	}
	return nil, errors.New("it is not in PEM (-----BEGIN PRIVATE KEY-----)")
}

func subject(c *x509.Certificate) string {
	if c.Subject.CommonName != "" {
		return c.Subject.CommonName
	}
	if len(c.DNSNames) > 0 {
		return c.DNSNames[0]
	}
	return c.Subject.String()
}

func day(t time.Time) string { return t.UTC().Format("2006-01-02") }
