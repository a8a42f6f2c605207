package router

import (
	"crypto/tls"
	"errors"
	"fmt"
	"sync/atomic"
)

// Certificate is the certificate of the cluster's scoring addresses. It can be renewed while connections are open: those keep the
// one that they began with.
type Certificate struct {
	current atomic.Pointer[tls.Certificate]
}

// Set takes over a certificate with its chain and key, both PEM. When they do not belong together, the former one stays.
func (c *Certificate) Set(chain, key []byte) error {
	pair, err := tls.X509KeyPair(chain, key)
	if err != nil {
		return fmt.Errorf("the certificate cannot be used: %w", err)
	}
	c.current.Store(&pair)
	return nil
}

// Known tells whether there is a certificate yet.
func (c *Certificate) Known() bool { return c.current.Load() != nil }

// Config is the TLS configuration of a server.
func (c *Certificate) Config() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			if pair := c.current.Load(); pair != nil {
				return pair, nil
			}
			return nil, errors.New("the router has no certificate yet")
		}}
}
