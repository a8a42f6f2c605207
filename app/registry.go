package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/netutil"

	"berth.dev/berth"
	"berth.dev/berth/disk"
	"berth.dev/berth/identity"
	"berth.dev/berth/images"
	"berth.dev/berth/kube"
	"berth.dev/berth/provider/local"
)

// registrySocket is where the nodes of local clusters ask for images, in the folder of images, which they see. It only reads.
const registrySocket = "registry.sock"

// openRegistry opens the images of this server, and serves them to the nodes of local clusters.
func (s *server) openRegistry(ctx context.Context) (err error) {
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	if s.images, err = openImages(run, s.config.DataDir, s.config.KubeBinary, s.log); err != nil {
		cancel()
		return fmt.Errorf("the folder of images: %w", err)
	}
	unpack := s.images.Unpack
	s.images.Unpack = nil // all at once, beside the start
	if err := errors.Join(s.images.TakeArchives(), s.images.Sweep()); err != nil {
		s.log.Warn("the folder of images is not in order", "error", err)
	}
	s.images.Unpack = unpack
	_, all, _ := disk.Free(s.config.DataDir) // what is not known is left to the disk
	s.images.Spare = spare(all)
	done := make(chan struct{})
	go func() { defer close(done); s.tendImages(run) }()
	s.onStop(func() error { cancel(); <-done; return nil })
	mirrors, err := s.config.registryMirrors()
	if err != nil {
		return err
	}
	if err := s.images.SetHosts(s.hostsWithPort(), mirrors); err != nil || runtime.GOOS != "linux" { // which alone has real nodes
		return err
	}
	return s.serveNodes(images.RegistryOptions{Log: s.log, ReadOnly: true, Own: s.isOwnHost,
		Upstreams: s.images.NewUpstreams(mirrors, registryTransport())})
}

// serveNodes answers the nodes of local clusters on their socket.
func (s *server) serveNodes(options images.RegistryOptions) error {
	dir, err := os.Open(filepath.Join(s.config.DataDir, local.ImagesFolder))
	if err != nil {
		return err
	}
	defer func() { _ = dir.Close() }()
	path := fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), registrySocket) // a path of a socket has at most 107 bytes
	if err := os.RemoveAll(path); err != nil {
		return err
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return fmt.Errorf("the socket of the registry of images: %w", err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false) // by a path that will mean something else
	if err := os.Chmod(path, 0o666); err != nil { // #nosec: only the owner enters the data folder, and the ids of nodes are others
		return err
	}
	web := &http.Server{Handler: patient(s.images.Registry(options)),
		ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10}
	go func() { _ = web.Serve(netutil.LimitListener(l, maxPulls)) }() // until it is stopped
	s.onStop(func() error { return s.shutdown(web) })
	return nil
}

// registryTransport reaches the registries that pods name, and neither this machine nor its neighbours.
func registryTransport() http.RoundTripper {
	guard := kube.Guard{NotHere: true}
	return &http.Transport{DialContext: guard.Dial, ForceAttemptHTTP2: true, TLSHandshakeTimeout: 10 * time.Second,
		ResponseHeaderTimeout: stall, IdleConnTimeout: time.Minute, MaxIdleConnsPerHost: 8}
}

// maxPulls is how many connections of nodes the registry has at a time. A pod in the network of its node can open some too.
const maxPulls = 200

// tendImages unpacks for all clusters what a kill has left undone, and removes what nobody continues, until ctx is done.
func (s *server) tendImages(ctx context.Context) {
	if all, err := s.images.List(); err != nil || len(all) > 0 {
		s.images.Unpack(nil)
	}
	tick := s.clock.NewTicker(time.Hour)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.Chan():
		}
		if err := s.images.Sweep(); err != nil {
			s.log.Warn("the folder of images is not in order", "error", err)
		}
	}
}

// isOwnHost reports whether a host and port are this server's.
func (s *server) isOwnHost(host string) bool {
	return slices.ContainsFunc(s.hostsWithPort(), func(own string) bool { return strings.EqualFold(own, host) })
}

// withRegistry serves the registry of images to those whose roles permit it.
func (s *server) withRegistry(authority *identity.Authority, rest http.Handler) http.Handler {
	registry := authority.RequireRegistry(s.byRole(patient(s.images.Registry(images.RegistryOptions{Log: s.log, Own: s.isOwnHost}))))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, images.Path) || r.URL.Path == strings.TrimSuffix(images.Path, "/") {
			registry.ServeHTTP(w, r)
			return
		}
		rest.ServeHTTP(w, r)
	})
}

// byRole passes those on that may pull, and may push when they do: the actions of Azure's roles AcrPull and AcrPush, in the subscription.
func (s *server) byRole(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		right := berth.TypeRegistry + "/push/write"
		if r.Method == http.MethodGet || r.Method == http.MethodHead {
			right = berth.TypeRegistry + "/pull/read"
		}
		caller, _ := identity.CallerFrom(r.Context())
		switch may, err := s.access.May(r.Context(), caller.ObjectID, right); {
		case err != nil:
			s.log.Error("the roles cannot be read", "error", err)
			identity.RefuseRegistry(w, http.StatusInternalServerError, "UNKNOWN", "A transient error has occurred. Please try again.")
		case !may && r.URL.Path != images.Path: // where clients only see whether they are signed in
			identity.RefuseRegistry(w, http.StatusForbidden, "DENIED", "The client '"+caller.Called()+"' needs the right '"+right+
				"' in the subscription, as the roles AcrPull and AcrPush have it.")
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// stall is how long a client that pushes may send nothing. It replaces the limit for whole requests: a layer may have gigabytes.
const stall = time.Minute

// patient lets requests take as long as something moves.
func patient(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		control := http.NewResponseController(w)
		_ = control.SetReadDeadline(time.Time{}) // that of the whole request; without a connection there is none
		r.Body = patientBody{r.Body, control}
		next.ServeHTTP(w, r) // see bounded for answers
	})
}

type patientBody struct {
	io.ReadCloser
	control *http.ResponseController
}

func (p patientBody) Read(data []byte) (int, error) {
	_ = p.control.SetReadDeadline(time.Now().Add(stall))
	n, err := p.ReadCloser.Read(data)
	if errors.Is(err, io.EOF) {
		_ = p.control.SetReadDeadline(time.Time{}) // what follows does not read
	}
	return n, err
}
