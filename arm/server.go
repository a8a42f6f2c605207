// Package arm is Azure Resource Manager over HTTP. It lets the store accept changes and reads their results; reconcile carries the
// changes out.
package arm

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jonboulle/clockwork"

	"berth.dev/berth"
	"berth.dev/berth/access"
	"berth.dev/berth/clusters"
	"berth.dev/berth/identity"
	"berth.dev/berth/korean"
	"berth.dev/berth/models"
	"berth.dev/berth/store"
	"berth.dev/berth/wire"
)

// maxBody is the maximum size of a request body, in bytes. Azure Resource Manager accepts 4 MB.
const maxBody = 4 << 20

// Options configures a Server.
type Options struct {
	Store        *store.Store
	Authority    *identity.Authority
	Access       *access.Guard // who may do what
	Log          *slog.Logger
	Clock        clockwork.Clock    // for the current time; the real clock when nil
	Subscription string             // the only subscription: a GUID
	Endpoint     string             // https address of this server, without a trailing slash
	CloudName    string             // what clients call this cloud; identity.CloudName when empty
	Hosts        []string           // other names (host or host:port) under which clients may reach it
	Clusters     *clusters.Clusters // reads from clusters; arm changes nothing in them
	// ControlPlane are the ranges from which this server connects, by location: clusters with authorized IP ranges must accept them.
	ControlPlane map[string][]netip.Prefix
	// TemplateHosts (host or host:port) are the hosts from which Links may fetch the templates that template deployments link to.
	TemplateHosts []string
	// Models answers what version 1 of the SDK asks about models and services; nil on a server without files.
	Models     *models.Server
	Links      *http.Client
	EndingWait time.Duration // how long a PUT waits for a deletion that is in its way; see put
	// Observe is called after each request, with its context: for metrics and traces; may be nil.
	Observe func(ctx context.Context, o Observation)
	Ready   func(context.Context) error // the reason why the server is not ready; nil when it is
}

// Observation is one answered request.
type Observation struct {
	Method, Kind string // Kind is the resource type or the name of the route, never an id
	Status       int
	Took         time.Duration
}

// Server answers ARM requests.
type Server struct {
	Options
	hosts   map[string]bool
	answers answers
}

// New creates a server.
func New(o Options) *Server {
	if o.Clock == nil {
		o.Clock = clockwork.NewRealClock()
	}
	o.CloudName = cmp.Or(o.CloudName, identity.CloudName)
	s := &Server{Options: o, hosts: map[string]bool{}}
	for _, h := range o.Hosts {
		s.hosts[strings.ToLower(h)] = true
	}
	return s
}

// response is the answer of a handler. write encodes it.
type response struct {
	status int
	header map[string]string
	body   any // nil for none; []byte is JSON already
	// stream writes server-sent events instead of a body. It ends with the request, and frees what it holds.
	stream func(ctx context.Context, w http.ResponseWriter)
}

func ok(body any) *response { return &response{status: http.StatusOK, body: body} }

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	id := uuid.NewString()
	w.Header().Set("x-ms-request-id", id)
	q := &request{Request: r, id: id, base: s.base(r), kindName: "unknown", correlation: correlate(w.Header(), r, id)}
	defer func() {
		if p := recover(); p != nil {
			s.Log.Error("a handler panicked", "request", id, "panic", p, "stack", string(debug.Stack()))
			s.fail(w, q, berth.Errorf(berth.CodeInternal, "unexpected"))
		}
		if s.Observe != nil {
			s.Observe(q.Context(), Observation{Method: r.Method, Kind: q.kindName, Status: q.answered, Took: time.Since(start)})
		}
		s.Log.Debug("request", "method", r.Method, "path", r.URL.Path, "status", q.answered, "request", id, "took", time.Since(start))
	}()
	res, err := s.serve(w, q)
	switch {
	case err != nil:
		s.fail(w, q, err)
	case res != nil:
		s.write(w, q, res)
	}
}

// serve answers addresses that need no token, authenticates the caller of all others, and lets a handler answer. A nil response
// means that the answer was written already.
func (s *Server) serve(w http.ResponseWriter, q *request) (*response, error) {
	path := cleanPath(q.URL.Path)
	if res := s.public(w, q, path); res != nil {
		return res, nil
	}
	if h := s.Authority.Route(path); h != nil {
		q.kindName, q.answered = "identity", http.StatusOK
		h.ServeHTTP(w, q.Request)
		return nil, nil
	}
	caller, err := s.Authority.Caller(q.Request, identity.ResourceManager)
	if err != nil {
		return nil, err
	}
	q.caller = caller
	if err := q.readBody(w); err != nil {
		return nil, err
	}
	return s.answer(q, path)
}

