package router

import (
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http/httputil"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jonboulle/clockwork"
	"go.opentelemetry.io/otel/trace"

	"berth.dev/berth/router/route"
)

// Options configure a router. The zero value has the defaults.
type Options struct {
	Logger  *slog.Logger
	Clock   clockwork.Clock
	MaxBody int64 // of a request; 100 MiB when zero
	// Self is this router's internal address (host:port), as the others see it.
	Self string
	// Scale sets the replicas of a Deployment; nil: no autoscaling.
	Scale Scaler
	// Spool keeps data of requests where a version asks for it; nil: none is kept.
	Spool *Spool
	// Requests gets the lines about requests where a version wants them, besides what is kept in memory; nil: nothing does.
	Requests io.Writer
	// Tracer makes a span of each request; nil: none has one, and the trace of the caller is passed on as it is.
	Tracer trace.Tracer
}

// Ids of requests are no secrets: many are drawn at a time.
func init() { uuid.EnableRandPool() }

// Router is an http.Handler for all routes of a cluster.
type Router struct {
	log      *slog.Logger
	clock    clockwork.Clock
	maxBody  int64
	proxy    *httputil.ReverseProxy
	metrics  *metrics
	scaler   *autoscaler
	mirrors  chan struct{} // a place for each mirrored request on its way
	active   atomic.Int64  // requests that are worked on
	hops     hops
	spool    *Spool
	lines    chan []byte // about requests, that are not written yet
	requests io.Writer
	tracer   trace.Tracer
	routes   atomic.Pointer[map[route.Name]*service]
	peerKey  atomic.Pointer[string]

	mu        sync.Mutex // of what the routes are made of
	table     *route.Table
	tokens    *tokens
	members   members
	known     []string // addresses of routers that are asked by way of this one
	endpoints map[Service][]Endpoint
	pools     map[poolName]*pool
	logs      map[poolName]*requestLog
	suspects  map[string]time.Time // routers that did not answer: until when they are left out
}

// Service names a Service of the cluster.
type Service struct{ Namespace, Name string }

// Endpoint is one replica as an EndpointSlice has it.
type Endpoint struct {
	Host  string
	Ports map[string]int // by name
}

type poolName struct {
	route   route.Name
	version string
}

func (n poolName) String() string { return n.route.String() + "/" + n.version }

// service is a route in use.
type service struct {
	route.Route
	guard    guard
	versions []*version
	rest     *version // gets the traffic that no version has
	mirrors  []*version
	traffic  int
}

type version struct {
	*route.Version
	name  poolName
	pool  *pool
	count *counts
	log   *requestLog // nil: no lines are kept
}

// New makes a router that knows no routes yet.
func New(o Options) *Router {
	r := &Router{log: o.Logger, clock: o.Clock, maxBody: o.MaxBody, spool: o.Spool, requests: o.Requests, tracer: o.Tracer,
		lines: make(chan []byte, maxUnwritten), members: members{self: o.Self},
		mirrors: make(chan struct{}, maxMirrors), table: &route.Table{},
		endpoints: map[Service][]Endpoint{}, pools: map[poolName]*pool{}, logs: map[poolName]*requestLog{}, suspects: map[string]time.Time{}}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	if r.clock == nil {
		r.clock = clockwork.NewRealClock()
	}
	if r.maxBody == 0 {
		r.maxBody = 100 << 20
	}
	r.tokens, _ = newTokens(nil, r.clock)
	r.metrics = newMetrics(r)
	r.scaler = newAutoscaler(r, o.Scale)
	r.proxy = r.newProxy()
	return r
}

// Known tells whether the router has had a table yet.
func (r *Router) Known() bool { return r.routes.Load() != nil }

// Apply takes over a table. Requests on their way and in queues stay.
func (r *Router) Apply(t *route.Table) error {
	tokens, err := newTokens(t.TokenKeys, r.clock)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.table, r.tokens = t, tokens
	r.peerKey.Store(&t.PeerKey)
	r.build()
	return nil
}

