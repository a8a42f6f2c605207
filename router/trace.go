package router

import (
	"net/http"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"berth.dev/berth/router/route"
)

// traceContext reads and writes traceparent and tracestate.
var traceContext propagation.TraceContext

// traced begins the span of an exchange, which continues the trace of the caller. Without a tracer the caller's headers are passed on as
// they are.
func (x *exchange) traced() {
	t := x.router.tracer
	if t == nil {
		return
	}
	from := traceContext.Extract(x.Context, propagation.HeaderCarrier(x.in.Header))
	x.Context, x.span = t.Start(from, x.in.Method+" "+x.service.Name.String(), trace.WithSpanKind(trace.SpanKindServer),
		trace.WithTimestamp(x.start), trace.WithAttributes(attribute.String("http.request.method", x.in.Method),
			attribute.String("http.route", x.service.Path()), attribute.String("berth."+string(x.service.Kind), x.service.Name.Name),
			attribute.String("berth.request_id", x.id)))
}

// asks begins the span of one try to get an answer, and tells the replica of it.
func (x *exchange) asks(req *http.Request) (end func(*http.Response, error)) {
	if x.span == nil {
		return func(*http.Response, error) {}
	}
	name := "replica"
	if x.grant.peer != "" {
		name = "router" // another one has taken the request over
	}
	ctx, span := x.router.tracer.Start(x.Context, name, trace.WithSpanKind(trace.SpanKindClient),
		trace.WithTimestamp(x.router.clock.Now()), trace.WithAttributes(attribute.String("server.address", req.URL.Host)))
	req.Header.Del("tracestate") // it is written anew
	traceContext.Inject(ctx, propagation.HeaderCarrier(req.Header))
	return func(res *http.Response, err error) {
		if err != nil {
			span.SetStatus(codes.Error, "no answer")
		} else {
			span.SetAttributes(attribute.Int("http.response.status_code", res.StatusCode))
		}
		span.End(trace.WithTimestamp(x.router.clock.Now())) // the head of the answer is there
	}
}

// untrace ends the span of an exchange.
func (x *exchange) untrace() {
	if x.span == nil {
		return
	}
	x.span.SetAttributes(attribute.Int("http.response.status_code", x.code))
	if x.version != nil && x.service.Kind == route.Endpoint {
		x.span.SetAttributes(attribute.String("berth.deployment", x.version.Name))
	}
	if x.queued > 0 {
		x.span.SetAttributes(attribute.Float64("berth.queued_ms", millis(x.queued)))
	}
	if x.code >= http.StatusInternalServerError {
		x.span.SetStatus(codes.Error, x.reason)
	}
	x.span.End(trace.WithTimestamp(x.router.clock.Now()))
}
