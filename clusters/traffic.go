package clusters

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"berth.dev/berth"
	"berth.dev/berth/kube"
)

// traffics are the counts of routers of the last hour, in memory.
type traffics struct {
	mu sync.Mutex
	of map[string]*flow // by cluster.Key()
}

// flow is what the routers of one cluster have counted.
type flow struct {
	at     time.Time // of the last look
	why    string    // why it failed; empty when it did not
	before map[string]counts
	series map[string][]trafficPoint // by "kind/name"
}

// trafficPoint is a berth.TrafficPoint, smaller.
type trafficPoint struct {
	unix                                  int64
	requests, errors, median, slow, ready int32
}

// Traffic is what the router of a cluster has counted of a route. The cluster is looked at when the last look is old.
func (c *Clusters) Traffic(ctx context.Context, cluster berth.ID, q berth.TrafficQuery) (berth.Traffic, error) {
	asks, err := c.AsksRouter(ctx, cluster)
	if err != nil {
		return berth.Traffic{}, err
	}
	out := berth.Traffic{Series: []berth.TrafficPoint{}}
	if !asks {
		out.Message = berth.RouterUnasked
		return out, nil
	}
	now := c.Clock.Now()
	c.traffics.mu.Lock()
	f := c.traffics.of[cluster.Key()]
	old := f == nil || now.Sub(f.at) >= measureEvery
	c.traffics.mu.Unlock()
	if old {
		c.traffics.look(ctx, c, cluster, now)
	}
	c.traffics.mu.Lock()
	defer c.traffics.mu.Unlock()
	if f = c.traffics.of[cluster.Key()]; f == nil {
		return out, nil
	}
	out.Message = f.why
	for _, p := range f.series[q.Kind+"/"+q.Name] {
		out.Series = append(out.Series, p.wide())
	}
	return out, nil
}

func (p trafficPoint) wide() berth.TrafficPoint {
	return berth.TrafficPoint{At: time.Unix(p.unix, 0).UTC(), Requests: int(p.requests), Errors: int(p.errors), MedianMS: int(p.median),
		SlowMS: int(p.slow), Ready: int(p.ready)}
}

// look reads the counts of the routers of a cluster once.
func (t *traffics) look(ctx context.Context, c *Clusters, cluster berth.ID, now time.Time) {
	t.mu.Lock()
	f := t.of[cluster.Key()]
	if f == nil {
		if len(t.of) >= 2*maxMeasured {
			t.mu.Unlock()
			return
		}
		f = &flow{series: map[string][]trafficPoint{}}
		t.of[cluster.Key()] = f
	}
	if !f.at.IsZero() && now.Sub(f.at) < measureEvery/2 { // another look is under way, or was a moment ago
		t.mu.Unlock()
		return
	}
	last := f.at
	f.at = now
	t.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, measureTime)
	defer cancel()
	found, err := c.routerCounts(ctx, cluster)
	t.mu.Lock()
	defer t.mu.Unlock()
	f.why = ""
	if kube.Denied(err) { // its rights were changed
		f.why = berth.RouterUnasked
		return
	}
	if kube.NotServed(err) {
		f.why = "The router in the cluster is of an earlier version of Berth and does not tell what it has counted. Deploy to the cluster once " +
			"more: that renews it."
		return
	}
	if err != nil {
		f.why = fmt.Sprintf("The router did not tell what it has counted: %s.", berth.Sentence(err))
		return
	}
	f.add(found, now, now.Sub(last))
	if last.IsZero() {
		f.series = map[string][]trafficPoint{} // what was counted before, in no known time
		f.start(found, now)
	}
}

// forget drops what is known of a cluster.
func (t *traffics) forget(key string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.of, key)
}

// routerCounts are the counts of each router of a cluster by the name of its pod. None in a cluster without a router.
func (c *Clusters) routerCounts(ctx context.Context, cluster berth.ID) (map[string]counts, error) {
	conn, err := c.Connect(ctx, cluster)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	told, err := c.Counts(ctx, conn)
	out := map[string]counts{}
	for router, text := range told {
		out[router] = readCounts(text)
	}
	return out, err
}

