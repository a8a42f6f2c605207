package kube

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/client-go/rest"
)

// linger is how long the sockets of a cluster outlive its last connection.
const linger = 10 * time.Second

var errRedirect = errors.New("the cluster answered with a redirect, which is not followed")

// transports are shared by connections to one host that trust the same authority and show the same certificate, so that one
// TLS connection serves them all. client-go has such a pool too, but its entries cannot be closed.
var (
	transportsMu sync.Mutex
	transports   = map[string]*sharedTransport{}
)

type sharedTransport struct {
	*http.Transport
	ends  atomic.Int64 // see Conn.CertificateEnds; Unix seconds
	key   string
	users int
	timer *time.Timer
}

// acquireTransport finds the transport for a cluster or creates one. The caller calls done.
func acquireTransport(c *rest.Config, o Options) (*sharedTransport, error) {
	host, err := url.Parse(c.Host)
	if err != nil {
		return nil, err
	}
	t := c.TLSClientConfig
	sum := sha256.Sum256([]byte(strings.Join([]string{host.Host, t.ServerName, string(t.CAData), string(t.CertData), string(t.KeyData),
		fmt.Sprintf("%p %t", o.Guard, o.Apart)}, "\x00")))
	key := hex.EncodeToString(sum[:])
	transportsMu.Lock()
	defer transportsMu.Unlock()
	s := transports[key]
	if s == nil {
		config, err := rest.TLSConfigFor(c)
		if err != nil {
			return nil, err
		}
		s = &sharedTransport{key: key}
		s.Transport = newTransport(config, o.Guard)
		if o.Apart {
			s.ForceAttemptHTTP2, s.HTTP2 = false, nil // which has one connection for all requests
			s.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{}
		}
		s.TLSClientConfig.VerifyConnection = s.noteEnd
		transports[key] = s
	}
	if s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
	s.users++
	return s, nil
}

func newTransport(config *tls.Config, guard *Guard) *http.Transport {
	if config == nil { // a token and the system's authorities
		config = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	t := &http.Transport{
		Proxy: http.ProxyFromEnvironment, TLSClientConfig: config, ForceAttemptHTTP2: true,
		DialContext:         (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout: 5 * time.Second, MaxIdleConnsPerHost: 2, IdleConnTimeout: time.Minute, MaxResponseHeaderBytes: 64 << 10,
		// A ping finds out that a connection died, before the next request runs into its timeout. The buffers bound what a
		// cluster can send ahead of what is read.
		HTTP2: &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 5 * time.Second,
			MaxReceiveBufferPerStream: 256 << 10, MaxReceiveBufferPerConnection: 1 << 20},
	}
	if guard != nil { // a proxy would dial for us, and unguarded
		t.Proxy, t.DialContext = nil, guard.dial
	}
	return t
}

// noteEnd is called after every handshake with a trusted certificate.
func (s *sharedTransport) noteEnd(c tls.ConnectionState) error {
	for _, chain := range c.VerifiedChains[:min(len(c.VerifiedChains), 1)] {
		end := chain[0].NotAfter
		for _, issuer := range chain[1:] {
			if issuer.NotAfter.Before(end) {
				end = issuer.NotAfter
			}
		}
		s.ends.Store(end.Unix())
	}
	return nil
}

// CertificateEnds is when the certificate of the cluster's API expires, or one of the authorities above it. Zero before the first
// answer.
func (c *Conn) CertificateEnds() time.Time {
	if at := c.shared.ends.Load(); at != 0 {
		return time.Unix(at, 0).UTC()
	}
	return time.Time{}
}

func (s *sharedTransport) done() {
	transportsMu.Lock()
	defer transportsMu.Unlock()
	if s.users--; s.users == 0 {
		s.timer = time.AfterFunc(linger, s.drop)
	}
}

func (s *sharedTransport) drop() {
	transportsMu.Lock()
	defer transportsMu.Unlock()
	if s.users > 0 {
		return
	}
	if transports[s.key] == s {
		delete(transports, s.key)
	}
	s.CloseIdleConnections()
}
