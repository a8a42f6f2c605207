package berth

import (
	"context"
	"time"
)

// Span is a piece of work in a trace.
type Span struct {
	Name       string
	At         time.Time // when it began; the zero time for now
	Attributes map[string]string
}

// Spans makes the spans of traces.
type Spans interface {
	// Begin begins a span, inside the one that the context has. end ends it; an error marks it as failed.
	Begin(ctx context.Context, s Span) (inside context.Context, end func(error))
	// Join is a context inside the span that a traceparent of W3C names. One that is not valid changes nothing.
	Join(ctx context.Context, traceparent string) context.Context
}

// NoSpans makes none.
type NoSpans struct{}

// Begin implements Spans.
func (NoSpans) Begin(ctx context.Context, _ Span) (context.Context, func(error)) {
	return ctx, func(error) {}
}

// Join implements Spans.
func (NoSpans) Join(ctx context.Context, _ string) context.Context { return ctx }
