package clusters

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"berth.dev/berth"
	"berth.dev/berth/kube"
	"berth.dev/berth/store"
)

const (
	// measureEvery is how often usage is measured: Kubernetes' own metrics are that old, or older.
	measureEvery = 30 * time.Second
	// measuredFor is how long measurements are kept, and how long they go on after somebody has looked at a cluster.
	measuredFor = time.Hour
	// maxMeasured bounds the clusters that are measured, maxSeries the nodes and the pods of each: 16 bytes a measurement.
	maxMeasured = 64
	maxSeries   = 300
	// measureTime bounds the measurement of one cluster.
	measureTime = 10 * time.Second
)

// usages are the measurements of the last hour, in memory.
type usages struct {
	mu sync.Mutex
	of map[string]*samples // by cluster.Key()
}

// samples are those of one cluster.
type samples struct {
	cluster berth.ID
	wanted  time.Time          // when somebody last looked
	at      time.Time          // of the last attempt
	why     string             // why it failed; empty when it did not
	denied  bool               // by the cluster
	series  map[string][]point // by seriesOf
	busy    chan struct{}      // closed when the attempt that is under way ends; nil when none is
}

// point is a berth.UsagePoint, smaller.
type point struct {
	unix                 int64
	milliCPUs, memoryMiB int32
}

// Names of series: that of the cluster is empty.
func seriesOf(q berth.WorkloadsQuery) string {
	switch {
	case q.Pod != "":
		return "pod/" + q.Namespace + "/" + q.Pod
	case q.Node != "":
		return "node/" + q.Node
	}
	return ""
}

// Measure measures every measureEvery until Close: the clusters with real nodes, so that there is something to see at the first look,
// and those that somebody has looked at within the last hour.
func (c *Clusters) Measure() {
	tick := c.Clock.NewTicker(measureEvery)
	defer tick.Stop()
	for {
		select {
		case <-c.life.Done():
			return
		case <-tick.Chan():
			c.measureAll(c.life)
		}
	}
}

func (c *Clusters) measureAll(ctx context.Context) {
	all, err := c.Store.All(ctx, store.Query{Type: berth.TypeCluster})
	if err != nil {
		return // the next tick tries again
	}
	now := c.Clock.Now()
	var due []berth.ID
	c.usages.mu.Lock()
	for key, s := range c.usages.of {
		_, err := c.Store.Get(ctx, s.cluster)
		wanted := now.Sub(s.wanted) < measuredFor
		if errors.Is(err, store.ErrNotFound) || !wanted && now.Sub(s.at) > measuredFor {
			delete(c.usages.of, key)
			c.traffics.forget(key)
		} else if wanted {
			due = append(due, s.cluster)
		}
	}
	c.usages.mu.Unlock()
	for _, r := range all {
		if b, isCluster := r.Body.(*berth.Cluster); isCluster && r.State == berth.StateSucceeded && !b.Spec.Connected &&
			!b.Status.Simulated && !slices.ContainsFunc(due, func(id berth.ID) bool { return id.Key() == r.ID.Key() }) {
			due = append(due, r.ID)
		}
	}
	const atOnce = 4
	slots := make(chan struct{}, atOnce)
	var wait sync.WaitGroup
	for _, id := range due[:min(len(due), maxMeasured)] {
		slots <- struct{}{}
		wait.Go(func() {
			defer func() { <-slots }()
			c.usages.measure(ctx, c, c.usages.get(id), now)
			if asks, err := c.AsksRouter(ctx, id); err == nil && asks {
				c.traffics.look(ctx, c, id, now)
			}
		})
	}
	wait.Wait()
}

// get finds the samples of a cluster, or begins them.
func (u *usages) get(cluster berth.ID) *samples {
	u.mu.Lock()
	defer u.mu.Unlock()
	s := u.of[cluster.Key()]
	if s == nil {
		s = &samples{cluster: cluster, series: map[string][]point{}}
		if len(u.of) < 2*maxMeasured {
			u.of[cluster.Key()] = s
		}
	}
	return s
}

// look notes that somebody looks at a cluster, and measures it when the last measurement is old.
func (u *usages) look(ctx context.Context, c *Clusters, cluster berth.ID) {
	now, s := c.Clock.Now(), u.get(cluster)
	u.mu.Lock()
	s.wanted = now
	old := now.Sub(s.at) >= measureEvery
	u.mu.Unlock()
	if old {
		u.measure(ctx, c, s, now)
	}
}