// start notes the first look: there are replicas, and no requests yet that are known of.
func (f *flow) start(found map[string]counts, now time.Time) {
	for name, one := range total(found) {
		f.series[name] = append(f.series[name], trafficPoint{unix: now.Unix(), ready: narrow(one.ready)})
	}
}

// add notes what was counted since the last look, span ago.
func (f *flow) add(found map[string]counts, now time.Time, span time.Duration) {
	since := map[string]counts{}
	for pod, have := range found {
		since[pod] = have.since(f.before[pod])
	}
	f.before = found
	perMinute := func(n float64) int32 { return narrow(n * float64(time.Minute) / float64(max(span, time.Second))) }
	for name, one := range total(since) {
		if len(f.series[name]) == 0 && len(f.series) >= maxSeries {
			continue
		}
		p := trafficPoint{unix: now.Unix(), requests: perMinute(one.requests), errors: perMinute(one.errors), ready: narrow(one.ready)}
		if one.requests > 0 {
			p.requests = max(p.requests, 1)
			p.median, p.slow = narrow(one.quantile(0.5)*1000+0.5), narrow(one.quantile(0.99)*1000+0.5)
		}
		if one.errors > 0 {
			p.errors = max(p.errors, 1)
		}
		f.series[name] = append(f.series[name], p)
	}
	for name, points := range f.series {
		first := slices.IndexFunc(points, func(p trafficPoint) bool { return now.Unix()-p.unix <= int64(measuredFor.Seconds()) })
		if first < 0 {
			delete(f.series, name)
			continue
		}
		f.series[name] = slices.Delete(points, 0, first)
	}
}

func narrow(n float64) int32 { return int32(min(max(n, 0), most)) } // #nosec G115 -- bounded

// total adds up the counts of all routers.
func total(of map[string]counts) counts {
	out := counts{}
	for _, one := range of {
		for name, r := range one {
			sum := out.of(name)
			sum.requests, sum.errors = sum.requests+r.requests, sum.errors+r.errors
			sum.ready = max(sum.ready, r.ready)
			for le, n := range r.buckets {
				sum.buckets[le] += n
			}
		}
	}
	return out
}

// counts are those of the routes of one router by "kind/name".
type counts map[string]*routeCounts

// routeCounts are the counts of one route since its router started.
type routeCounts struct {
	requests, errors, ready float64
	buckets                 map[float64]float64 // requests that took at most so many seconds
}

func (c counts) of(name string) *routeCounts {
	if c[name] == nil {
		c[name] = &routeCounts{buckets: map[float64]float64{}}
	}
	return c[name]
}

// since is what was counted after an earlier look. A router that was started anew counts from zero.
func (c counts) since(before counts) counts {
	out := counts{}
	for name, have := range c {
		now, then := out.of(name), before[name]
		if then == nil || then.requests > have.requests {
			then = &routeCounts{}
		}
		now.requests, now.errors = have.requests-then.requests, max(have.errors-then.errors, 0)
		now.ready = have.ready
		for le, n := range have.buckets {
			now.buckets[le] = max(n-then.buckets[le], 0)
		}
	}
	return out
}

// quantile is the time that a part of the requests did not exceed, in seconds: between the bounds of a bucket it is taken to grow evenly.
func (r *routeCounts) quantile(part float64) float64 {
	var bounds []float64
	all := 0.0
	for le, n := range r.buckets {
		bounds = append(bounds, le)
		all = max(all, n)
	}
	slices.Sort(bounds)
	below, under := 0.0, 0.0
	for _, le := range bounds {
		n := r.buckets[le]
		if n >= part*all && n > under {
			if le > maxSeconds {
				return below // of the last bucket only the lower bound is known
			}
			return below + (le-below)*(part*all-under)/(n-under)
		}
		below, under = le, n
	}
	return below
}

// maxSeconds is beyond the bounds of all buckets but the last.
const maxSeconds = 1e6

// isError reports whether a status code counts as an error.
func isError(code string) bool {
	n, err := strconv.Atoi(code)
	return err != nil || n >= http.StatusBadRequest
}
