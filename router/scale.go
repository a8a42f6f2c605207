package router

import (
	"context"
	"math"
	"time"

	"berth.dev/berth/router/route"
)

const (
	// downFactor is how much slower a replica is removed than added.
	downFactor = 20
	// steps is how often the load is looked at while it is averaged.
	steps = 5
	// settle is how long what was asked for counts before the API server's answer does, and how long a failure is left alone.
	settle    = time.Second
	scaleTime = 5 * time.Second
)

// Scaler sets the replicas of Deployments.
type Scaler interface {
	// Replicas is how many replicas a Deployment is to have, as far as is known.
	Replicas(namespace, deployment string) (n int, known bool)
	// Scale makes it n.
	Scale(ctx context.Context, namespace, deployment string, n int) error
}

// autoscaler decides how many replicas the versions have that this router owns.
type autoscaler struct {
	r       *Router
	scaler  Scaler
	gossip  *gossip
	kick    chan struct{}
	history map[poolName]*history
	done    chan scaling
}

// scaling is a call of the API server that has ended.
type scaling struct {
	name poolName
	err  error
}

func newAutoscaler(r *Router, s Scaler) *autoscaler {
	return &autoscaler{r: r, scaler: s, gossip: newGossip(r), kick: make(chan struct{}, 1), history: map[poolName]*history{},
		done: make(chan scaling)}
}

// wake makes the autoscaler look now: a request waits for the first replica.
func (a *autoscaler) wake() {
	select {
	case a.kick <- struct{}{}:
	default:
	}
}

// Run exchanges loads with the other routers and adds and removes replicas until the context ends.
func (r *Router) Run(ctx context.Context) {
	go r.writeLog(ctx)
	a := r.scaler
	tick := r.clock.NewTicker(gossipTime)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case s := <-a.done:
			a.scaled(s)
			continue
		case <-tick.Chan():
			a.gossip.round(ctx)
		case <-a.kick:
		}
		a.look(ctx)
	}
}

// look decides about every version that this router owns.
func (a *autoscaler) look(ctx context.Context) {
	if a.scaler == nil {
		return
	}
	routes := a.r.routes.Load()
	if routes == nil {
		return
	}
	_, present := a.r.snapshot()
	owned := map[poolName]bool{}
	for _, s := range *routes {
		for _, v := range s.versions {
			if v.Autoscale != nil && v.Backend.Namespace != "" && present.owns(v.name.String()) {
				owned[v.name] = true
				a.one(ctx, v)
			}
		}
	}
	for name := range a.history {
		if !owned[name] {
			delete(a.history, name)
		}
	}
}

func (a *autoscaler) one(ctx context.Context, v *version) {
	h := a.history[v.name]
	if h == nil {
		h = newHistory()
		a.history[v.name] = h
	}
	now := a.r.clock.Now()
	h.add(now, v.Autoscale, v.pool.load(), a.gossip.others(v.name))
	current, known := a.scaler.Replicas(v.Backend.Namespace, v.Autoscale.Deployment)
	if now.Before(h.until) {
		current = h.asked
	}
	if h.calling || !known {
		return
	}
	want := h.decide(v.Autoscale, max(1, v.Concurrency), current)
	if want == current {
		return
	}
	h.calling, h.asked = true, want
	h.direction = "down"
	if want > current {
		h.direction = "up"
	}
	a.r.log.Info("scaling", "version", v.name.String(), "from", current, "to", want, "load", math.Round(h.average*100)/100)
	go a.call(ctx, v, want)
}

func (a *autoscaler) call(ctx context.Context, v *version, want int) {
	ctx, cancel := context.WithTimeout(ctx, scaleTime)
	defer cancel()
	err := a.scaler.Scale(ctx, v.Backend.Namespace, v.Autoscale.Deployment, want)
	select {
	case a.done <- scaling{v.name, err}:
	case <-ctx.Done():
		if err == nil {
			return
		}
		a.r.log.Warn("scaling failed", "version", v.name.String(), "error", err)
	}
}

func (a *autoscaler) scaled(s scaling) {
	h := a.history[s.name]
	if h == nil {
		return // it has another owner by now
	}
	h.calling = false
	h.until = a.r.clock.Now().Add(settle)
	if s.err != nil {
		a.r.log.Warn("scaling failed", "version", s.name.String(), "error", s.err)
		return
	}
	a.r.metrics.scaled(s.name, h.direction)
}

// history is what is remembered of the load of one version.
type history struct {
	areas   map[string]float64 // by router: the integral as it said last
	total   float64            // request seconds of all routers
	samples []sample           // of the last refresh period, at least two when there are two
	now     int                // requests at replicas and in queues
	average float64
	peaks   []int     // the most replicas wanted in each of the last downFactor periods
	period  time.Time // when the present period began

	calling   bool
	asked     int
	direction string
	until     time.Time // asked counts
}

type sample struct {
	at    time.Time
	total float64
}

func newHistory() *history { return &history{areas: map[string]float64{}} }

// add takes in what the routers say now.
func (h *history) add(now time.Time, s *route.Autoscale, own Load, others map[string]Load) {
	h.now = own.Busy + own.Queue
	h.accrue("", own.Area)
	for peer, l := range others {
		h.now += l.Busy + l.Queue
		h.accrue(peer, l.Area)
	}
	refresh := s.Refresh()
	if n := len(h.samples); n == 0 || now.Sub(h.samples[n-1].at) >= refresh/steps {
		h.samples = append(h.samples, sample{now, h.total})
	}
	for len(h.samples) > 1 && now.Sub(h.samples[1].at) >= refresh {
		h.samples = h.samples[1:]
	}
	h.average = 0
	if since := now.Sub(h.samples[0].at); since > 0 {
		h.average = (h.total - h.samples[0].total) / max(since, refresh).Seconds()
	}
	switch {
	case h.period.IsZero():
		h.period, h.peaks = now, []int{0}
	case now.Sub(h.period) >= refresh:
		h.period = now
		h.peaks = append(h.peaks, 0)
		h.peaks = h.peaks[max(0, len(h.peaks)-downFactor-1):]
	}
}

// accrue adds what one router worked since it was asked last. One that is new or has started again begins at nothing.
func (h *history) accrue(router string, area float64) {
	if before, ok := h.areas[router]; ok && area > before {
		h.total += area - before
	}
	h.areas[router] = area
}

// decide says how many replicas there are to be: (busy + queued) / (replicas x concurrency) must not exceed the target. More are
// wanted at once, fewer only when no period of the last downFactor wanted more.
func (h *history) decide(s *route.Autoscale, concurrency, current int) int {
	want := int(math.Ceil(h.average/(float64(concurrency)*s.Target()) - 1e-9))
	if h.now > 0 {
		want = max(want, 1)
	}
	want = min(max(want, s.Min), s.Max)
	last := len(h.peaks) - 1
	h.peaks[last] = max(h.peaks[last], want)
	if want > current {
		return want
	}
	if len(h.peaks) <= downFactor {
		return min(current, max(s.Max, s.Min)) // not known for long enough
	}
	for _, p := range h.peaks {
		want = max(want, p)
	}
	return min(want, current)
}
