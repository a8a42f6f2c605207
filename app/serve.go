// Package app is the composition root: it reads the configuration, starts everything in order, and stops it in reverse.
package app

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/gofrs/flock"
	"github.com/jonboulle/clockwork"

	"berth.dev/berth"
	"berth.dev/berth/access"
	"berth.dev/berth/arm"
	"berth.dev/berth/azext"
	"berth.dev/berth/blob"
	"berth.dev/berth/blob/azure"
	"berth.dev/berth/clusters"
	"berth.dev/berth/graph"
	"berth.dev/berth/identity"
	"berth.dev/berth/images"
	"berth.dev/berth/kube"
	"berth.dev/berth/provider/local"
	"berth.dev/berth/reconcile"
	"berth.dev/berth/seal"
	"berth.dev/berth/serving"
	"berth.dev/berth/signin"
	"berth.dev/berth/store"
	"berth.dev/berth/studio"
)

const (
	// stopPatience is how long requests may take to end when the server stops.
	stopPatience = 10 * time.Second
	lockPatience = 2 * time.Second
)

// Info describes a running server.
type Info struct {
	Endpoint, DataDir, CredentialsFile, CAFile string
	DebugAddress                               string // empty when off
	Reach                                      string // from where clients reach it, in words
}

// Serve runs a server until ctx is done, then stops it: requests end, the engine hands back its work, clusters stop.
// ready is called once when it answers; it may be nil. logs go to logTo.
func Serve(ctx context.Context, c Config, logTo io.Writer, ready func(Info)) error {
	s := &server{config: c, clock: clockwork.NewRealClock()}
	var err error
	if s.log, err = newLogger(c, logTo); err != nil {
		return err
	}
	if err := s.start(ctx); err != nil {
		return errors.Join(err, s.stop())
	}
	where, warning := c.reach()
	s.info.Reach = where
	s.log.Info("berth is ready", "endpoint", s.info.Endpoint, "listen", s.listener.Addr().String(), "reachedFrom", where,
		"dataDir", s.info.DataDir)
	if warning != "" {
		s.log.Warn(warning)
	}
	if ready != nil {
		ready(s.info)
	}
	select {
	case <-ctx.Done():
		s.log.Info("stopping")
	case err = <-s.failed:
	}
	return errors.Join(err, s.stop())
}

func newLogger(c Config, to io.Writer) (*slog.Logger, error) {
	level, err := c.level()
	if err != nil {
		return nil, err
	}
	o := &slog.HandlerOptions{Level: level}
	if c.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(to, o)), nil
	}
	return slog.New(slog.NewTextHandler(to, o)), nil
}

// server is what runs. stops holds how to undo each step of start, in order.
type server struct {
	config      Config
	clock       clockwork.Clock
	log         *slog.Logger
	info        Info
	listener    net.Listener
	clusterDoor string // host:port at which the clusters on this machine ask; see clusterAccess
	store       *store.Store
	metrics     *metrics
	directory   *identity.Directory
	people      *identity.People
	// signInPages are where people sign in.
	signInPages *signin.Pages
	access      *access.Guard
	keys        *identity.Keys
	box         *seal.Box
	provider    *local.Provider
	clusters    *clusters.Clusters
	files       *blob.Store
	account     *azure.Account // serves files
	images      *images.Store
	serving     *serving.Serving
	scoring     *identity.ScoringKeys
	spans       berth.Spans
	traced      func(http.Handler) http.Handler // makes a span of each request
	stops       []func() error
	failed      chan error
}

func (s *server) stop() error {
	var errs []error
	for i := len(s.stops) - 1; i >= 0; i-- {
		errs = append(errs, s.stops[i]())
	}
	s.stops = nil
	return errors.Join(errs...)
}

func (s *server) onStop(f func() error) { s.stops = append(s.stops, f) }

