package app

import (
	"bytes"
	"cmp"
	"context"
	"io"
	"net/http"
	"slices"

	"berth.dev/berth/identity"
	"berth.dev/berth/provider/local"
	"berth.dev/berth/store"
	"berth.dev/berth/studio"
)

// openStudio serves the pages. They talk to Resource Manager as every other caller does, without the way over the network.
func (s *server) openStudio(authority *identity.Authority, people ways, arm http.Handler) (*studio.Studio, error) {
	guard, err := s.guard()
	if err != nil {
		return nil, err
	}
	guard.Allowed = append(slices.Clone(guard.Allowed), local.Balancers...)
	return studio.New(studio.Options{
		Endpoint: s.info.Endpoint, TenantID: authority.TenantID(), SubscriptionID: people.subscription, CAFile: s.info.CAFile,
		Transport: direct{s.withFiles(arm)}, Log: s.log,
		Bearer:     identity.Bearer,
		Dial:       s.dialModels(guard),
		Sessions:   identity.Sessions{Authority: authority},
		Changes:    func(f func()) func() { return s.store.Subscribe(func(store.Event) { f() }) },
		Principals: s.principals,
		People: studio.People{Client: identity.StudioClient, Redirect: identity.StudioRedirect, Ways: people.ways,
			Begin: func(way, query string) string { return people.begin(authority.TenantID(), way, query) }},
		NameOf: func(id string) string {
			c, _ := authority.Known(id) // who is unknown has no name
			return c.Name
		},
	})
}

// visitor is the key of the address of the browser in the context of a request for a page: what the page requests comes from there.
type visitor struct{}

func visited(r *http.Request) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), visitor{}, r.RemoteAddr))
}

// direct hands requests to a handler in the same process.
type direct struct{ to http.Handler }

// RoundTrip implements http.RoundTripper.
func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
	in := r.Clone(r.Context())
	in.RequestURI, in.Host = r.URL.RequestURI(), cmp.Or(r.Host, r.URL.Host) // files have a host name of their own
	if in.Body == nil {
		in.Body = http.NoBody
	}
	in.RemoteAddr, _ = r.Context().Value(visitor{}).(string)
	if in.RemoteAddr == "" {
		in.RemoteAddr = "127.0.0.1:0"
	}
	if r.Header.Get("Accept") == "text/event-stream" {
		return d.flow(r, in)
	}
	out := &recorded{header: http.Header{}, status: http.StatusOK}
	d.to.ServeHTTP(out, in)
	return &http.Response{
		Status: http.StatusText(out.status), StatusCode: out.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: out.header,
		Body: io.NopCloser(&out.body), ContentLength: int64(out.body.Len()), Request: r,
	}, nil
}

// flow hands over the answer while it is written. Closing its body ends the handler at its next write.
func (d direct) flow(r, in *http.Request) (*http.Response, error) {
	from, to := io.Pipe()
	out := &flowing{header: http.Header{}, to: to, begun: make(chan struct{})}
	ctx, cancel := context.WithCancel(in.Context())
	go func() {
		defer func() { _ = to.Close() }() // never fails
		d.to.ServeHTTP(out, in.WithContext(ctx))
		out.WriteHeader(http.StatusOK)
	}()
	<-out.begun
	return &http.Response{
		Status: http.StatusText(out.status), StatusCode: out.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: out.sent,
		Body: closing{from, cancel}, ContentLength: -1, Request: r,
	}, nil
}

// closing ends the request with its body.
type closing struct {
	*io.PipeReader
	cancel context.CancelFunc
}

// Close implements io.Closer.
func (c closing) Close() error { c.cancel(); return c.PipeReader.Close() }

// flowing is an answer that a client reads while a handler writes it.
type flowing struct {
	header, sent http.Header
	status       int
	to           *io.PipeWriter
	begun        chan struct{}
}

// Header implements http.ResponseWriter.
func (f *flowing) Header() http.Header { return f.header }

// WriteHeader implements http.ResponseWriter.
func (f *flowing) WriteHeader(status int) {
	if f.sent == nil {
		f.status, f.sent = status, f.header.Clone()
		close(f.begun)
	}
}

// Write implements http.ResponseWriter.
func (f *flowing) Write(b []byte) (int, error) {
	f.WriteHeader(http.StatusOK)
	return f.to.Write(b)
}

// Flush implements http.Flusher: nothing is held back.
func (f *flowing) Flush() {}

// recorded is an answer on its way from a handler to a client.
type recorded struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header implements http.ResponseWriter.
func (r *recorded) Header() http.Header { return r.header }

// WriteHeader implements http.ResponseWriter.
func (r *recorded) WriteHeader(status int) { r.status = status }

// Write implements http.ResponseWriter.
func (r *recorded) Write(b []byte) (int, error) { return r.body.Write(b) }
