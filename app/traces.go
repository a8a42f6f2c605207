package app

import (
	"context"
	"net/http"

	"berth.dev/berth"
	"berth.dev/berth/spans"
)

// openSpans prepares the traces of requests and operations. Without a collector in the environment there are none, and they cost nothing.
func (s *server) openSpans(ctx context.Context) error {
	s.spans = berth.NoSpans{}
	s.traced = func(h http.Handler) http.Handler { return h }
	tracer, err := spans.Open(ctx, spans.Program{Name: "berth", Instance: s.info.Endpoint, Log: s.log})
	if err != nil || tracer == nil {
		return err
	}
	s.spans, s.traced = tracer, tracer.Handler
	s.onStop(func() error { tracer.Close(ctx); return nil })
	return nil
}