// SetEndpoints takes over who the ready replicas behind a Service are.
func (r *Router) SetEndpoints(s Service, endpoints []Endpoint) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.endpoints[s] = endpoints
	if len(endpoints) == 0 {
		delete(r.endpoints, s)
	}
	for i := range r.table.Routes {
		t := &r.table.Routes[i]
		for j := range t.Versions {
			v := &t.Versions[j]
			if v.Backend.Service == s.Name && v.Backend.Namespace == s.Namespace {
				r.pools[poolName{t.Name, v.Name}].configure(*v, r.addresses(&v.Backend), r.present())
			}
		}
	}
}

// SetMembers takes over the internal addresses of the cluster's routers; this one may be among them.
func (r *Router) SetMembers(addresses []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	peers := slices.DeleteFunc(slices.Sorted(slices.Values(addresses)), func(a string) bool { return a == r.members.self })
	r.members.peers = slices.Compact(peers)
	r.configure()
}

// suspect leaves a router out for a while that did not answer.
func (r *Router) suspect(peer string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, already := r.suspects[peer]
	r.suspects[peer] = r.clock.Now().Add(suspectTime)
	if !already {
		r.configure()
	}
}

// trust takes a router in again that answers.
func (r *Router) trust(peer string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.suspects[peer]; ok {
		delete(r.suspects, peer)
		r.configure()
	}
}

// present are the members without those that do not answer.
func (r *Router) present() members {
	if r.table.PeerKey == "" {
		return members{self: r.members.self}
	}
	now := r.clock.Now()
	maps.DeleteFunc(r.suspects, func(_ string, until time.Time) bool { return !now.Before(until) })
	if len(r.suspects) == 0 {
		return r.members
	}
	out := members{self: r.members.self}
	for _, p := range r.members.peers {
		if _, ok := r.suspects[p]; !ok {
			out.peers = append(out.peers, p)
		}
	}
	return out
}

// build makes the routes from the table. The caller holds the lock.
func (r *Router) build() {
	routes := make(map[route.Name]*service, len(r.table.Routes))
	used := map[poolName]bool{}
	for i := range r.table.Routes {
		t := &r.table.Routes[i]
		s := &service{Route: *t, guard: newGuard(t, r.table.Cluster, r.tokens)}
		for j := range t.Versions {
			v := &version{Version: &t.Versions[j], name: poolName{t.Name, t.Versions[j].Name}}
			if v.pool = r.pools[v.name]; v.pool == nil {
				v.pool = newPool(r.clock, r.scaler.wake)
				r.pools[v.name] = v.pool
			}
			if v.Log {
				if v.log = r.logs[v.name]; v.log == nil {
					v.log = &requestLog{}
					r.logs[v.name] = v.log
				}
			} else {
				delete(r.logs, v.name)
			}
			used[v.name] = true
			v.count = r.metrics.of(v.name)
			s.add(v)
		}
		routes[t.Name] = s
	}
	r.routes.Store(&routes)
	r.configure()
	for name, p := range r.pools {
		if !used[name] {
			p.configure(route.Version{}, nil, members{})
			delete(r.pools, name)
			delete(r.logs, name)
			r.metrics.forget(name)
		}
	}
}

func (s *service) add(v *version) {
	s.versions = append(s.versions, v)
	s.traffic += v.Traffic
	if v.Default || s.Kind == route.Service && len(s.Route.Versions) == 1 {
		s.rest = v
	}
	if v.Mirror > 0 {
		s.mirrors = append(s.mirrors, v)
	}
}

// configure tells every pool who its replicas and the other routers are. The caller holds the lock.
func (r *Router) configure() {
	present := r.present()
	for i := range r.table.Routes {
		t := &r.table.Routes[i]
		for j := range t.Versions {
			v := &t.Versions[j]
			r.pools[poolName{t.Name, v.Name}].configure(*v, r.addresses(&v.Backend), present)
		}
	}
}

func (r *Router) addresses(b *route.Backend) (out []string) {
	if len(b.Addresses) > 0 {
		return b.Addresses
	}
	for _, e := range r.endpoints[Service{b.Namespace, b.Service}] {
		port, ok := e.Ports[b.Port]
		if !ok && b.Port == "" && len(e.Ports) == 1 {
			for _, port = range e.Ports {
				ok = true
			}
		}
		if ok {
			out = append(out, net.JoinHostPort(e.Host, strconv.Itoa(port)))
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// snapshot is who there is at this moment.
func (r *Router) snapshot() (map[poolName]*pool, members) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.pools), r.present()
}
