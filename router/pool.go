package router

import (
	"container/list"
	"context"
	"errors"
	"math"
	"sync"
	"time"

	"github.com/jonboulle/clockwork"

	"berth.dev/berth/router/route"
)

const (
	// maxQueue is how many requests wait for one version; each holds a connection and up to maxReplay bytes.
	maxQueue = 1000
	// wakeWait is how long a request waits for the first replica of a version that was scaled to zero.
	wakeWait = 60 * time.Second
	// downTime is how long a replica that refused a connection is left alone while there are others.
	downTime = time.Second
)

// Why no replica could be had.
var (
	errOverloaded = errors.New("overloaded")
	errQueueFull  = errors.New("queue full")
	errNoReplicas = errors.New("no ready replicas")
)

// pool is what this router knows and does about the replicas of one version. It outlives the tables that name it.
type pool struct {
	clock clockwork.Clock
	wake  func() // called when a request waits and there is no replica

	mu       sync.Mutex
	spec     route.Version
	ready    []*replica
	peers    []peerShare
	waiting  list.List            // of *waiter, the first one first
	busy     int                  // requests of this router at replicas, those of replicas that left included
	next     int                  // where the search for a replica begins
	left     map[string]time.Time // replicas of a moment ago, and when they left
	area     float64              // integral of busy + waiting, in request seconds
	areaTime time.Time
}

// replica is one pod, or one address.
type replica struct {
	address string
	quota   int // how many requests this router may send at a time
	busy    int
	down    time.Time // until when it is left alone
}

// peerShare is what another router may send to the replicas of this version.
type peerShare struct {
	address string
	slots   int // in sum
	free    int // as it said last, less what was sent to it since
}

// grant is a place for a request: at a replica, or at another router that has one.
type grant struct {
	replica *replica
	peer    string
}

type waiter struct {
	need    need
	granted chan grant
}

// need is what a request asks of a pool.
type need struct {
	hopped bool // another router sent it: it goes no further
	atOnce bool // it does not wait
}

func newPool(clock clockwork.Clock, wake func()) *pool {
	return &pool{clock: clock, wake: wake, areaTime: clock.Now()}
}

// configure takes over what a new table says, and who the replicas and the other routers are.
func (p *pool) configure(spec route.Version, addresses []string, m members) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.spec = spec
	known := make(map[string]*replica, len(p.ready))
	for _, r := range p.ready {
		known[r.address] = r
	}
	free := make(map[string]int, len(p.peers))
	for _, s := range p.peers {
		free[s.address] = s.free
	}
	p.ready, p.peers = make([]*replica, 0, len(addresses)), make([]peerShare, len(m.peers))
	for i, peer := range m.peers {
		p.peers[i] = peerShare{address: peer, free: free[peer]}
	}
	for _, a := range addresses {
		r := known[a]
		if r == nil {
			r = &replica{address: a}
		}
		r.quota = math.MaxInt
		if spec.Concurrency > 0 {
			shares := m.shares(a, spec.Concurrency)
			r.quota = shares[m.self]
			for i := range p.peers {
				p.peers[i].slots += shares[p.peers[i].address]
			}
		}
		p.ready = append(p.ready, r)
	}
	p.leave(known, addresses)
	p.serveWaiting()
}

// heard takes over what another router said about its free slots.
func (p *pool) heard(peer string, free int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.peers {
		if p.peers[i].address == peer {
			p.peers[i].free = free
		}
	}
	p.serveWaiting()
}

// acquire returns a place for a request, after a wait if need be.
func (p *pool) acquire(ctx context.Context, n need) (grant, error) {
	p.mu.Lock()
	if p.waiting.Len() == 0 {
		if g, ok := p.take(n.hopped); ok {
			p.mu.Unlock()
			return g, nil
		}
	}
	if g, ok := p.handOver(n); ok {
		p.mu.Unlock()
		return g, nil
	}
	switch {
	case n.atOnce:
		defer p.mu.Unlock()
		return grant{}, p.whyNot()
	case p.waiting.Len() >= maxQueue:
		p.mu.Unlock()
		return grant{}, errQueueFull
	}
	p.note()
	w := &waiter{need: n, granted: make(chan grant, 1)}
	place := p.waiting.PushBack(w)
	limit := p.spec.QueueWait()
	if p.dormant() {
		limit = max(limit, wakeWait)
		p.wake()
	}
	p.mu.Unlock()
	return p.wait(ctx, place, limit)
}

