package router

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jonboulle/clockwork"
	"go.opentelemetry.io/otel/trace"

	"berth.dev/berth/router/route"
)

const maxRequestID = 100

// exchange is one request and its answer. It is also the context of the request to the replica, so that what handles that request
// finds it.
type exchange struct {
	context.Context
	cancel context.CancelCauseFunc

	router  *Router
	w       http.ResponseWriter
	in      *http.Request
	service *service
	version *version
	path    string // of the container, escaped
	id      string
	origin  string // of a browser that the route lets call
	hopped  bool   // another router sent it
	start   time.Time

	body  body
	grant grant
	timer clockwork.Timer
	code  int

	scores bool       // it is for the scoring path
	record *record    // of what is kept; nil when nothing is
	span   trace.Span // nil without tracing
	queued time.Duration
	out    int64  // bytes of the answer
	reason string // of an error that the router answers
}

type exchangeKey struct{}

func (x *exchange) Value(key any) any {
	if key == (exchangeKey{}) {
		return x
	}
	return x.Context.Value(key)
}

func exchangeOf(ctx context.Context) *exchange {
	x, _ := ctx.Value(exchangeKey{}).(*exchange)
	return x
}

// ServeHTTP answers a request for a route.
func (r *Router) ServeHTTP(w http.ResponseWriter, in *http.Request) {
	x := r.begin(w, in)
	defer x.end()
	if f := x.identify(); f != nil {
		x.fail(f)
		return
	}
	if f := x.find(); f != nil {
		x.fail(f)
		return
	}
	x.traced()
	if x.preflight() {
		return
	}
	if err := x.service.guard.allow(in); err != nil {
		x.fail(unauthorized(err))
		return
	}
	if f := x.choose(); f != nil {
		x.fail(f)
		return
	}
	x.run()
}

func (r *Router) begin(w http.ResponseWriter, in *http.Request) *exchange {
	r.active.Add(1)
	x := &exchange{router: r, w: w, in: in, start: r.clock.Now()}
	x.Context, x.cancel = context.WithCancelCause(in.Context())
	return x
}

func (x *exchange) end() {
	x.cancel(nil)
	if x.timer != nil {
		x.timer.Stop()
	}
	x.record.end()
	took := x.router.clock.Since(x.start)
	x.router.metrics.observe(x, took)
	x.log(took)
	x.untrace()
	x.router.active.Add(-1)
}

// identify sees to the ids by which a request is followed. The scoring server of Azure ML refuses ids of more than 100 characters.
func (x *exchange) identify() *failure {
	h := x.in.Header
	own, ms := first(h[HeaderRequestID]), first(h[HeaderMSRequest])
	if x.id = own; x.id == "" {
		x.id = ms
	}
	long := max(len(own), len(ms), len(first(h[HeaderMSClient]))) > maxRequestID
	if x.id == "" || long {
		x.id = uuid.NewString()
	}
	if long {
		h.Del(HeaderMSClient)
		return &failure{http.StatusRequestHeaderFieldsTooLarge, "Request id too long", fmt.Sprintf("%s, %s and %s may have at most %d characters",
			strings.ToLower(HeaderRequestID), strings.ToLower(HeaderMSRequest), strings.ToLower(HeaderMSClient), maxRequestID), 0}
	}
	return nil
}

// first is Header.Get for a name that is written as headers are kept: it need not be made so for each request.
func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}

// find finds the route of the address.
func (x *exchange) find() *failure {
	name, rest, ok := route.ParsePath(x.in.URL.EscapedPath())
	if !ok {
		return notFound("the address is not one of a model: /api/v1/service/NAME/score or /api/v1/endpoint/NAME/score")
	}
	routes := x.router.routes.Load()
	if routes == nil {
		return &failure{http.StatusServiceUnavailable, "No ready replicas for service " + name.Name,
			"the router has just started and does not know its routes yet", time.Second}
	}
	if x.service = (*routes)[name]; x.service == nil {
		return notFound("this cluster has no %s of this name", name.Kind)
	}
	x.path = rest
	return nil
}

// preflight answers the question of a browser whether a page may call the route. No browser sends a key with it.
func (x *exchange) preflight() bool {
	origin := first(x.in.Header["Origin"])
	if origin == "" || len(x.service.CORS) == 0 {
		return false
	}
	if !slices.Contains(x.service.CORS, origin) && !slices.Contains(x.service.CORS, "*") {
		return false
	}
	x.origin = origin
	asked := x.in.Header.Get("Access-Control-Request-Method")
	if x.in.Method != http.MethodOptions || asked == "" {
		return false
	}
	h := x.w.Header()
	x.mark(h)
	h.Set("Access-Control-Allow-Methods", "GET, POST, OPTIONS")
	if asked := x.in.Header.Get("Access-Control-Request-Headers"); asked != "" {
		h.Set("Access-Control-Allow-Headers", asked)
	}
	h.Set("Access-Control-Max-Age", "86400")
	x.code = http.StatusNoContent
	x.w.WriteHeader(x.code)
	return true
}

