package identity

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jonboulle/clockwork"

	"berth.dev/berth/disk"
)

const (
	caYears = 10
	// leafLife stays under the 397 days that browsers and Apple allow a server certificate.
	leafLife = 90 * 24 * time.Hour
	// clockSlack dates certificates back, for clients whose clock is a little behind.
	clockSlack = time.Hour
)

// CA is the certificate authority that clients of this server trust.
type CA struct {
	Certificate *x509.Certificate
	File        string // its PEM, for clients (SSL_CERT_FILE and the like)

	key *ecdsa.PrivateKey
}

// LoadOrMakeCA reads the authority in dir/ca.pem and dir/ca-key.pem, and creates it at the first start. Only one process at a time
// may call it.
//
// It never replaces an authority that clients may trust already: it creates one only if neither file exists, or only the key, after
// a kill between the two files. Every other state is an error with a remedy.
func LoadOrMakeCA(dir string, now time.Time) (*CA, error) {
	ca := &CA{File: filepath.Join(dir, "ca.pem")}
	keyFile := filepath.Join(dir, "ca-key.pem")
	remedy := fmt.Sprintf("remove both %s and %s to create a new authority, which every client must then trust", ca.File,
		keyFile)

	certPEM, certErr := disk.Read(ca.File, disk.Public)
	if certErr != nil && !errors.Is(certErr, fs.ErrNotExist) {
		return nil, certErr
	}
	var err error
	ca.key, err = loadKey(keyFile, remedy)
	switch {
	case errors.Is(err, fs.ErrNotExist) && certErr == nil:
		return nil, fmt.Errorf("%s is missing, but %s exists: restore it from a backup, or %s", keyFile, ca.File, remedy)
	case errors.Is(err, fs.ErrNotExist):
		ca.key, err = makeKey(keyFile)
	}
	if err != nil {
		return nil, err
	}
	if certErr != nil {
		certPEM, err = ca.selfSign(now)
		if err != nil {
			return nil, err
		}
	}
	if err := ca.take(certPEM, now); err != nil {
		return nil, fmt.Errorf("%s %w; then start again, or %s", ca.File, err, remedy)
	}
	return ca, nil
}

// selfSign creates and stores the authority's certificate.
func (ca *CA) selfSign(now time.Time) ([]byte, error) {
	id := keyID(&ca.key.PublicKey)
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		// The number in the subject is derived from the key: it distinguishes two authorities in one trust store, and reveals
		// nothing about the machine.
		Subject:               pkix.Name{Organization: []string{"Berth"}, CommonName: "Berth local CA", SerialNumber: hex.EncodeToString(id[:8])},
		NotBefore:             now.Add(-clockSlack).UTC(),
		NotAfter:              now.AddDate(caYears, 0, 0).UTC(),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
		SubjectKeyId:          id,
		AuthorityKeyId:        id,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &ca.key.PublicKey, ca.key)
	if err != nil {
		return nil, err
	}
	data := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if err := disk.Write(ca.File, data, disk.Public); err != nil {
		return nil, fmt.Errorf("write the authority's certificate: %w", err)
	}
	return data, nil
}

// take parses the certificate and checks it against the key and the clock. Its errors continue the file's name.
func (ca *CA) take(data []byte, now time.Time) error {
	block, _ := pem.Decode(data)
	if block == nil || block.Type != "CERTIFICATE" {
		return errors.New("is damaged (no PEM block CERTIFICATE in it): restore it from a backup")
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return fmt.Errorf("is damaged (%w): restore it from a backup", err)
	}
	switch {
	case !cert.IsCA:
		return errors.New("is not a certificate authority: restore Berth's own file")
	case !ca.key.PublicKey.Equal(cert.PublicKey):
		return errors.New("does not belong to the key in ca-key.pem: restore both from the same backup")
	case now.Before(cert.NotBefore):
		return fmt.Errorf("is not valid before %s and the clock is at %s: set the clock", stamp(cert.NotBefore), stamp(now))
	case now.After(cert.NotAfter):
		return fmt.Errorf("ended at %s and the clock is at %s: set the clock if it is wrong", stamp(cert.NotAfter), stamp(now))
	}
	ca.Certificate = cert
	return nil
}

// Pool trusts this authority and no other.
func (ca *CA) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(ca.Certificate)
	return pool
}

