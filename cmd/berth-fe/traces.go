package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// Spans go out in batches, beside the requests. When the collector does not take them, what is more than maxSpans is dropped.
const (
	maxSpans    = 2048
	exportTime  = 10 * time.Second
	flushTime   = 3 * time.Second
	complainFor = time.Minute // one complaint about the collector in this time
)

// tracing makes spans where the usual variables of OpenTelemetry say so; nil when they do not. OTEL_EXPORTER_OTLP_ENDPOINT names the
// collector, which is spoken to by HTTP; OTEL_TRACES_SAMPLER says which requests have spans.
func tracing(ctx context.Context, log *slog.Logger) (tracer trace.Tracer, end func(), err error) {
	none := func() {}
	if os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") == "" && os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") == "" ||
		os.Getenv("OTEL_SDK_DISABLED") == "true" {
		return nil, none, nil
	}
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return nil, none, fmt.Errorf("the collector of spans cannot be used: %w", err)
	}
	who, err := resource.New(ctx, resource.WithTelemetrySDK(), resource.WithAttributes(attribute.String("service.name", "azureml-fe"),
		attribute.String("service.version", version), attribute.String("service.instance.id", os.Getenv("POD_IP"))), resource.WithFromEnv())
	if err != nil {
		return nil, none, fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES cannot be read: %w", err)
	}
	otel.SetErrorHandler(&complaints{log: log})
	p := sdktrace.NewTracerProvider(sdktrace.WithResource(who), sdktrace.WithBatcher(exporter, sdktrace.WithMaxQueueSize(maxSpans),
		sdktrace.WithExportTimeout(exportTime)))
	return p.Tracer("berth-fe"), func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTime)
		defer cancel()
		_ = p.Shutdown(ctx) // what the collector does not take now is lost
	}, nil
}

// complaints tells of a collector that does not answer, but not with each batch.
type complaints struct {
	log *slog.Logger

	mu   sync.Mutex
	last time.Time
}

// Handle is part of otel.ErrorHandler.
func (c *complaints) Handle(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := time.Now(); now.Sub(c.last) >= complainFor {
		c.last = now
		c.log.Warn("spans are not taken by the collector", "error", err)
	}
}
