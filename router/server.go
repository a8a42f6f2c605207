package router

import (
	"context"
	"errors"
	"log"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Server serves a router at its ports.
type Server struct {
	Router   *Router
	HTTP     net.Listener // plain HTTP; nil when it is closed
	HTTPS    net.Listener // TLS by Cert; nil when it is closed
	Internal net.Listener // for pods of the cluster
	Cert     *Certificate
	Logger   *slog.Logger
	// Ready adds a condition to being ready; nil for none.
	Ready func() bool
	// Unready is how long the server takes requests after it has said that it is not ready: until load balancers and other routers
	// know. Drain is how long requests then have to end.
	Unready time.Duration
	Drain   time.Duration

	stopping atomic.Bool
}

// Bounds of what a stranger can send.
const (
	maxHeader     = 64 << 10
	headerTime    = 10 * time.Second
	keepAliveTime = 2 * time.Minute
	maxStreams    = 250 // of one HTTP/2 connection
)

// Serve serves until the context ends, then lets the requests end that are on their way.
func (s *Server) Serve(ctx context.Context) error {
	base, abort := context.WithCancelCause(context.Background())
	defer abort(errClosing)
	running, failed := s.start(base)
	var err error
	select {
	case err = <-failed:
	case <-ctx.Done():
	}
	s.stopping.Store(true)
	s.Logger.Info("shutting down", "requests", s.Router.active.Load())
	if err == nil {
		s.pause(s.Unready)
	}
	s.drain(running, abort)
	return err
}

func (s *Server) ready() bool {
	return s.Router.Known() && !s.stopping.Load() && (s.HTTPS == nil || s.HTTP != nil || s.Cert.Known()) && (s.Ready == nil || s.Ready())
}

// closing asks clients to make their next connection elsewhere once the server is to end. Idle connections stay for that long: to
// close them would fail the request that is just being sent.
func (s *Server) closing(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, in *http.Request) {
		if s.stopping.Load() && in.ProtoMajor == 1 {
			w.Header().Set("Connection", "close")
		}
		h.ServeHTTP(w, in)
	})
}

func (s *Server) start(base context.Context) (running []*http.Server, failed chan error) {
	failed = make(chan error, 3)
	serve := func(h http.Handler, l net.Listener, tls bool) {
		server := s.server(base, h)
		running = append(running, server)
		go func() {
			err := error(nil)
			if tls {
				server.TLSConfig = s.Cert.Config()
				err = server.ServeTLS(l, "", "")
			} else {
				err = server.Serve(l)
			}
			if !errors.Is(err, http.ErrServerClosed) {
				failed <- err
			}
		}()
	}
	if s.Internal != nil {
		serve(s.Router.Internal(s.ready), s.Internal, false)
	}
	if s.HTTP != nil {
		serve(s.closing(s.Router), s.HTTP, false)
	}
	if s.HTTPS != nil {
		serve(s.closing(s.Router), s.HTTPS, true)
	}
	return running, failed
}

func (s *Server) server(base context.Context, h http.Handler) *http.Server {
	p := &http.Protocols{}
	p.SetHTTP1(true)
	p.SetHTTP2(true)
	p.SetUnencryptedHTTP2(true)
	return &http.Server{Handler: h, Protocols: p, MaxHeaderBytes: maxHeader, ReadHeaderTimeout: headerTime,
		ReadTimeout: uploadPause, IdleTimeout: keepAliveTime,
		HTTP2:       &http.HTTP2Config{MaxConcurrentStreams: maxStreams, SendPingTimeout: time.Minute, PingTimeout: 15 * time.Second},
		BaseContext: func(net.Listener) context.Context { return base },
		ErrorLog:    log.New(quiet{s.Logger}, "", 0)}
}

// drain ends the servers; what is not done in time is aborted.
func (s *Server) drain(running []*http.Server, abort context.CancelCauseFunc) {
	ctx, cancel := context.WithTimeout(context.Background(), s.Drain)
	defer cancel()
	var all sync.WaitGroup
	for _, h := range running[1:] { // the internal one goes on: other routers may have sent requests
		all.Go(func() { _ = h.Shutdown(ctx) })
	}
	all.Wait()
	for s.Router.active.Load() > 0 && ctx.Err() == nil { // upgraded connections, which Shutdown does not know
		s.pause(20 * time.Millisecond)
	}
	for s.Router.spool.waits() && ctx.Err() == nil { // what was collected goes with the pod
		s.pause(20 * time.Millisecond)
	}
	abort(errClosing)
	_ = running[0].Shutdown(ctx)
	for _, h := range running {
		_ = h.Close()
	}
}

func (s *Server) pause(d time.Duration) {
	t := s.Router.clock.NewTimer(d)
	defer t.Stop()
	<-t.Chan()
}

// quiet takes in what net/http says about connections of strangers: it is no event of ours.
type quiet struct{ log *slog.Logger }

func (q quiet) Write(p []byte) (int, error) {
	q.log.Debug("connection", "error", string(p))
	return len(p), nil
}
