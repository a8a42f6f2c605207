package router_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"berth.dev/berth/router"
	"berth.dev/berth/router/route"
)

const (
	traceID = "0af7651916cd43dd8448eb211c80319c"
	parent  = "00-" + traceID + "-b7ad6b7169203331-01"
)

// TestTraces: a request has a span that continues the trace of the caller, and the replica one below it; a caller that does not sample has
// none. Without a tracer the trace of the caller is passed on as it is.
func TestTraces(t *testing.T) {
	t.Parallel()
	var got http.Header
	s := replica(t, func(_ http.ResponseWriter, r *http.Request) { got = r.Header })
	spans := tracetest.NewSpanRecorder()
	p := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
	table := tableOf(endpointOf("ep", versionAt(s)), serviceOf("gone", route.Version{Name: "v1", MaxQueueWaitMS: 1,
		Backend: route.Backend{Namespace: "n", Service: "none"}}))
	r := router.New(router.Options{Self: "self:1", Tracer: p.Tracer("test")})
	apply(t, r, table)
	server := httptest.NewServer(r)
	closes(t, server)
	f := &front{r, server, nil}
	f.ask(t, http.MethodPost, "/api/v1/endpoint/ep/score", "{}", "traceparent: "+parent, "tracestate: a=b")
	ended := spans.Ended()
	if len(ended) != 2 || ended[0].Name() != "replica" || ended[1].Name() != "POST endpoint/ep" {
		t.Fatalf("%d spans", len(ended))
	}
	inner, outer := ended[0].SpanContext(), ended[1].SpanContext()
	if outer.TraceID().String() != traceID || ended[1].Parent().SpanID().String() != "b7ad6b7169203331" ||
		ended[0].Parent().SpanID() != outer.SpanID() {
		t.Errorf("%v in %v in %v", inner, outer, ended[1].Parent())
	}
	if want := "00-" + traceID + "-" + inner.SpanID().String() + "-01"; got.Get("traceparent") != want || got.Get("tracestate") != "a=b" {
		t.Errorf("the replica is told %s, want %s", got.Get("traceparent"), want)
	}
	f.ask(t, http.MethodPost, "/api/v1/endpoint/ep/score", "{}", "traceparent: "+strings.TrimSuffix(parent, "1")+"0")
	told := got.Get("traceparent")
	if len(spans.Ended()) != 2 || !strings.HasPrefix(told, "00-"+traceID) || !strings.HasSuffix(told, "-00") {
		t.Errorf("a caller that samples nothing has %d spans more, and the replica is told %s", len(spans.Ended())-2, told)
	}
	f.ask(t, http.MethodPost, "/api/v1/service/gone/score", "{}")
	if all := spans.Ended(); len(all) != 3 || all[2].Status().Description == "" {
		t.Errorf("a request without an answer has %d spans", len(all)-2)
	}
	start(t, table, nil).ask(t, http.MethodPost, "/api/v1/endpoint/ep/score", "{}", "traceparent: "+parent, "tracestate: a=b")
	if got.Get("traceparent") != parent || got.Get("tracestate") != "a=b" {
		t.Errorf("without a tracer the replica is told %s", got.Get("traceparent"))
	}
}
