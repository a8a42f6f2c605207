package app

import (
	"bytes"
	"io"
	"net/http"

	"berth.dev/berth/identity"
	"berth.dev/berth/store"
	"berth.dev/berth/studio"
)

// openStudio serves the pages. They talk to Resource Manager as every other caller does, without the way over the network.
func (s *server) openStudio(authority *identity.Authority, subscription string, arm http.Handler) (*studio.Studio, error) {
	pages, err := studio.New(studio.Options{
		Endpoint: s.info.Endpoint, TenantID: authority.TenantID(), SubscriptionID: subscription, Transport: direct{arm}, Log: s.log,
		Bearer:  identity.Bearer,
		Renew:   func(token string) (studio.Session, error) { return s.renewSession(authority, token) },
		Changes: func(f func()) func() { return s.store.Subscribe(func(store.Event) { f() }) },
		NameOf: func(id string) string {
			a, _ := s.directory.Find(id) // an unknown application has no name
			return a.Name
		},
	})
	if err == nil {
		s.onStop(func() error { pages.Close(); return nil })
	}
	return pages, err
}

// renewSession reads whose a token is. One that is past half of its life is followed by another: a session ends an hour after
// its last use.
func (s *server) renewSession(authority *identity.Authority, token string) (studio.Session, error) {
	caller, err := authority.Verify(token, identity.ResourceManager)
	if err != nil {
		return studio.Session{}, err
	}
	session := studio.Session{Token: token, Name: caller.Name, Expires: caller.Expires}
	if s.clock.Now().Add(identity.TokenLife / 2).Before(caller.Expires) {
		return session, nil
	}
	application, known := s.directory.Find(caller.AppID)
	if !known {
		return session, nil
	}
	if session.Token, err = authority.Issue(application, s.info.Endpoint); err != nil {
		return session, err
	}
	session.Expires = s.clock.Now().Add(identity.TokenLife)
	return session, nil
}

// direct hands requests to a handler in the same process.
type direct struct{ to http.Handler }

// RoundTrip implements http.RoundTripper.
func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
	in := r.Clone(r.Context())
	in.RequestURI, in.Host = r.URL.RequestURI(), r.URL.Host
	if in.Body == nil {
		in.Body = http.NoBody
	}
	if in.RemoteAddr == "" {
		in.RemoteAddr = "127.0.0.1:0"
	}
	out := &recorded{header: http.Header{}, status: http.StatusOK}
	d.to.ServeHTTP(out, in)
	return &http.Response{
		Status: http.StatusText(out.status), StatusCode: out.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: out.header,
		Body: io.NopCloser(&out.body), ContentLength: int64(out.body.Len()), Request: r,
	}, nil
}

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
