package app

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"berth.dev/berth"
	"berth.dev/berth/clusters"
	"berth.dev/berth/kube"
	"berth.dev/berth/provider/local"
)

// Local clusters answer on loopback addresses of this machine. Clients elsewhere reach them through the port of the server: the API of
// Kubernetes by the TLS server name, so that TLS goes from end to end and client certificates work; models by a path.

// front is the https address that clients elsewhere know, without a slash at its end; empty while clients are on this machine only.
func (c *Config) front() string {
	u, err := url.Parse(c.PublicURL)
	if err != nil || u.Host == "" || strings.EqualFold(u.Hostname(), "localhost") {
		return ""
	}
	if ip, err := netip.ParseAddr(u.Hostname()); err == nil && ip.IsLoopback() {
		return ""
	}
	return strings.TrimRight(c.PublicURL, "/")
}

// reach says in words from where clients reach the server, and what would be wrong with it. warning is empty when nothing is.
func (c *Config) reach() (where, warning string) {
	host, port, _ := net.SplitHostPort(c.Listen) // checked
	ip, err := netip.ParseAddr(host)
	everywhere := host == "" || err == nil && ip.IsUnspecified()
	alone := strings.EqualFold(host, "localhost") || err == nil && ip.IsLoopback()
	where = "this machine only"
	switch front := c.front(); {
	case everywhere && c.PublicURL == "":
		return "all addresses of this machine", "the server listens on all addresses and tells clients https://127.0.0.1:" + port +
			", which only this machine reaches: give the address that clients use with --public-url"
	case everywhere:
		where = "all addresses of this machine"
	case !alone:
		where = host
	case front != "":
		where = "this machine, and elsewhere through what forwards " + front + " to it"
	}
	if !alone && c.PublicURL != "" && c.front() == "" {
		warning = "the server listens on " + c.Listen + " and tells clients " + c.PublicURL + ", which only this machine reaches: give the " +
			"address that clients use with --public-url"
	}
	return where, warning
}

func (s *server) serveHTTPS(certificate certificates, handler http.Handler) error {
	web := &http.Server{
		Handler:           bounded(handler, unreadFor),
		TLSConfig:         &tls.Config{GetCertificate: certificate, MinVersion: tls.VersionTLS12},
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: maxStreams},
		ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, IdleTimeout: 2 * time.Minute,
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug), // handshakes that strangers break off
	}
	inner := s.apiOf
	if s.config.front() == "" {
		inner = nil // clients on this machine go straight to a cluster
	}
	go func() {
		if err := web.ServeTLS(newFrontDoor(s.listener, s.config.names(), inner), "", ""); !errors.Is(err, http.ErrServerClosed) {
			s.failed <- err
		}
	}()
	s.onStop(func() error { return s.shutdown(web) })
	return nil
}

// serverName reads the beginning of a TLS connection up to the name of the server that the client wants. The connection that it returns
// begins anew.
func serverName(conn net.Conn) (name string, again net.Conn) {
	var begun bytes.Buffer
	hello := tls.Server(heardConn{Conn: conn, from: io.TeeReader(conn, &begun)}, &tls.Config{MinVersion: tls.VersionTLS12,
		GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) {
			name = h.ServerName
			return nil, errHeard
		}})
	_ = hello.HandshakeContext(context.Background()) // errHeard, or what the real handshake will find again
	return name, &begunConn{Conn: conn, begun: bytes.NewReader(begun.Bytes())}
}

var errHeard = errors.New("the name was heard")

// heardConn lets the TLS library read, and say nothing.
type heardConn struct {
	net.Conn
	from io.Reader
}

// Read implements net.Conn.
func (h heardConn) Read(p []byte) (int, error) { return h.from.Read(p) }

// Write implements net.Conn.
func (heardConn) Write(p []byte) (int, error) { return len(p), nil }

// apiOf is where the API of the local cluster with a name is.
func (s *server) apiOf(name string) (address string, ok bool) {
	if !strings.HasSuffix(strings.ToLower(name), local.HostSuffix) {
		return "", false
	}
	_, address, ok = s.provider.Named(name)
	return address, ok
}

