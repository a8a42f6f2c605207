package router

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"time"

	"berth.dev/berth/router/route"
)

const (
	// idleTime is how long a connection to a replica is kept for the next request. It must be shorter than what servers in
	// containers keep one (gunicorn: 2 s): a request that meets a connection which is just being closed cannot be sent again safely.
	idleTime = 900 * time.Millisecond
	// connectTime is how long a replica or a router may take to accept a connection.
	connectTime = time.Second
	// attempts is how many replicas are tried that do not accept a connection.
	attempts   = 3
	headerPeer = route.HeaderPeer // shows the peer key
)

// dialError is that nothing was sent, because there was no connection.
type dialError struct{ error }

func (e *dialError) Unwrap() error { return e.error }

func newTransport() *http.Transport {
	dialer := &net.Dialer{Timeout: connectTime, KeepAlive: 30 * time.Second}
	return &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			c, err := dialer.DialContext(ctx, network, address)
			if err != nil {
				return nil, &dialError{err}
			}
			return c, nil
		},
		DisableCompression: true, MaxIdleConnsPerHost: 1 << 16, IdleConnTimeout: idleTime, MaxResponseHeaderBytes: 64 << 10,
		WriteBufferSize: 8 << 10, ReadBufferSize: 8 << 10,
	}
}

func (r *Router) newProxy() *httputil.ReverseProxy {
	return &httputil.ReverseProxy{
		Rewrite: rewrite, Transport: &dispatcher{newTransport()}, ModifyResponse: received, ErrorHandler: failed, BufferPool: buffers{},
		ErrorLog: log.New(quiet{r.log}, "", 0), // it only repeats what the client sees: an answer that is not whole
	}
}

// rewrite makes the request to the replica.
func rewrite(p *httputil.ProxyRequest) {
	x := exchangeOf(p.In.Context())
	h := p.Out.Header
	delete(h, headerPeer)
	if x.hopped {
		for _, name := range []string{"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"} {
			h[name] = p.In.Header[name]
		}
	} else {
		p.SetXForwarded()
		if x.service.guard.mode != "" && x.service.guard.mode != "none" {
			delete(h, "Authorization") // the key is the router's: a container has no use for it
		}
	}
	id := []string{x.id}
	h[HeaderRequestID] = id
	if len(h[HeaderMSRequest]) == 0 {
		h[HeaderMSRequest] = id
	}
	p.Out.Host = ""
	p.Out.URL.Scheme = "http"
}

// dispatcher sends a request to the replica that it was granted, and to another one when there is no connection to the first.
// Once a byte may have been sent, it is not sent again: the replica may have worked on it.
type dispatcher struct{ transport *http.Transport }

func (d *dispatcher) RoundTrip(req *http.Request) (*http.Response, error) {
	x := exchangeOf(req.Context())
	for attempt := 1; ; attempt++ {
		x.address(req)
		done := x.asks(req)
		res, err := d.transport.RoundTrip(req)
		done(res, err)
		if err == nil || attempt == attempts || req.Context().Err() != nil || !errors.As(err, new(*dialError)) {
			return res, err
		}
		if next := x.elsewhere(); next != nil {
			return nil, fmt.Errorf("%w, then %w", err, next)
		}
		req = req.Clone(req.Context())
	}
}

// address points the request to its grant.
func (x *exchange) address(req *http.Request) {
	host, path := "", x.path
	if x.grant.peer != "" {
		host, path = x.grant.peer, hopPath+x.version.name.String()+x.path
		req.Header.Set(headerPeer, *x.router.peerKey.Load())
	} else {
		host = x.grant.replica.address
		delete(req.Header, headerPeer)
	}
	req.URL.Host = host
	req.URL.Path, req.URL.RawPath = path, ""
	if strings.Contains(path, "%") {
		req.URL.RawPath = path
		req.URL.Path, _ = url.PathUnescape(path) // aim has tried it
	}
	req.Body, req.GetBody = x.body.open(), nil
	if x.body.stream == nil {
		req.ContentLength = int64(len(x.body.small))
		req.GetBody = x.again
	}
}

// elsewhere finds another place for the request, because its own does not accept connections.
func (x *exchange) elsewhere() error {
	pool, old := x.version.pool, x.grant
	if old.replica != nil {
		pool.refused(old.replica)
	} else {
		x.router.suspect(old.peer)
	}
	x.leave()
	var err error
	x.grant, err = pool.acquire(x, need{hopped: x.hopped})
	x.enter()
	return err
}

// received is called with the head of a replica's answer.
func received(res *http.Response) error {
	x := exchangeOf(res.Request.Context())
	x.code = res.StatusCode
	h := res.Header
	if x.grant.peer == "" {
		h.Del(HeaderReason)
	}
	if x.origin != "" {
		h.Del("Access-Control-Allow-Origin")
	}
	x.mark(h)
	if x.record != nil {
		x.record.watch(res, x.router.clock.Now())
	}
	switch {
	case res.StatusCode == http.StatusSwitchingProtocols:
		x.timer.Stop()
	case res.ContentLength < 0 || res.ContentLength > maxReplay:
		res.Body = &download{res.Body, x}
	default:
		x.out = res.ContentLength
	}
	if res.StatusCode >= http.StatusInternalServerError && x.grant.peer == "" {
		reason := fmt.Sprintf("the container of %s itself answered %d; see the logs", x.what(), res.StatusCode)
		if h.Get(headerRunFailed) != "" {
			reason = fmt.Sprintf("run() of the scoring script of %s raised an exception; see the logs", x.what())
		}
		h.Set(HeaderReason, reason)
	}
	return nil
}

// failed is called when there is no answer.
func failed(_ http.ResponseWriter, req *http.Request, err error) {
	x := exchangeOf(req.Context())
	f := x.explain(err)
	if x.grant.peer != "" && f.code == http.StatusBadGateway {
		x.router.suspect(x.grant.peer) // until it answers again
	}
	if f.code >= http.StatusInternalServerError {
		x.router.log.Debug("no answer from a replica", "route", x.version.name.String(), "id", x.id, "error", err)
	}
	x.fail(f)
}

// buffers are what answers are copied with.
type buffers struct{}

var bufferPool = sync.Pool{New: func() any { return new([32 << 10]byte) }}

func (buffers) Get() []byte  { return bufferPool.Get().(*[32 << 10]byte)[:] }
func (buffers) Put(b []byte) { bufferPool.Put((*[32 << 10]byte)(b)) }
