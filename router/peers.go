package router

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"berth.dev/berth/router/route"
)

const (
	loadPath = "/internal/load"
	hopPath  = "/internal/score/" // then kind/name/version and the path in the container
	// gossipTime is how often the routers ask each other how busy they are.
	gossipTime = 200 * time.Millisecond
	// suspectTime is how long a router that did not accept a connection is left out.
	suspectTime = 3 * time.Second
	// lostTime is how long a router may not answer until the requests are given up that it has taken over.
	lostTime = 5 * time.Second
	maxLoads = 16 << 20
)

// loads are what one router says to the others: by kind/name/version.
type loads map[string]Load

// Internal is the handler of the port that only pods of the cluster reach: other routers, probes and Prometheus.
func (r *Router) Internal(ready func() bool) http.Handler {
	m := http.NewServeMux()
	m.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok\n") })
	m.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if !ready() {
			http.Error(w, "not ready: no routes yet, or shutting down", http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, "ok\n")
	})
	m.Handle("GET /metrics", r.metrics.handler())
	m.HandleFunc("GET "+loadPath, r.peersOnly(r.serveLoad))
	m.HandleFunc("GET "+route.TablePath, r.serveTable)
	r.collected(m)
	m.HandleFunc(route.AtPath+"{router}/{path...}", r.peersOnly(r.at(m)))
	hop := r.peersOnly(r.serveHop)
	return http.HandlerFunc(func(w http.ResponseWriter, in *http.Request) {
		if strings.HasPrefix(in.URL.Path, hopPath) { // ServeMux would clean the path
			hop(w, in)
			return
		}
		m.ServeHTTP(w, in)
	})
}

// peersOnly lets those in who know the peer key.
func (r *Router) peersOnly(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, in *http.Request) {
		key := r.peerKey.Load()
		if key == nil || *key == "" || subtle.ConstantTimeCompare([]byte(in.Header.Get(headerPeer)), []byte(*key)) != 1 {
			http.Error(w, "only the routers of this cluster may ask this", http.StatusForbidden)
			return
		}
		h(w, in)
	}
}

func (r *Router) serveLoad(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(r.loads())
}

// serveTable answers with the digest of the table, which tells strangers nothing.
func (r *Router) serveTable(w http.ResponseWriter, _ *http.Request) {
	r.mu.Lock()
	t := r.table
	r.mu.Unlock()
	digest, err := t.Digest()
	if err != nil {
		http.Error(w, "the table cannot be written", http.StatusInternalServerError)
		return
	}
	_, _ = io.WriteString(w, digest)
}

func (r *Router) loads() loads {
	pools, _ := r.snapshot()
	out := make(loads, len(pools))
	for name, p := range pools {
		out[name.String()] = p.load()
	}
	return out
}

// serveHop serves a request that another router has checked, because that router has no free slot at a replica.
func (r *Router) serveHop(w http.ResponseWriter, in *http.Request) {
	x := r.begin(w, in)
	defer x.end()
	x.hopped, x.id = true, in.Header.Get(HeaderRequestID)
	parts := strings.SplitN(strings.TrimPrefix(in.URL.EscapedPath(), hopPath), "/", 4)
	if routes := r.routes.Load(); routes != nil && len(parts) == 4 {
		x.service = (*routes)[route.Name{Kind: route.Kind(parts[0]), Name: parts[1]}]
	}
	if x.service == nil {
		x.fail(notFound("this cluster has no such route"))
		return
	}
	x.traced()
	for _, v := range x.service.versions {
		if v.Name == parts[2] {
			x.version, x.path = v, "/"+parts[3]
			x.run()
			return
		}
	}
	x.fail(notFound("the deployment is gone"))
}

// gossip asks the other routers how busy they are.
type gossip struct {
	r      *Router
	client *http.Client

	mu    sync.Mutex
	heard map[string]loads     // by peer
	mute  map[string]time.Time // peers that do not answer: since when
}

func newGossip(r *Router) *gossip {
	transport := newTransport()
	transport.IdleConnTimeout = time.Minute
	transport.DialContext = (&net.Dialer{Timeout: connectTime}).DialContext
	client := &http.Client{Transport: transport, Timeout: connectTime,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return &gossip{r: r, client: client, heard: map[string]loads{}, mute: map[string]time.Time{}}
}

// round asks every router once, all at the same time.
func (g *gossip) round(ctx context.Context) {
	g.r.mu.Lock()
	peers := g.r.members.peers
	if g.r.table.PeerKey == "" {
		peers = nil
	}
	g.r.mu.Unlock()
	heard := make(map[string]loads, len(peers))
	var all sync.WaitGroup
	var mu sync.Mutex
	for _, peer := range peers {
		all.Go(func() {
			l, err := g.ask(ctx, peer)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				g.unheard(peer)
				return
			}
			g.r.trust(peer)
			delete(g.mute, peer)
			heard[peer] = l
		})
	}
	all.Wait()
	g.mu.Lock()
	g.heard = heard
	g.mu.Unlock()
	pools, _ := g.r.snapshot()
	for name, p := range pools {
		for peer, l := range heard {
			p.heard(peer, l[name.String()].Free)
		}
	}
}

// unheard leaves a router out that does not answer, and gives up what it has taken over when it is silent for long.
func (g *gossip) unheard(peer string) {
	g.r.suspect(peer)
	now := g.r.clock.Now()
	since, ok := g.mute[peer]
	switch {
	case !ok:
		g.mute[peer] = now
	case now.Sub(since) >= lostTime:
		g.r.hops.abandon(peer)
	}
}

// hops are the requests that other routers have taken over, by router.
type hops struct {
	mu  sync.Mutex
	all map[string]map[*exchange]struct{}
}

func (h *hops) begin(x *exchange, peer string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.all == nil {
		h.all = map[string]map[*exchange]struct{}{}
	}
	if h.all[peer] == nil {
		h.all[peer] = map[*exchange]struct{}{}
	}
	h.all[peer][x] = struct{}{}
}

func (h *hops) end(x *exchange, peer string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if delete(h.all[peer], x); len(h.all[peer]) == 0 {
		delete(h.all, peer)
	}
}

func (h *hops) abandon(peer string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for x := range h.all[peer] {
		x.cancel(errLost)
	}
}

func (g *gossip) ask(ctx context.Context, peer string) (loads, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+peer+loadPath, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set(headerPeer, *g.r.peerKey.Load())
	res, err := g.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the router %s answers %s", peer, res.Status)
	}
	var l loads
	err = json.NewDecoder(io.LimitReader(res.Body, maxLoads)).Decode(&l)
	return l, err
}

// others is what each of the other routers said last about one version.
func (g *gossip) others(name poolName) map[string]Load {
	g.mu.Lock()
	defer g.mu.Unlock()
	out := make(map[string]Load, len(g.heard))
	for peer, l := range g.heard {
		if one, ok := l[name.String()]; ok {
			out[peer] = one
		}
	}
	return out
}
