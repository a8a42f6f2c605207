package router_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"

	"berth.dev/berth/router"
	"berth.dev/berth/router/route"
)

// served is a router at its three ports.
type served struct {
	*router.Router
	http, https, internal string
	cert                  *router.Certificate
	stop                  context.CancelFunc
	ended                 chan error
}

func serve(t *testing.T, table *route.Table) *served {
	t.Helper()
	return serveBy(t, router.Options{}, table)
}

func serveBy(t *testing.T, o router.Options, table *route.Table) *served {
	t.Helper()
	s := &served{Router: router.New(o), cert: &router.Certificate{}, ended: make(chan error, 1)}
	server := &router.Server{Router: s.Router, Cert: s.cert, Logger: slog.New(slog.DiscardHandler), Unready: 50 * time.Millisecond,
		Drain: 20 * time.Second}
	for _, l := range []struct {
		into    *net.Listener
		address *string
	}{{&server.HTTP, &s.http}, {&server.HTTPS, &s.https}, {&server.Internal, &s.internal}} {
		var err error
		if *l.into, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		*l.address = (*l.into).Addr().String()
	}
	if table != nil {
		apply(t, s.Router, table)
	}
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	go func() {
		s.ended <- server.Serve(ctx)
		close(s.ended)
	}()
	t.Cleanup(func() {
		stop()
		<-s.ended
	})
	return s
}

func (s *served) readyz(t *testing.T) int {
	t.Helper()
	a, err := send(t.Context(), http.DefaultClient, "GET", "http://"+s.internal+"/readyz", "")
	if err != nil {
		t.Fatal(err)
	}
	return a.code
}

func TestReady(t *testing.T) {
	s := serve(t, nil)
	if code := s.readyz(t); code != 503 {
		t.Errorf("ready before the first table: %d", code)
	}
	apply(t, s.Router, tableOf())
	if code := s.readyz(t); code != 200 {
		t.Errorf("not ready after the first table: %d", code)
	}
	if a, err := send(t.Context(), http.DefaultClient, "GET", "http://"+s.internal+"/internal/load", ""); err != nil || a.code != 403 {
		t.Errorf("a stranger reads the load: %+v, %v", a, err)
	}
	digest, err := tableOf().Digest()
	a, failed := send(t.Context(), http.DefaultClient, "GET", "http://"+s.internal+route.TablePath, "")
	if err != nil || failed != nil || a.body != digest {
		t.Errorf("it leads by the table %+v, %v; want %s, %v", a, failed, digest, err)
	}
	hop := "http://" + s.internal + "/internal/score/service/x/v1/score"
	if a, err := send(t.Context(), http.DefaultClient, "POST", hop, ""); err != nil || a.code != 403 {
		t.Errorf("a stranger scores without a key: %+v, %v", a, err)
	}
}

// Requests on their way end well while the server shuts down, and it says first that it is not ready.
func TestShutdown(t *testing.T) {
	r, came, may := blocked(t)
	s := serve(t, tableOf(serviceOf("x", versionAt(r))))
	answers := make(chan answer, 1)
	go func() {
		a, _ := send(context.Background(), &http.Client{Transport: &http.Transport{}}, "POST", "http://"+s.http+scoreX, "{}")
		answers <- a
	}()
	want(t, came)
	s.stop()
	eventually(t, func() error {
		if code := s.readyz(t); code != 503 {
			return fmt.Errorf("still ready: %d", code)
		}
		return nil
	})
	may <- struct{}{}
	if a := want(t, answers); a.code != 200 {
		t.Errorf("%+v", a)
	}
	if err := want(t, s.ended); err != nil {
		t.Error(err)
	}
}

// pair is a certificate for 127.0.0.1 with a serial number.
func pair(t *testing.T, serial int64) (chain, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "x"}, NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, c, c, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})
}

