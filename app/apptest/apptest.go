// Package apptest is a true server for tests: the whole of Berth on a free loopback port and a folder of its own, and a
// small ARM client of its own that hides nothing, so that tests see what every other client sees.
package apptest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"berth.dev/berth"
	"berth.dev/berth/app"
)

// Patience is how long anything that is waited for may take: far more than it does, even on a busy machine.
const Patience = 5 * time.Minute

// Version is the api-version of requests that name none.
const Version = "2024-04-01"

// Credentials are those that the server wrote at its first start.
type Credentials struct {
	Endpoint       string `json:"endpoint"`
	TenantID       string `json:"tenantId"`
	SubscriptionID string `json:"subscriptionId"`
	ClientID       string `json:"clientId"`
	ClientSecret   string `json:"clientSecret"`
}

// Server is a running server, and a caller with a token for it.
type Server struct {
	Credentials
	Info  app.Info
	Dir   string
	Log   *Log
	Token string

	t    testing.TB
	http *http.Client
	stop func()
}

// New starts a server on an empty folder. It stops with the test.
func New(t testing.TB, change ...func(*app.Config)) *Server {
	t.Helper()
	return In(t, t.TempDir(), change...)
}

// In starts a server on a folder that may hold what an earlier one left.
func In(t testing.TB, dir string, change ...func(*app.Config)) *Server {
	t.Helper()
	c := app.DefaultConfig()
	c.DataDir, c.KubeBinary = dir, KubeBinary(t)
	c.Listen, c.DebugListen = "127.0.0.1:0", "off"
	c.Nodes = berth.NodesSimulated // real ones are dear; a test that needs them says so
	for _, f := range change {
		f(&c)
	}
	s := &Server{Dir: dir, Log: &Log{}, t: t}
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan app.Info, 1), make(chan error, 1)
	go func() { ended <- app.Serve(ctx, c, s.Log, func(i app.Info) { ready <- i }) }()
	select {
	case s.Info = <-ready:
	case err := <-ended:
		cancel()
		t.Fatalf("the server did not start: %v", err)
	}
	s.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the server did not stop in order: %v", err)
		}
	})
	t.Cleanup(s.stop)
	s.trust()
	s.Token = s.NewToken(s.Endpoint + "/.default")
	return s
}

// Stop stops the server and waits until it has: clusters too.
func (s *Server) Stop() { s.stop() }

// As is the same server for another test, such as a subtest: a failure counts for that test.
func (s *Server) As(t testing.TB) *Server {
	other := *s
	other.t = t
	return &other
}

// KubeBinary is berth-kube. A test without it fails: Berth without it is not tested.
func KubeBinary(t testing.TB) string {
	t.Helper()
	path := os.Getenv("BERTH_KUBE_BIN")
	if path == "" {
		path = upwards("bin", "berth-kube")
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("there is no berth-kube (%v): run make first", err)
	}
	return path
}

// upwards searches for a file from the working folder up to the root of the repository.
func upwards(parts ...string) string {
	dir, err := os.Getwd()
	for err == nil && dir != filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		dir = filepath.Dir(dir)
	}
	return filepath.Join(append([]string{dir}, parts...)...)
}

// trust makes a client that trusts the server's own authority, and reads its credentials.
func (s *Server) trust() {
	s.t.Helper()
	text, err := os.ReadFile(s.Info.CredentialsFile)
	s.must(err)
	s.must(json.Unmarshal(text, &s.Credentials))
	ca, err := os.ReadFile(s.Info.CAFile)
	s.must(err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	transport := &http.Transport{DialContext: Here, MaxIdleConnsPerHost: 32,
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}
	s.t.Cleanup(transport.CloseIdleConnections)
	s.http = &http.Client{
		Transport: transport, Timeout: Patience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Here connects to the port of an address on this machine, whatever its host is called: nobody resolves the names that tests give servers.
func Here(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err == nil && net.ParseIP(host) == nil {
		address = net.JoinHostPort("127.0.0.1", port)
	}
	return (&net.Dialer{}).DialContext(ctx, network, address)
}

// Plain is a client that trusts the server and has no token.
func (s *Server) Plain() *http.Client { return s.http }

// NewToken requests a token for a scope.
func (s *Server) NewToken(scope string) string {
	s.t.Helper()
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {s.ClientID}, "client_secret": {s.ClientSecret}, "scope": {scope}}
	resp, err := s.http.PostForm(s.Endpoint+"/"+s.TenantID+"/oauth2/v2.0/token", form)
	s.must(err)
	text, err := io.ReadAll(resp.Body)
	s.must(err)
	s.must(resp.Body.Close())
	var out struct {
		Token string `json:"access_token"`
	}
	if err := json.Unmarshal(text, &out); err != nil || out.Token == "" {
		s.t.Fatalf("no token: %s %s", resp.Status, text)
	}
	return out.Token
}

func (s *Server) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// Log is the server's log; it can be read while it is written.
type Log struct {
	mu   sync.Mutex
	text strings.Builder
}

// Write implements io.Writer.
func (l *Log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

// String is what was logged so far.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