// joined passes everything on between two connections until one of them ends.
func joined(a, b net.Conn) {
	ended := make(chan struct{}, 2)
	for _, pair := range [][2]net.Conn{{a, b}, {b, a}} {
		go func() {
			_, _ = io.Copy(pair[0], pair[1]) // an end like any other
			ended <- struct{}{}
		}()
	}
	<-ended
	_ = a.Close()
	_ = b.Close()
	<-ended
}

// routers passes requests to models on to the routers of local clusters: https://…/inference/{first label of the cluster's name}/….
type routers struct {
	s     *server
	mu    sync.Mutex
	known map[string]routerAt // by cluster
}

type routerAt struct {
	host  string
	until time.Time
}

// routerStays is how long the address of a router is taken for true. It changes when the router's Service is made anew.
const routerStays = 10 * time.Second

func (s *server) inference() http.Handler {
	r := &routers{s: s, known: map[string]routerAt{}}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) {
			label, rest, _ := strings.Cut(strings.TrimPrefix(p.In.URL.Path, clusters.InferencePath), "/")
			host, _ := p.In.Context().Value(routerKey{}).(string)
			p.SetURL(&url.URL{Scheme: "http", Host: host})
			p.Out.URL.Path, p.Out.URL.RawPath = "/"+rest, ""
			if raw := p.In.URL.RawPath; raw != "" {
				p.Out.URL.RawPath = strings.TrimPrefix(raw, clusters.InferencePath+label)
			}
			p.Out.Host = p.In.Host
			p.SetXForwarded()
		},
		FlushInterval: -1, // what a model streams comes at once
		ErrorHandler: func(w http.ResponseWriter, req *http.Request, err error) {
			s.log.Debug("a router does not answer", "path", req.URL.Path, "error", err)
			http.Error(w, "The router of the cluster does not answer at present. Try again in a moment.", http.StatusBadGateway)
		},
	}
	return patient(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		label, _, _ := strings.Cut(strings.TrimPrefix(req.URL.Path, clusters.InferencePath), "/")
		host, err := r.of(req.Context(), label)
		if err != nil {
			http.Error(w, berth.Sentence(err), http.StatusNotFound)
			return
		}
		proxy.ServeHTTP(w, req.WithContext(context.WithValue(req.Context(), routerKey{}, host)))
	}))
}

// dialModels connects to what serves models. The public address of the server leads to the routers of local clusters; it is no address
// that the guard permits, and not one that every machine can call itself by.
func (s *server) dialModels(guard *kube.Guard) func(ctx context.Context, network, address string) (net.Conn, error) {
	front, err := url.Parse(s.config.front())
	own := ""
	if err == nil && front.Host != "" {
		own = net.JoinHostPort(front.Hostname(), cmp.Or(front.Port(), "443"))
	}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		if own != "" && strings.EqualFold(address, own) {
			return (&net.Dialer{Timeout: doorPatience}).DialContext(ctx, network, s.listener.Addr().String())
		}
		return guard.Dial(ctx, network, address)
	}
}

// routerKey is the key under which the context of a request has host:port of its router.
type routerKey struct{}

// of is host:port of the router in the cluster with a label.
func (r *routers) of(ctx context.Context, label string) (string, error) {
	id, _, ok := r.s.provider.Named(label + local.HostSuffix)
	if !ok {
		return "", berth.Errorf(berth.CodeNotFound, "This server runs no cluster that is called '%.80s'.", label)
	}
	r.mu.Lock()
	at, known := r.known[id.String()]
	r.mu.Unlock()
	if known && time.Now().Before(at.until) {
		return at.host, nil
	}
	conn, err := r.s.clusters.Connect(ctx, id)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	address, err := r.s.serving.Address(ctx, conn)
	if err != nil {
		return "", err
	}
	if address.Host == "" || address.HTTP == 0 {
		return "", berth.Errorf(berth.CodeNotFound, "The cluster '%s' serves no models here.", id.Name())
	}
	at = routerAt{net.JoinHostPort(address.Host, strconv.Itoa(address.HTTP)), time.Now().Add(routerStays)}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.known[id.String()] = at
	return at.host, nil
}