// choose finds the version: the one that the caller names, or one by the percentages of the traffic.
func (x *exchange) choose() *failure {
	s := x.service
	if version, rest, is := route.ParseVersion(x.path); is && s.VersionPaths {
		for _, v := range s.versions {
			if v.Name == version {
				x.path = rest
				return x.aim(v)
			}
		}
		return notFound("%s has no version of the name that the address has", s.Name.Name)
	}
	if wanted := first(x.in.Header[HeaderDeployment]); wanted != "" {
		for _, v := range s.versions {
			if v.Name == wanted {
				return x.aim(v)
			}
		}
		return notFound("%s has no deployment of the name that the header azureml-model-deployment has", s.Name.Name)
	}
	draw := 0
	if len(s.versions) > 1 || s.rest == nil {
		draw = rand.IntN(max(100, s.traffic)) // #nosec G404 -- no secret
	} else {
		return x.aim(s.rest)
	}
	for _, v := range s.versions {
		if draw -= v.Traffic; draw < 0 {
			return x.aim(v)
		}
	}
	if s.rest != nil {
		return x.aim(s.rest)
	}
	if s.traffic > 0 { // less than 100 percent: in these proportions
		draw = rand.IntN(s.traffic) // #nosec G404 -- no secret
		for _, v := range s.versions {
			if draw -= v.Traffic; draw < 0 {
				return x.aim(v)
			}
		}
	}
	return &failure{http.StatusNotFound, "No valid deployments to route to. Please check that the endpoint has at least one deployment with " +
		"positive weight values or use a deployment specific header to route.", "no deployment of " + s.Name.Name + " has traffic", 0}
}

// aim sets the version and the path in its container.
func (x *exchange) aim(v *version) *failure {
	x.version = v
	word, more, deeper := strings.Cut(strings.TrimPrefix(x.path, "/"), "/")
	switch {
	case word == "score":
		x.scores = true
		x.path = orElse(v.ScorePath, "/score")
		if deeper {
			x.path = strings.TrimSuffix(x.path, "/") + "/" + more
		}
	case word == "swagger.json" && !deeper:
		x.path = orElse(v.SwaggerPath, "/swagger.json")
	}
	if _, err := url.PathUnescape(x.path); err != nil {
		return &failure{http.StatusBadRequest, "Bad request", "the path has an escape that is none", 0}
	}
	return nil
}

func orElse(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// run takes the request to a replica.
func (x *exchange) run() {
	if f := x.readBody(); f != nil {
		x.fail(f)
		return
	}
	if x.body.stream != nil {
		defer x.body.stream.close()
	}
	if !x.hopped {
		x.keep()
		x.mirror()
	}
	before, err := x.start, error(nil)
	if x.watched() {
		before = x.router.clock.Now()
	}
	if x.grant, err = x.version.pool.acquire(x, need{hopped: x.hopped}); err != nil {
		x.fail(x.explain(err))
		return
	}
	if x.watched() {
		x.queued = x.router.clock.Since(before)
	}
	defer func() { x.leave() }()
	x.enter()
	x.timer = x.router.clock.AfterFunc(x.patience(), func() { x.cancel(errTimeout) })
	x.router.proxy.ServeHTTP(x.w, x.in.WithContext(x))
}

// watched tells whether somebody wants to know how long the exchange waits.
func (x *exchange) watched() bool { return x.version.log != nil || x.span != nil }

// enter and leave are called with every grant.
func (x *exchange) enter() {
	if x.grant.peer != "" {
		x.router.hops.begin(x, x.grant.peer)
	}
}

func (x *exchange) leave() {
	if x.grant.peer != "" {
		x.router.hops.end(x, x.grant.peer)
	}
	x.version.pool.release(x.grant)
	x.grant = grant{}
}

// patience is how long the replica may take. Another router keeps the time of its replica itself, and its queue.
func (x *exchange) patience() time.Duration {
	if x.grant.peer != "" {
		return x.version.Timeout() + x.version.QueueWait() + wakeWait
	}
	return x.version.Timeout()
}

// progress restarts the time that a replica may take: something of a long request or answer went through.
func (x *exchange) progress() {
	if x.timer != nil {
		x.timer.Reset(x.patience())
	}
}

// fail answers for the replica.
func (x *exchange) fail(f *failure) {
	x.code, x.reason = f.code, f.reason
	x.out = int64(len(f.text))
	if f.code == codeGone {
		return
	}
	x.mark(x.w.Header())
	f.write(x.w)
}

// mark sets the headers that every answer has.
func (x *exchange) mark(h http.Header) {
	id := []string{x.id}
	h[HeaderRequestID], h[HeaderMSRequest] = id, id
	if id := first(x.in.Header[HeaderMSClient]); id != "" {
		h.Set(HeaderMSClient, id)
	}
	if x.version != nil && x.version.name.route.Kind == route.Endpoint {
		h.Set(HeaderDeployment, x.version.Name)
	}
	if x.origin != "" {
		h.Set("Access-Control-Allow-Origin", x.origin)
		h.Set("Access-Control-Expose-Headers", "x-berth-reason, x-request-id, x-ms-request-id, x-ms-client-request-id, azureml-model-deployment")
		h.Add("Vary", "Origin")
	}
}