// start brings everything up: first the steps that can fail for reasons the user can repair, then those that start processes.
func (s *server) start(ctx context.Context) error {
	s.failed = make(chan error, 4)
	if err := s.lockDataDir(); err != nil {
		return err
	}
	if err := s.listen(); err != nil {
		return err
	}
	s.info.Endpoint = s.config.endpoint(s.listener.Addr())
	if err := cmp.Or(s.openSpans(ctx), s.openStore(ctx)); err != nil {
		return err
	}
	certificate, err := s.certificate()
	if err != nil {
		return err
	}
	authority, credentials, err := s.authority(ctx)
	if err != nil {
		return err
	}
	ranges, err := s.config.controlPlane()
	if err != nil {
		return err
	}
	s.metrics = newMetrics(s.store)
	if err := errors.Join(s.openFiles(ctx), s.openRegistry(ctx), s.openClusters(credentials.TenantID, authority)); err != nil {
		return err
	}
	resourceManager := arm.New(arm.Options{
		Store: s.store, Clusters: s.clusters, Authority: authority, Access: s.access, Log: s.log, Clock: s.clock,
		Subscription: credentials.SubscriptionID, Endpoint: s.info.Endpoint, Hosts: s.hostsWithPort(), ControlPlane: ranges,
		Models:    s.models(credentials.SubscriptionID),
		CloudName: s.config.CloudName, TemplateHosts: s.config.TemplateHosts, Links: &http.Client{CheckRedirect: stay},
		EndingWait: time.Minute, Observe: s.metrics.observe, Ready: s.store.Ping,
	})
	if err := s.startEngine(ctx, resources{resourceManager}); err != nil {
		return err
	}
	handler := s.traced(resourceManager)
	s.collectFiles(ctx)
	if err := s.serveDebug(); err != nil {
		return err
	}
	pages, err := s.openStudio(authority, ways{s.signInPages, credentials.SubscriptionID}, handler)
	if err != nil {
		return err
	}
	defer s.measure()                                          // stops first: the logs that are followed would keep requests from ending,
	defer s.onStop(func() error { pages.Close(); return nil }) // and so would open pages
	rest := s.handler(handler, others{s.openMetrics(authority), s.graph(authority), pages, s.signInPages})
	return s.serveHTTPS(certificate, s.synced(s.withFiles(s.withRegistry(authority, rest))))
}

// graph is the part of Microsoft Graph by which callers and people are managed.
func (s *server) graph(a *identity.Authority) http.Handler {
	return graph.New(graph.Options{
		Authority: a, Directory: s.directory, People: s.people, Access: s.access, Keys: s.keys, Endpoint: s.info.Endpoint, Log: s.log,
		RotateSecretKey: s.rotateSecretKey, Activity: s.store.Log,
	})
}

// measure measures what clusters use until the server stops, which also ends the logs that are followed.
func (s *server) measure() {
	done := make(chan struct{})
	go func() { defer close(done); s.clusters.Measure() }()
	s.onStop(func() error { s.clusters.Close(); <-done; return nil })
}

// lockDataDir makes the data folder and takes it: one server per folder.
func (s *server) lockDataDir() error {
	dir, err := filepath.Abs(s.config.DataDir)
	if err != nil {
		return err
	}
	s.config.DataDir, s.info.DataDir = dir, dir
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("the data folder cannot be made: %w; choose another with --data-dir", err)
	}
	lock := flock.New(filepath.Join(dir, "lock"), flock.SetPermissions(0o600))
	// A server that was killed while it started a child leaves the lock with that child for the moment until it becomes
	// another program: so the lock is asked for more than once.
	patience, cancel := context.WithTimeout(context.Background(), lockPatience)
	defer cancel()
	got, err := lock.TryLockContext(patience, lockPatience/50)
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("the data folder %s cannot be locked: %w", dir, err)
	}
	if !got {
		return fmt.Errorf("another berth serves the data folder %s; stop it, or choose another folder with --data-dir", dir)
	}
	s.onStop(lock.Unlock)
	return finishRestore(dir)
}

func (s *server) listen() error {
	l, err := net.Listen("tcp", s.config.Listen)
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%s is in use by another program; choose another address with --listen, such as --listen 127.0.0.1:9443",
			s.config.Listen)
	}
	if err != nil {
		return fmt.Errorf("cannot listen on %s: %w; choose another address with --listen", s.config.Listen, err)
	}
	s.listener = l
	s.onStop(func() error {
		if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			return err
		}
		return nil
	})
	return nil
}

// hostsWithPort are the Host headers under which this server may be called.
func (s *server) hostsWithPort() []string {
	_, port, _ := net.SplitHostPort(s.listener.Addr().String())
	var out []string
	for _, h := range s.config.names() {
		out = append(out, net.JoinHostPort(h, port))
		if port == "443" {
			out = append(out, h)
		}
	}
	return append(out, strings.TrimPrefix(s.info.Endpoint, "https://"))
}

