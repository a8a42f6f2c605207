package reconcile_test

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"

	"berth.dev/berth"
	"berth.dev/berth/reconcile"
	"berth.dev/berth/store"
)

// script is a provider that does what a test says.
type script struct {
	mu      sync.Mutex
	ensure  func(ctx context.Context) (berth.ClusterFacts, error)
	gone    bool
	ensures int
	inside  int // calls at this moment: never more than one for one cluster
	worst   int
}

func (p *script) Observe(context.Context, berth.ID) (berth.ClusterFacts, error) {
	return berth.ClusterFacts{Exists: true}, nil
}

func (p *script) Ensure(ctx context.Context, _ berth.ID, _ berth.ClusterSpec) (berth.ClusterFacts, error) {
	p.mu.Lock()
	p.ensures++
	p.inside++
	p.worst = max(p.worst, p.inside)
	do := p.ensure
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		p.inside--
		p.mu.Unlock()
	}()
	return do(ctx)
}

func (p *script) Remove(context.Context, berth.ID) (bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.gone = true
	return true, nil
}

func (p *script) Kubeconfig(context.Context, berth.ID) ([]byte, error) {
	return nil, errors.New("no credentials yet")
}

func (p *script) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ensures
}

// stage is a store, a clock that the test moves, and engines on both.
type stage struct {
	*testing.T
	ctx   context.Context
	clock *clockwork.FakeClock
	store *store.Store
	id    berth.ID
}

func newStage(t *testing.T) *stage {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	s := &stage{T: t, ctx: ctx, clock: clockwork.NewFakeClock(), id: berth.NewID("s", "rg", berth.TypeCluster, "c")}
	var err error
	if s.store, err = store.Open(ctx, filepath.Join(t.TempDir(), "berth.db"), s.clock); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.store.Close() })
	s.accept(store.Wish{Verb: berth.VerbCreate, Settled: true, Resource: &berth.Resource{ID: berth.GroupID("s", "rg"), Location: "westeurope", Body: &berth.Group{}}})
	return s
}

func (s *stage) accept(w store.Wish) *berth.Operation {
	s.Helper()
	_, op, err := s.store.Accept(s.ctx, w)
	if err != nil {
		s.Fatal(err)
	}
	return op
}

func (s *stage) create() *berth.Operation {
	s.Helper()
	return s.accept(store.Wish{Verb: berth.VerbCreate, Resource: &berth.Resource{ID: s.id, Location: "westeurope", Body: &berth.Cluster{Spec: berth.ClusterSpec{Pools: []berth.NodePool{{Name: "p", Count: 1}}}}}})
}

// engine runs an engine until the returned function is called.
func (s *stage) engine(name string, p berth.Provider) (stop func()) {
	ctx, cancel := context.WithCancel(s.ctx)
	e := reconcile.New(reconcile.Options{Store: s.store, Provider: p, Clock: s.clock, Log: slog.New(slog.DiscardHandler), ServerID: name})
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := e.Run(ctx); err != nil {
			s.Error(err)
		}
	}()
	stop = sync.OnceFunc(func() { cancel(); <-done })
	s.Cleanup(stop)
	return stop
}

// until moves the clock in steps until a condition holds.
func (s *stage) until(what string, step time.Duration, condition func() bool) {
	s.Helper()
	for !condition() {
		if s.ctx.Err() != nil {
			s.Fatalf("it never came to this: %s", what)
		}
		s.clock.Advance(step)
		time.Sleep(time.Millisecond) // real work between two moves of the clock: SQLite and goroutines
	}
}

func (s *stage) operation(op *berth.Operation) *berth.Operation {
	s.Helper()
	got, err := s.store.Operation(s.ctx, op.ID)
	if err != nil {
		s.Fatal(err)
	}
	return got
}

func failing(err error) func(context.Context) (berth.ClusterFacts, error) {
	return func(context.Context) (berth.ClusterFacts, error) { return berth.ClusterFacts{}, err }
}

// TestRetry: what may pass is tried again, its reason shows meanwhile, and the deadline ends it with that reason.
func TestRetry(t *testing.T) {
	s, p := newStage(t), &script{ensure: failing(errors.New("the moon is in the wrong place"))}
	op := s.create()
	s.engine("a", p)
	s.until("a reason that shows", time.Second, func() bool { return strings.Contains(s.operation(op).Message, "the moon") })
	s.until("the deadline", time.Second, func() bool { return s.operation(op).State == berth.StateFailed })
	if got := s.operation(op); got.Err.Code != berth.CodeDeadlineExceeded || !strings.Contains(got.Err.Message, "the moon") {
		t.Errorf("it failed with %v", got.Err)
	}
	if took := s.operation(op).EndedAt.Sub(op.StartedAt); took < 15*time.Minute || took > 20*time.Minute {
		t.Errorf("it was given up after %v", took)
	}
	if n := p.count(); n < 10 || n > 60 {
		t.Errorf("it was tried %d times in 15 minutes: backoff should make that about 35, fewer where the clock outruns the work", n)
	}
}

// TestFinal: the user's fault is final at once.
func TestFinal(t *testing.T) {
	s, p := newStage(t), &script{ensure: failing(berth.Errorf(berth.CodeBadRequest, "no such thing"))}
	op := s.create()
	s.engine("a", p)
	s.until("failure", 10*time.Millisecond, func() bool { return s.operation(op).State == berth.StateFailed })
	if r, err := s.store.Get(s.ctx, s.id); err != nil || r.State != berth.StateFailed || r.Fault.Message != "no such thing" || p.count() != 1 {
		t.Errorf("the resource is %+v, %v after %d tries", r, err, p.count())
	}
}

// TestSupersede: a delete ends what works on the create, and comes only after it.
func TestSupersede(t *testing.T) {
	s := newStage(t)
	entered, canceled := make(chan struct{}), make(chan struct{})
	p := &script{}
	p.ensure = func(ctx context.Context) (berth.ClusterFacts, error) {
		select {
		case entered <- struct{}{}:
		case <-ctx.Done():
		}
		<-ctx.Done()
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.gone {
			t.Error("the cluster was removed while it was still being made")
		}
		close(canceled)
		return berth.ClusterFacts{}, ctx.Err()
	}
	create := s.create()
	s.engine("a", p)
	<-entered
	remove := s.accept(store.Wish{Verb: berth.VerbDelete, Resource: &berth.Resource{ID: s.id}})
	s.until("the end of both", time.Second, func() bool { return s.operation(remove).State == berth.StateSucceeded })
	<-canceled
	if got := s.operation(create); got.State != berth.StateCanceled {
		t.Errorf("the create is %s", got.State)
	}
	if _, err := s.store.Get(s.ctx, s.id); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the cluster is still there: %v", err)
	}
}

// TestTwoEngines: one row is never worked on by two, and goes over when the first stops.
func TestTwoEngines(t *testing.T) {
	s := newStage(t)
	p := &script{ensure: func(context.Context) (berth.ClusterFacts, error) { return berth.ClusterFacts{Message: "waiting"}, nil }}
	s.create()
	first := s.engine("a", p)
	s.engine("b", p)
	s.until("some looks", 100*time.Millisecond, func() bool { return p.count() > 20 })
	first()
	before := p.count()
	s.until("more looks by the second", 100*time.Millisecond, func() bool { return p.count() > before+20 })
	if p.worst != 1 {
		t.Errorf("%d worked on one row at once", p.worst)
	}
}
