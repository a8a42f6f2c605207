package identity

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/jonboulle/clockwork"
)

// lookAgain is how often the files of an operator's own certificate are checked for a renewal.
const lookAgain = 10 * time.Second

// pair is a certificate and key in files that the operator renews.
type pair struct {
	certFile, keyFile string
	clock             clockwork.Clock

	mu     sync.Mutex
	now    *tls.Certificate
	looked time.Time
	stamps [2]time.Time // when the files were last changed
}

// OwnCertificate serves a certificate of the operator's own authority. It reads the files again when they change, so that a
// renewal needs no restart; until a new pair is complete it serves the old one. host is the name that clients use: the error
// refuses a certificate without that name, which every client would reject.
func OwnCertificate(certFile, keyFile, host string, clock clockwork.Clock) (func(*tls.ClientHelloInfo) (*tls.Certificate, error), error) {
	p := &pair{certFile: certFile, keyFile: keyFile, clock: clock}
	if err := p.load(); err != nil {
		return nil, fmt.Errorf("the certificate %s with the key %s cannot be used: %w", certFile, keyFile, err)
	}
	leaf := p.now.Leaf
	if err := leaf.VerifyHostname(host); err != nil {
		return nil, fmt.Errorf("the certificate %s is not for the name that clients use: %w; get one for %q, or set --public-url to the "+
			"name under which clients reach this server", certFile, err, host)
	}
	if now := clock.Now(); now.After(leaf.NotAfter) || now.Before(leaf.NotBefore) {
		return nil, fmt.Errorf("the certificate %s is valid from %s to %s, and the time is %s: renew it, or set the clock", certFile,
			stamp(leaf.NotBefore), stamp(leaf.NotAfter), stamp(now))
	}
	return p.get, nil
}

func (p *pair) load() error {
	cert, err := tls.LoadX509KeyPair(p.certFile, p.keyFile)
	if err != nil {
		return err
	}
	if cert.Leaf == nil {
		if cert.Leaf, err = x509.ParseCertificate(cert.Certificate[0]); err != nil {
			return err
		}
	}
	p.now, p.looked = &cert, p.clock.Now()
	p.stamps = p.changed()
	return nil
}

func (p *pair) changed() (at [2]time.Time) {
	for i, file := range []string{p.certFile, p.keyFile} {
		if info, err := os.Stat(file); err == nil {
			at[i] = info.ModTime()
		}
	}
	return at
}

func (p *pair) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now := p.clock.Now(); now.Sub(p.looked) >= lookAgain {
		p.looked = now
		if p.changed() != p.stamps {
			_ = p.load() // an error means half-written files: the next check finds them complete
		}
	}
	return p.now, nil
}