// openClusters makes the provider and the way to all clusters. id is what this Berth signs its clusters with: it must stay the
// same when the address changes.
func (s *server) openClusters(id string, authority *identity.Authority) error {
	door, err := s.openClusterAccess(authority)
	if err != nil {
		return err
	}
	s.clusterDoor = door.listener.Addr().String()
	s.provider, err = local.New(local.Options{
		Dir: filepath.Join(s.config.DataDir, "clusters"), Binary: s.config.KubeBinary, Nodes: s.config.nodes(),
		Egress: s.config.Egress, SignIn: door.signIn(), Logger: s.log, Clock: s.clock,
	})
	if err != nil {
		return err
	}
	guard, err := s.guard()
	s.clusters = clusters.New(clusters.Options{Store: s.store, Provider: s.provider, Clock: s.clock, ServerID: id, Guard: guard,
		Front: s.config.front(),
		Counts: func(ctx context.Context, conn *kube.Conn) (map[string][]byte, error) {
			return s.serving.Counts(ctx, conn)
		}})
	return err
}

// startEngine starts the provider with its clusters, and the loop that works on operations.
func (s *server) startEngine(ctx context.Context, through reconcile.Resources) error {
	if err := s.provider.Start(ctx); err != nil {
		return err
	}
	s.onStop(func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 3*stopPatience)
		defer cancel()
		return s.provider.Stop(ctx)
	})
	engine := reconcile.New(reconcile.Options{
		Store: s.store, Provider: s.provider, Clusters: s.clusters, Serving: s.serving, Files: s.files, TokenKeys: s.scoring.Public(),
		Images: s.pushedImages(),
		Clock:  s.clock, Log: s.log, ServerID: s.clusters.ServerID,
		Resources: through, CheckEvery: s.config.healthInterval(), KeepActivity: s.config.keepActivity(),
		Spans: s.spans, Panicked: s.metrics.panicked,
	})
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := engine.Run(run); err != nil {
			s.failed <- err
		}
	}()
	s.onStop(func() error { cancel(); <-done; return nil })
	return nil
}

// stay follows no redirect.
func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// certificates finds the certificate for a handshake.
type certificates = func(*tls.ClientHelloInfo) (*tls.Certificate, error)

// certificate is the operator's own, else one from the authority in the data folder.
func (s *server) certificate() (certificates, error) {
	if s.config.TLSCert != "" {
		if s.config.TLSCA != "" {
			file, err := filepath.Abs(s.config.TLSCA) // clients have another working folder
			if err != nil {
				return nil, err
			}
			s.info.CAFile = file
		}
		u, err := url.Parse(s.info.Endpoint)
		if err != nil {
			return nil, err
		}
		return identity.OwnCertificate(s.config.TLSCert, s.config.TLSKey, u.Hostname(), s.clock)
	}
	ca, err := identity.LoadOrMakeCA(s.config.DataDir, s.clock.Now())
	if err != nil {
		return nil, err
	}
	s.info.CAFile = filepath.Join(s.config.DataDir, "ca.pem")
	return ca.GetCertificate(s.config.names(), s.clock)
}

// others are what is not ARM and has a handler of its own.
type others struct{ metrics, callers, pages, people http.Handler }

// handler serves what is not ARM beside it. There is no http.ServeMux: it answers doubled slashes with a redirect, and
// clients' PUTs die of it.
func (s *server) handler(arm http.Handler, others others) http.Handler {
	extensions, inference := azext.Handler(s.info.Endpoint), s.inference()
	toPages := http.RedirectHandler(studio.Path, http.StatusFound)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		reads := r.Method == http.MethodGet || r.Method == http.MethodHead
		switch {
		case reads && r.URL.Path == "/metrics":
			others.metrics.ServeHTTP(w, r)
		case reads && r.URL.Path == "/" && strings.Contains(r.Header.Get("Accept"), "text/html"): // a browser
			toPages.ServeHTTP(w, r)
		case strings.HasPrefix(r.URL.Path, clusters.InferencePath):
			inference.ServeHTTP(w, r)
		case reads && strings.HasPrefix(r.URL.Path, azext.Path):
			extensions.ServeHTTP(w, r)
		case strings.HasPrefix(r.URL.Path, graph.Path):
			others.callers.ServeHTTP(w, r)
		case r.URL.Path == studio.Path || strings.HasPrefix(r.URL.Path, studio.Path+"/"):
			others.pages.ServeHTTP(w, visited(r))
		case signin.Handles(r.URL.Path):
			others.people.ServeHTTP(w, r)
		default:
			arm.ServeHTTP(w, r)
		}
	})
}

func (s *server) shutdown(web *http.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), stopPatience)
	defer cancel()
	if err := web.Shutdown(ctx); err != nil {
		s.log.Warn("requests that have not ended are cut off", "after", stopPatience)
		return web.Close()
	}
	return nil
}