// public answers the addresses that need no token; nil for all others.
func (s *Server) public(_ http.ResponseWriter, q *request, path string) *response {
	switch {
	case path == "/healthz":
		q.kindName = "healthz"
		return ok(map[string]string{"status": "ok"})
	case path == "/readyz":
		q.kindName = "readyz"
		if err := s.Ready(q.Context()); err != nil {
			return &response{status: http.StatusServiceUnavailable, body: map[string]string{"status": "not ready", "reason": err.Error()}}
		}
		return ok(map[string]string{"status": "ready"})
	case strings.EqualFold(path, "/metadata/endpoints"):
		q.kindName = "metadata"
		return s.metadata(q)
	case strings.HasPrefix(path, vaults):
		q.kindName = "vaults"
		return vaultData()
	case strings.HasPrefix(path, "/discovery/workspaces/"):
		q.kindName = "discovery"
		return ok(discovery(q.base))
	}
	return s.openID(q, path)
}

// discovery lists the addresses of the services of a workspace, all of which are this server. The keys are those that azureml-core
// reads.
func discovery(base string) map[string]string {
	out := map[string]string{}
	for _, service := range []string{"api", "catalog", "experimentation", "gallery", "history", "hyperdrive", "labeling", "modelmanagement",
		"pipelines", "studio", "studiocoreservices"} {
		out[service] = base
	}
	return out
}

// base is the address of this server in answers: the one that the client used, if it is one of ours.
func (s *Server) base(r *http.Request) string {
	if s.hosts[strings.ToLower(r.Host)] {
		return "https://" + r.Host
	}
	return s.Endpoint
}

// cleanPath collapses duplicate slashes (azureml-core sends them) and drops azureml-core's second prefix for computes.
func cleanPath(p string) string {
	for strings.Contains(p, "//") {
		p = strings.ReplaceAll(p, "//", "/")
	}
	if len(p) > 1 {
		p = strings.TrimSuffix(p, "/")
	}
	const second = "/rp/workspaces"
	if len(p) > len(second) && strings.EqualFold(p[:len(second)], second) && p[len(second)] == '/' {
		return p[len(second):]
	}
	return p
}

// correlate returns the ids by which clients identify their requests, in the header and the one that follows what a request causes.
func correlate(h http.Header, r *http.Request, id string) string {
	correlation := plainID(r.Header.Get("x-ms-correlation-request-id"))
	if correlation == "" {
		correlation = id
	}
	h.Set("x-ms-correlation-request-id", correlation)
	if strings.EqualFold(r.Header.Get("x-ms-return-client-request-id"), "true") {
		if c := plainID(r.Header.Get("x-ms-client-request-id")); c != "" {
			h.Set("x-ms-client-request-id", c)
		}
	}
	return correlation
}

// plainID returns an id from the request if it is safe in a header; else it is empty.
func plainID(s string) string {
	if len(s) > 128 || strings.ContainsFunc(s, func(r rune) bool { return r <= 0x20 || r > 0x7e }) {
		return ""
	}
	return s
}

// write sends a response.
func (s *Server) write(w http.ResponseWriter, q *request, res *response) {
	h := w.Header()
	h.Set("Cache-Control", "no-cache")
	h.Set("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
	h.Set("X-Content-Type-Options", "nosniff")
	for k, v := range res.header {
		h.Set(k, v)
	}
	q.answered = res.status
	if res.stream != nil {
		res.stream(q.Context(), w)
		return
	}
	if res.body == nil {
		w.WriteHeader(res.status)
		return
	}
	body, done := res.body.([]byte)
	if !done {
		var err error
		if body, err = json.Marshal(res.body); err != nil {
			s.fail(w, q, err)
			return
		}
	}
	h.Set("Content-Type", "application/json; charset=utf-8")
	if language := q.Header.Get("Accept-Language"); language != "" {
		h.Set("Vary", "Accept-Language")
		if korean.Wanted(language) {
			h.Set("Content-Language", "ko")
			body = wire.Korean(body)
		}
	}
	w.WriteHeader(res.status)
	if q.Method != http.MethodHead {
		_, _ = w.Write(body) // an error means that the client has disconnected
	}
}

// shortID is a random id by which an unexpected error can be found in the log.
func shortID() string {
	b := make([]byte, 4)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}