// ServerCertificate creates a certificate for the hosts (names or addresses), with a key of its own, in memory only. It fails when a
// host is neither, or the authority has expired.
func (ca *CA) ServerCertificate(hosts []string, now time.Time) (tls.Certificate, error) {
	template := &x509.Certificate{
		NotBefore:             latest(now.Add(-clockSlack), ca.Certificate.NotBefore).UTC(),
		NotAfter:              now.Add(leafLife).UTC(),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	if end := ca.Certificate.NotAfter; template.NotAfter.After(end) {
		template.NotAfter = end
	}
	if !now.Before(template.NotAfter) {
		return tls.Certificate{}, fmt.Errorf("the authority in %s ended at %s", ca.File, stamp(ca.Certificate.NotAfter))
	}
	if err := setHosts(template, hosts); err != nil {
		return tls.Certificate{}, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template.SubjectKeyId = keyID(&key.PublicKey)
	if template.SerialNumber, err = newSerial(); err != nil {
		return tls.Certificate{}, err
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca.Certificate, &key.PublicKey, ca.key)
	if err != nil {
		return tls.Certificate{}, err
	}
	leaf, err := x509.ParseCertificate(der)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, err
}

var dnsName = regexp.MustCompile(`^(\*\.)?([A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?\.)*[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?$`)

func setHosts(template *x509.Certificate, hosts []string) error {
	if len(hosts) == 0 {
		return errors.New("a server certificate needs at least one host name or address")
	}
	for _, host := range hosts {
		name := strings.ToLower(strings.TrimSuffix(host, "."))
		if ip := net.ParseIP(strings.Trim(name, "[]")); ip != nil {
			if !slices.ContainsFunc(template.IPAddresses, ip.Equal) {
				template.IPAddresses = append(template.IPAddresses, ip)
			}
			continue
		}
		if len(name) > 253 || !dnsName.MatchString(name) {
			return fmt.Errorf("%q is neither a host name nor an IP address (write it without scheme and port)", host)
		}
		if !slices.Contains(template.DNSNames, name) {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	// A common name has at most 64 characters. Clients check the names above; this one is for people.
	template.Subject = pkix.Name{Organization: []string{"Berth"}, CommonName: hosts[0]}
	if len(hosts[0]) > 64 {
		template.Subject.CommonName = "Berth"
	}
	return nil
}

// GetCertificate is for tls.Config: a certificate for the hosts, created now and again after two thirds of its life (and when the
// clock was set back to before its beginning), so that a server may run for years.
func (ca *CA) GetCertificate(hosts []string, clock clockwork.Clock) (func(*tls.ClientHelloInfo) (*tls.Certificate, error), error) {
	first, err := ca.ServerCertificate(hosts, clock.Now())
	if err != nil {
		return nil, err
	}
	var mu sync.Mutex
	current := &first
	return func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		mu.Lock()
		defer mu.Unlock()
		now, leaf := clock.Now(), current.Leaf
		renewAt := leaf.NotAfter.Add(-leaf.NotAfter.Sub(leaf.NotBefore) / 3)
		if !now.Before(leaf.NotBefore) && now.Before(renewAt) {
			return current, nil
		}
		next, err := ca.ServerCertificate(hosts, now)
		switch {
		case err == nil:
			current = &next
		case now.After(leaf.NotAfter):
			return nil, err
		}
		return current, nil
	}, nil
}

// keyID is the key identifier of RFC 7093, method 1.
func keyID(key *ecdsa.PublicKey) []byte {
	point, err := key.Bytes()
	if err != nil {
		panic(err) // only for a curve that is not ours
	}
	sum := sha256.Sum256(point)
	return sum[:20]
}

// newSerial is positive and has 126 random bits; RFC 5280 allows 20 bytes.
func newSerial() (*big.Int, error) {
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 126))
	if err != nil {
		return nil, err
	}
	return n.SetBit(n, 126, 1), nil
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05Z") }

// LoopbackCertificate makes a certificate for 127.0.0.1 that signs itself, and its PEM for those who are to trust it. Its key is in memory
// only, so it ends with the process.
func LoopbackCertificate(now time.Time) (tls.Certificate, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	serial, err := newSerial()
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{Organization: []string{"Berth"}, CommonName: "Berth on this machine"},
		NotBefore: now.Add(-clockSlack).UTC(), NotAfter: now.AddDate(caYears, 0, 0).UTC(), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true, IsCA: true, MaxPathLenZero: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), err
}