// A renewed certificate is shown to new connections; old ones go on.
func TestCertificate(t *testing.T) {
	s := serve(t, tableOf(serviceOf("x", versionAt(replica(t, says("x"))))))
	client := func() *http.Client {
		return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}}
	}
	serial := func(c *http.Client) (int64, error) {
		req, _ := http.NewRequestWithContext(t.Context(), "POST", "https://"+s.https+scoreX, strings.NewReader("{}"))
		req.Header.Set("Authorization", "Bearer "+goodKey)
		res, err := c.Do(req)
		if err != nil {
			return 0, err
		}
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
		if res.StatusCode != 200 || res.ProtoMajor != 2 {
			return 0, fmt.Errorf("%s %s", res.Proto, res.Status)
		}
		return res.TLS.PeerCertificates[0].SerialNumber.Int64(), nil
	}
	if _, err := serial(client()); err == nil {
		t.Error("TLS without a certificate")
	}
	chain, key := pair(t, 1)
	if err := s.cert.Set(chain, key); err != nil {
		t.Fatal(err)
	}
	old := client()
	if n, err := serial(old); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	next, nextKey := pair(t, 2)
	if err := s.cert.Set(next, key); err == nil {
		t.Error("a certificate with another's key is taken")
	}
	if err := s.cert.Set(next, nextKey); err != nil {
		t.Fatal(err)
	}
	if n, err := serial(old); n != 1 || err != nil {
		t.Errorf("the old connection: %d, %v", n, err)
	}
	if n, err := serial(client()); n != 2 || err != nil {
		t.Errorf("a new connection: %d, %v", n, err)
	}
	if _, err := tls.Dial("tcp", s.https, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11}); err == nil {
		t.Error("TLS 1.1 is served")
	}
}

// HTTP/2 without TLS, by prior knowledge.
func TestPlainHTTP2(t *testing.T) {
	s := serve(t, tableOf(serviceOf("x", versionAt(replica(t, says("x"))))))
	p := &http.Protocols{}
	p.SetUnencryptedHTTP2(true)
	c := &http.Client{Transport: &http.Transport{Protocols: p}}
	for _, body := range []string{"{}", strings.Repeat("x", 1<<20)} {
		if a, err := send(t.Context(), c, "POST", "http://"+s.http+scoreX, body); err != nil || a.body != "x /score" {
			t.Errorf("%+v, %v", a, err)
		}
	}
}

// A WebSocket, or whatever else a connection is upgraded to.
func TestUpgrade(t *testing.T) {
	r := replica(t, func(w http.ResponseWriter, r *http.Request) {
		c, both, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer c.Close()
		_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: "+r.Header.Get("Upgrade")+"\r\n\r\n")
		_, _ = io.Copy(c, both)
	})
	v := versionAt(r)
	v.TimeoutMS = 1000 // of the answer, not of the conversation
	clock := clockwork.NewFakeClock()
	s := start(t, tableOf(serviceOf("x", v)), clock)
	c, err := net.Dial("tcp", address(s.Server))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, _ = io.WriteString(c, "GET "+scoreX+" HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+goodKey+
		"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	in := bufio.NewReader(c)
	res, err := http.ReadResponse(in, nil)
	if err != nil || res.StatusCode != 101 || res.Header.Get("Upgrade") != "websocket" {
		t.Fatalf("%+v, %v", res, err)
	}
	defer res.Body.Close()
	said := make([]byte, 5)
	for range 5 { // beyond the timeout
		clock.Advance(time.Second)
		_, _ = io.WriteString(c, "hello")
		if _, err := io.ReadFull(in, said); err != nil || string(said) != "hello" {
			t.Fatalf("%q, %v", said, err)
		}
	}
}

// A client that sends nothing, or only headers without end, is dropped; too large a head is refused.
func TestHostileHeads(t *testing.T) {
	s := serve(t, tableOf(serviceOf("x", versionAt(replica(t, says("x"))))))
	for name, c := range map[string]struct{ text, want string }{
		"large head":  {"GET / HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("y", 200<<10) + "\r\n\r\n", "HTTP/1.1 431"},
		"two lengths": {"POST " + scoreX + " HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx", "HTTP/1.1 400"},
		"both lengths": {"POST " + scoreX + " HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
			"HTTP/1.1 4"},
		"bad escape":     {"GET /api/v1/service/x/%zz HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 400"},
		"no HTTP":        {strings.Repeat("hello\r\n", 10) + "\r\n", "HTTP/1.1 400"},
		"absolute, CRLF": {"GET http://x/api/v1/service/x/%0d%0aX HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 401"},
	} {
		conn, err := net.Dial("tcp", s.http)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(conn, c.text)
		_ = conn.SetReadDeadline(time.Now().Add(patience))
		line, err := bufio.NewReader(conn).ReadString('\n')
		if !strings.HasPrefix(line, c.want) && !(name == "large head" && err != nil && !errors.Is(err, context.DeadlineExceeded)) {
			t.Errorf("%s: %q, %v", name, line, err)
		}
		_ = conn.Close()
	}
}
