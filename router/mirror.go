package router

import (
	"context"
	"io"
	"math/rand/v2"
	"net/http"
)

const (
	// maxMirrors is how many mirrored requests are on their way at a time; more are dropped.
	maxMirrors = 64
	// maxMirrored is how much of an answer that nobody reads is read, so that its connection can be used again.
	maxMirrored = 1 << 20
)

// What became of a mirrored request, for the metrics.
const (
	mirrorSent    = "sent"
	mirrorDropped = "dropped" // no place, or the body is too large to be sent twice
	mirrorFailed  = "failed"
)

// mirror sends copies of the request to the versions that want some. Nobody waits for them.
func (x *exchange) mirror() {
	for _, v := range x.service.mirrors {
		if v == x.version || rand.IntN(100) >= v.Mirror { // #nosec G404 -- no secret
			continue
		}
		select {
		case x.router.mirrors <- struct{}{}:
		default:
			x.router.metrics.mirrored(v, mirrorDropped)
			continue
		}
		if x.body.stream != nil {
			<-x.router.mirrors
			x.router.metrics.mirrored(v, mirrorDropped)
			continue
		}
		copied := x.in.Clone(context.WithoutCancel(x.in.Context()))
		go x.router.sendMirror(copied, v, &exchange{router: x.router, service: x.service, path: x.path, id: x.id, body: x.body,
			in: copied, hopped: true, scores: x.scores}) // it goes to no other router
	}
}

func (r *Router) sendMirror(in *http.Request, v *version, x *exchange) {
	defer func() { <-r.mirrors }()
	ctx, cancel := context.WithTimeoutCause(in.Context(), v.Timeout(), errTimeout)
	defer cancel()
	x.Context, x.version = ctx, v
	x.keep()
	defer func() { x.record.end() }()
	var err error
	if x.grant, err = v.pool.acquire(x, need{atOnce: true}); err != nil {
		r.metrics.mirrored(v, mirrorDropped)
		return
	}
	defer func() { v.pool.release(x.grant) }()
	out := in.WithContext(x)
	out.RequestURI, out.Host = "", ""
	out.Close = false
	out.URL.Scheme = "http"
	for _, name := range []string{"Authorization", "Connection", "Upgrade", "Te", "Trailer", "Transfer-Encoding", "Keep-Alive",
		"Proxy-Connection"} {
		out.Header.Del(name)
	}
	out.Header.Set(HeaderRequestID, x.id)
	res, err := r.proxy.Transport.RoundTrip(out)
	if err != nil {
		r.metrics.mirrored(v, mirrorFailed)
		return
	}
	if x.record != nil {
		x.record.watch(res, r.clock.Now())
	}
	_, _ = io.CopyN(io.Discard, res.Body, maxMirrored)
	_ = res.Body.Close()
	r.metrics.mirrored(v, mirrorSent)
}