// measure measures a cluster once, or waits for the measurement that is under way.
func (u *usages) measure(ctx context.Context, c *Clusters, s *samples, now time.Time) {
	u.mu.Lock()
	if busy := s.busy; busy != nil {
		u.mu.Unlock()
		<-busy
		return
	}
	done := make(chan struct{})
	s.busy, s.at = done, now
	known := map[string]bool{}
	for name := range s.series {
		known[name] = true
	}
	u.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, measureTime)
	defer cancel()
	var found kube.Measured
	conn, err := c.Connect(ctx, s.cluster)
	if err == nil {
		found, err = conn.Measure(ctx, now, maxSeries, func(pod string) bool { return known["pod/"+pod] })
		conn.Close()
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	s.busy = nil
	close(done)
	s.denied = kube.Denied(err)
	if s.why = ""; err != nil {
		s.why = unmeasured(err)
	}
	s.add(found, now)
}

// unmeasured says why there is no measurement.
func unmeasured(err error) string {
	switch {
	case kube.Denied(err):
		return fmt.Sprintf("The cluster does not let Berth read what nodes and pods use: %s.", berth.Sentence(err))
	case kube.NotServed(err):
		return "The cluster does not measure what its nodes and pods use: it does not serve metrics.k8s.io (metrics-server)."
	case kube.Nonsense(err):
		return fmt.Sprintf("The cluster's answer about what its nodes and pods use cannot be used: %s.", berth.Sentence(err))
	}
	return fmt.Sprintf("The cluster did not answer when Berth asked what its nodes and pods use: %s.", berth.Sentence(err))
}

// add appends what was measured, and drops what is old, and the oldest series of pods beyond the bound.
func (s *samples) add(found kube.Measured, now time.Time) {
	sum := berth.UsagePoint{At: now}
	for name, p := range found.Nodes {
		sum.MilliCPUs, sum.MemoryMiB = sum.MilliCPUs+p.MilliCPUs, sum.MemoryMiB+p.MemoryMiB
		s.append("node/"+name, p)
	}
	if len(found.Nodes) > 0 {
		s.append("", sum)
	}
	for name, p := range found.Pods {
		s.append("pod/"+name, p)
	}
	var names []string
	for name, points := range s.series {
		first := slices.IndexFunc(points, func(p point) bool { return now.Unix()-p.unix <= int64(measuredFor.Seconds()) })
		if first < 0 {
			delete(s.series, name)
			continue
		}
		s.series[name] = slices.Delete(points, 0, first)
		names = append(names, name)
	}
	if len(names) > 2*maxSeries {
		last := func(name string) int64 { return s.series[name][len(s.series[name])-1].unix }
		slices.SortFunc(names, func(a, b string) int { return int(last(b) - last(a)) })
		for _, name := range names[2*maxSeries:] {
			delete(s.series, name)
		}
	}
}

func (s *samples) append(name string, p berth.UsagePoint) {
	s.series[name] = append(s.series[name], point{p.At.Unix(), int32(min(p.MilliCPUs, most)), int32(min(p.MemoryMiB, most))}) // #nosec G115
}

const most = 1<<31 - 1

// put adds what was measured to what is shown of a cluster: the last measurement of each node and pod, and all of the one series that
// is drawn.
func (u *usages) put(cluster berth.ID, w berth.Workloads, q berth.WorkloadsQuery) berth.Workloads {
	s := u.get(cluster)
	u.mu.Lock()
	defer u.mu.Unlock()
	w.Usage = berth.Usage{Message: s.why, Denied: s.denied, Series: []berth.UsagePoint{}}
	for _, p := range s.series[seriesOf(q)] {
		w.Usage.Series = append(w.Usage.Series, p.wide())
	}
	w.Nodes = slices.Clone(w.Nodes)
	for i := range w.Nodes {
		w.Nodes[i].Used = s.last("node/" + w.Nodes[i].Name)
	}
	for i := range w.Pods { // For has made a list of its own
		p := &w.Pods[i]
		if !p.Ended {
			p.Used = s.last(strings.Join([]string{"pod", p.Namespace, p.Name}, "/"))
		}
	}
	return w
}

// last is the last measurement of a series, if it is not older than the last but one of the cluster.
func (s *samples) last(name string) *berth.UsagePoint {
	points := s.series[name]
	if len(points) == 0 || s.at.Unix()-points[len(points)-1].unix > 2*int64(measureEvery.Seconds()) {
		return nil
	}
	p := points[len(points)-1].wide()
	return &p
}

func (p point) wide() berth.UsagePoint {
	return berth.UsagePoint{At: time.Unix(p.unix, 0).UTC(), MilliCPUs: int(p.milliCPUs), MemoryMiB: int(p.memoryMiB)}
}
