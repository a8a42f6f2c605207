package reconcile_test

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"

	"berth.dev/berth"
	"berth.dev/berth/clusters"
	"berth.dev/berth/reconcile"
	"berth.dev/berth/rules"
	"berth.dev/berth/seal"
	"berth.dev/berth/store"
)

// patience is real time: how long a test waits for what other goroutines do.
const patience = 5 * time.Minute

// stepTime is how long, in real time, the clock stands still for steps that workers are in. Then it moves on: a step may hang.
const stepTime = 200 * time.Millisecond

const sub = "0b1f6471-1bf0-4dda-aec3-cb9272f09590"

var (
	group     = berth.GroupID(sub, "Team-RG")
	workspace = berth.NewID(sub, "Team-RG", berth.TypeWorkspace, "Vision")
)

func clusterID(name string) berth.ID { return berth.NewID(sub, "Team-RG", berth.TypeCluster, name) }

// world is a store with a group and a workspace in it, a clock that stands until a test moves it, and engines.
type world struct {
	*testing.T
	store    *store.Store
	clock    *clockwork.FakeClock
	day      *dayClock
	provider berth.Provider
	engines  []*reconcile.Engine
	ctx      context.Context
}

func newWorld(t *testing.T, provider func(clockwork.Clock) berth.Provider) *world {
	t.Helper()
	t.Parallel()
	clock := clockwork.NewFakeClockAt(time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC))
	box, err := seal.Ephemeral()
	if err != nil {
		t.Fatal(err)
	}
	day := &dayClock{Clock: clock}
	s, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "berth.db"), store.Options{Clock: day, Sealer: box, Explain: rules.Explain})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	w := &world{T: t, store: s, clock: clock, day: day, provider: provider(clock), ctx: t.Context()}
	w.accept(store.Change{Verb: berth.VerbCreate, Settled: true, Resource: &berth.Resource{ID: group, Location: "westeurope",
		Body: &berth.Group{}}})
	w.accept(store.Change{Verb: berth.VerbCreate, Settled: true, Resource: &berth.Resource{ID: workspace, Location: "westeurope",
		Body: &berth.Workspace{}}})
	return w
}

// dayClock is a clock whose time of day can be set back. Its timers go on, as those of a system do.
type dayClock struct {
	clockwork.Clock
	back atomic.Int64 // nanoseconds
}

func (d *dayClock) Now() time.Time { return d.Clock.Now().Add(-time.Duration(d.back.Load())) }

func (d *dayClock) Since(t time.Time) time.Duration { return d.Now().Sub(t) }

func (d *dayClock) Until(t time.Time) time.Duration { return t.Sub(d.Now()) }

// engine starts one; it stops with the test, or when stop is called.
func (w *world) engine(name string, change ...func(*reconcile.Options)) (stop func()) {
	w.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	o := reconcile.Options{
		Store: w.store, Provider: w.provider, Clock: w.day, Log: slog.New(slog.DiscardHandler), ServerID: name,
		Clusters: clusters.New(clusters.Options{Store: w.store, Provider: w.provider, Clock: w.day, ServerID: name}),
	}
	for _, f := range change {
		f(&o)
	}
	e := reconcile.New(o)
	w.engines = append(w.engines, e)
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-ended:
			w.must(err)
		case <-time.After(patience):
			w.Error("the engine does not stop")
		}
	})
	w.Cleanup(stop)
	return stop
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) accept(x store.Change) *berth.Operation {
	w.Helper()
	_, op, err := w.store.Accept(w.ctx, x)
	w.must(err)
	return op
}

func (w *world) create(id berth.ID, body berth.Body) *berth.Operation {
	w.Helper()
	x := store.Change{Verb: berth.VerbCreate, Resource: &berth.Resource{ID: id, Location: "westeurope", Body: body}}
	if c, ok := body.(*berth.Compute); ok {
		x.Hold = c.Spec.ClusterID
	}
	return w.accept(x)
}

func (w *world) remove(id berth.ID, verb berth.Verb) *berth.Operation {
	w.Helper()
	return w.accept(store.Change{Verb: verb, Resource: &berth.Resource{ID: id}})
}

// change is an update of what is there.
func (w *world) change(id berth.ID, how func(berth.Body)) *berth.Operation {
	w.Helper()
	r := w.get(id)
	how(r.Body)
	return w.accept(store.Change{Verb: berth.VerbUpdate, Resource: r, Base: r.Generation})
}

func (w *world) get(id berth.ID) *berth.Resource {
	w.Helper()
	r, err := w.store.Get(w.ctx, id)
	w.must(err)
	return r
}

func (w *world) compute(id berth.ID) *berth.Compute { return w.get(id).Body.(*berth.Compute) }

func (w *world) gone(id berth.ID) bool {
	_, err := w.store.Get(w.ctx, id)
	return errors.Is(err, store.ErrNotFound)
}

func (w *world) operation(op *berth.Operation) *berth.Operation {
	w.Helper()
	now, err := w.store.Operation(w.ctx, op.ID)
	w.must(err)
	return now
}

// until waits, in real time, for what other goroutines bring about. Between two tries the clock moves by step, but never
// past work that is due and not begun, and not while workers are in the middle of it: on a busy machine the clock would run ahead of them.
func (w *world) until(what string, step time.Duration, done func() bool) {
	w.Helper()
	tick := time.NewTicker(3 * time.Millisecond)
	defer tick.Stop()
	moved := time.Now()
	for end := moved.Add(patience); !done(); <-tick.C {
		if time.Now().After(end) {
			w.Fatalf("waited in vain: %s", what)
		}
		busy := slices.ContainsFunc(w.engines, (*reconcile.Engine).Busy) && time.Since(moved) < stepTime
		if due, err := w.store.NextDue(w.ctx); step > 0 && !busy && err == nil && (due.IsZero() || due.After(w.clock.Now())) {
			w.clock.Advance(step)
			moved = time.Now()
		}
	}
}

// ends waits for an operation's end and wants it to be so.
func (w *world) ends(op *berth.Operation, want berth.State) *berth.Operation {
	w.Helper()
	w.until("the end of "+string(op.Verb)+" "+op.ResourceID.Name(), 20*time.Millisecond,
		func() bool { return w.operation(op).State.Terminal() })
	end := w.operation(op)
	if end.State != want {
		w.Fatalf("%s of %s is %s (%v), want %s", op.Verb, op.ResourceID.Name(), end.State, end.Err, want)
	}
	return end
}

func cluster(count int) *berth.Cluster {
	return &berth.Cluster{Spec: berth.ClusterSpec{Version: "1.36.0", DNSPrefix: "x",
		Pools: []berth.NodePool{{Name: "pool", Count: count, VMSize: "Standard_D3_v2", Mode: "System", OSType: "Linux", MaxPods: 110}}}}
}

func newCompute(id berth.ID, count int) *berth.Compute {
	return &berth.Compute{Spec: berth.ComputeSpec{Type: berth.ComputeAKS, Location: "westeurope", ClusterID: clusterID("of-" + id.Name()),
		AgentCount: count, VMSize: "Standard_D3_v2", Purpose: berth.FastProd, LoadBalancerType: "PublicIp"}}
}

func attached(to berth.ID, purpose berth.Purpose) *berth.Compute {
	return &berth.Compute{Spec: berth.ComputeSpec{Type: berth.ComputeAKS, Location: "westeurope", Attached: true, ClusterID: to,
		Purpose: purpose, LoadBalancerType: "PublicIp"}}
}
