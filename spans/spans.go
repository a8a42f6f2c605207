// Package spans sends the spans of traces to a collector of OpenTelemetry, as the usual environment variables say. Without them it makes
// none.
package spans

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"berth.dev/berth"
)

// Spans go out in batches, beside the requests. When the collector does not take them, what is more than maxSpans is dropped.
const (
	maxSpans    = 2048
	exportTime  = 10 * time.Second
	flushTime   = 3 * time.Second
	complainFor = time.Minute // one complaint about the collector in this time
)

// Program is what spans say about the program that they are of.
type Program struct {
	Name, Version, Instance string
	Log                     *slog.Logger // gets complaints about the collector
}

// Tracer makes spans. It implements berth.Spans.
type Tracer struct {
	trace.Tracer
	provider *sdktrace.TracerProvider
}

// Open makes a tracer where the usual variables of OpenTelemetry say so; nil when they do not. OTEL_EXPORTER_OTLP_ENDPOINT names the
// collector, which is spoken to by HTTP; OTEL_TRACES_SAMPLER says which requests have spans.
func Open(ctx context.Context, p Program) (*Tracer, error) {
	if os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") == "" && os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") == "" ||
		os.Getenv("OTEL_SDK_DISABLED") == "true" {
		return nil, nil
	}
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return nil, fmt.Errorf("the collector of spans cannot be used: %w", err)
	}
	who, err := resource.New(ctx, resource.WithTelemetrySDK(), resource.WithAttributes(attribute.String("service.name", p.Name),
		attribute.String("service.version", p.Version), attribute.String("service.instance.id", p.Instance)), resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES cannot be read: %w", err)
	}
	otel.SetErrorHandler(&complaints{log: p.Log})
	provider := sdktrace.NewTracerProvider(sdktrace.WithResource(who), sdktrace.WithBatcher(exporter, sdktrace.WithMaxQueueSize(maxSpans),
		sdktrace.WithExportTimeout(exportTime)))
	return &Tracer{provider.Tracer(p.Name), provider}, nil
}

// Close sends what was not sent yet. What the collector does not take now is lost.
func (t *Tracer) Close(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTime)
	defer cancel()
	_ = t.provider.Shutdown(ctx) // complaints has it
}

// complaints tells of a collector that does not answer, but not with each batch.
type complaints struct {
	log *slog.Logger

	mu   sync.Mutex
	last time.Time
}

// Handle implements otel.ErrorHandler.
func (c *complaints) Handle(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := time.Now(); now.Sub(c.last) >= complainFor {
		c.last = now
		c.log.Warn("spans are not taken by the collector", "error", err)
	}
}

// traceContext reads and writes traceparent and tracestate.
var traceContext propagation.TraceContext

// Begin implements berth.Spans.
func (t *Tracer) Begin(ctx context.Context, s berth.Span) (context.Context, func(error)) {
	options := []trace.SpanStartOption{}
	if !s.At.IsZero() {
		options = append(options, trace.WithTimestamp(s.At))
	}
	for name, value := range s.Attributes {
		options = append(options, trace.WithAttributes(attribute.String(name, value)))
	}
	ctx, span := t.Start(ctx, s.Name, options...)
	return ctx, func(err error) {
		failed(span, err)
		span.End()
	}
}

// failed marks the span of work that has failed, with the code of the error only: messages may have names of users.
func failed(span trace.Span, err error) {
	if e, ours := errors.AsType[*berth.Error](err); ours {
		span.SetStatus(codes.Error, string(e.Code))
	} else if err != nil {
		span.SetStatus(codes.Error, "")
	}
}

// Join implements berth.Spans.
func (t *Tracer) Join(ctx context.Context, traceparent string) context.Context {
	return traceContext.Extract(ctx, propagation.MapCarrier{"traceparent": traceparent})
}

// Handler makes a span of each request, inside that of the client. The handler finds it in the context, and its traceparent in the
// header. Answered completes it.
func (t *Tracer) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := traceContext.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
		ctx, span := t.Start(ctx, r.Method, trace.WithSpanKind(trace.SpanKindServer),
			trace.WithAttributes(attribute.String("http.request.method", r.Method)))
		defer span.End()
		r = r.WithContext(ctx)
		r.Header = r.Header.Clone()
		r.Header.Del("tracestate") // it is written anew
		traceContext.Inject(ctx, propagation.HeaderCarrier(r.Header))
		next.ServeHTTP(w, r)
	})
}

// Answered names the span of a request by what it was about, which is a resource type and never an id, and notes the status.
func Answered(ctx context.Context, method, kind string, status int) {
	span := trace.SpanFromContext(ctx)
	if !span.IsRecording() {
		return
	}
	span.SetName(method + " " + kind)
	span.SetAttributes(attribute.String("http.route", kind), attribute.Int("http.response.status_code", status))
	if status >= http.StatusInternalServerError {
		span.SetStatus(codes.Error, "")
	}
}