func (p *pool) wait(ctx context.Context, place *list.Element, limit time.Duration) (grant, error) {
	w := place.Value.(*waiter)
	timer := p.clock.NewTimer(limit)
	defer timer.Stop()
	var gone error
	select {
	case g := <-w.granted:
		return g, nil
	case <-ctx.Done():
		gone = context.Cause(ctx)
	case <-timer.Chan():
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case g := <-w.granted: // at the last moment
		if gone != nil {
			p.free(g)
			return grant{}, gone
		}
		return g, nil
	default:
	}
	p.note()
	p.waiting.Remove(place)
	if gone != nil {
		return grant{}, gone
	}
	return grant{}, p.whyNot()
}

func (p *pool) whyNot() error {
	if len(p.ready) == 0 {
		return errNoReplicas
	}
	return errOverloaded
}

// dormant tells whether the version is scaled to zero and one request is enough to wake it.
func (p *pool) dormant() bool {
	return len(p.ready) == 0 && p.spec.Autoscale != nil && p.spec.Autoscale.Min == 0
}

// take picks the least busy replica that this router may send one more request to. A request that another router sent gets a
// place even if this router thinks that it has none: for a moment the two can see different replicas or routers.
func (p *pool) take(hopped bool) (grant, bool) {
	n := len(p.ready)
	if n == 0 {
		return grant{}, false
	}
	var best, down *replica
	now := time.Time{}
	whole := hopped && p.slots() == 0
	for i := range n {
		r := p.ready[(p.next+i)%n]
		quota := r.quota
		if whole {
			quota = p.spec.Concurrency
		}
		if r.busy >= quota {
			continue
		}
		if !r.down.IsZero() {
			if now.IsZero() {
				now = p.clock.Now()
			}
			if now.Before(r.down) {
				down = r
				continue
			}
			r.down = time.Time{}
		}
		if best == nil || r.busy < best.busy {
			best = r
		}
	}
	if best == nil {
		best = down
	}
	if best == nil {
		return grant{}, false
	}
	p.next++
	p.note()
	best.busy++
	p.busy++
	return grant{replica: best}, true
}

// slots is how many requests this router may send to the replicas at a time.
func (p *pool) slots() (n int) {
	for _, r := range p.ready {
		if r.quota == math.MaxInt {
			return r.quota
		}
		n += r.quota
	}
	return n
}

// handOver finds another router that has a free slot, or, when this router has no slot at all, one that has slots.
func (p *pool) handOver(n need) (grant, bool) {
	if n.hopped || n.atOnce || len(p.peers) == 0 || len(p.ready) == 0 {
		return grant{}, false
	}
	best := -1
	for i, s := range p.peers {
		if s.slots > 0 && s.free > 0 && (best < 0 || s.free > p.peers[best].free) {
			best = i
		}
	}
	if best < 0 && p.slots() == 0 {
		for i, s := range p.peers {
			if s.slots > 0 && (best < 0 || s.slots > p.peers[best].slots) {
				best = i
			}
		}
	}
	if best < 0 {
		return grant{}, false
	}
	p.peers[best].free--
	return grant{peer: p.peers[best].address}, true
}

// serveWaiting gives the places there are to those who wait longest.
func (p *pool) serveWaiting() {
	for first := p.waiting.Front(); first != nil; first = p.waiting.Front() {
		w := first.Value.(*waiter)
		g, ok := p.take(w.need.hopped)
		if !ok {
			g, ok = p.handOver(w.need)
		}
		if !ok {
			return
		}
		p.note()
		p.waiting.Remove(first)
		w.granted <- g
	}
}

// release gives a place back.
func (p *pool) release(g grant) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.free(g)
}

func (p *pool) free(g grant) {
	if g.replica == nil {
		return
	}
	p.note()
	g.replica.busy--
	p.busy--
	p.serveWaiting()
}

// refused notes that a replica does not accept connections.
func (p *pool) refused(r *replica) {
	p.mu.Lock()
	defer p.mu.Unlock()
	r.down = p.clock.Now().Add(downTime)
}

// note adds the load since the last change to the integral. It is called before each change.
func (p *pool) note() {
	now := p.clock.Now()
	p.area += float64(p.busy+p.waiting.Len()) * now.Sub(p.areaTime).Seconds()
	p.areaTime = now
}

// Load is how busy one version is at one router.
type Load struct {
	Busy  int     `json:"busy"`
	Queue int     `json:"queue"`
	Free  int     `json:"free"` // how many more requests it would send to replicas at once
	Area  float64 `json:"area"` // request seconds since this router started
	Ready int     `json:"ready"`
}

func (p *pool) load() Load {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.note()
	l := Load{Busy: p.busy, Queue: p.waiting.Len(), Area: p.area, Ready: len(p.ready)}
	for _, r := range p.ready {
		if r.quota == math.MaxInt {
			l.Free = math.MaxInt32
			break
		}
		l.Free += max(0, r.quota-r.busy)
	}
	l.Free = max(0, l.Free-l.Queue)
	return l
}
