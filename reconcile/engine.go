// Package reconcile brings resources to what was requested: it claims due resources, takes them through the phases of their
// kind, and finishes them. It is the only package that changes anything outside the database.
package reconcile

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/jonboulle/clockwork"

	"berth.dev/berth"
	"berth.dev/berth/blob"
	"berth.dev/berth/clusters"
	"berth.dev/berth/serving"
	"berth.dev/berth/store"
)

const (
	lease      = 30 * time.Second
	heartbeat  = lease / 3
	maxWorkers = 64
	// maxChecks bounds the checks that run at once. They have slots of their own, because a hundred clusters that do not answer
	// must not delay an operation. 256 is enough for a thousand such clusters, each asked for 5 s every 30 s.
	maxChecks    = 256
	purgeEvery   = time.Hour
	releaseGrace = 5 * time.Second // to release leases when the server stops
)

// Options is what an Engine works with.
type Options struct {
	Store    *store.Store
	Provider berth.Provider
	Clusters *clusters.Clusters
	Serving  *serving.Serving // how models are served in clusters
	Files    *blob.Store      // of models and services
	// TokenKeys verify the tokens of services: a JSON Web Key Set.
	TokenKeys json.RawMessage
	Clock     clockwork.Clock
	Log       *slog.Logger
	ServerID  string // stands in ownership records: which Berth holds a cluster
	// CheckEvery is how often a settled resource is checked, give or take a fifth; 30 s when zero.
	CheckEvery time.Duration
	// KeepActivity is how long events of the activity log are kept; berth.ActivityRetention when zero.
	KeepActivity time.Duration
	// Spans are those of operations: each is inside the span of the request that it is of. nil for none.
	Spans berth.Spans
	// Panicked is called when a phase of a resource of this type panics: for a metric; may be nil.
	Panicked func(resourceType string)
	// Images pushes the images that serve models to a registry which connected clusters reach, and names them there, that of Python only
	// when it is wanted. It names them as well when they could not be pushed. It is nil without such a registry.
	Images func(ctx context.Context, python bool) (serving.Images, error)
	// Resources is how template deployments create resources; nil on a server without template deployments.
	Resources Resources
}

// Engine is the loop that claims due resources and works on them.
type Engine struct {
	Options
	wake   chan struct{}
	slots  chan struct{} // one for each operation that is worked on …
	checks chan struct{} // … and one for each check of a settled resource
	// suspect is the slot of the one resource that is worked on although a server has died while it worked on it; see suspect.go.
	suspect chan struct{}

	mu      sync.Mutex
	workers map[*worker]struct{}
	claims  int // numbers the leases of this engine
	running sync.WaitGroup

	routing  turns // by the key of a cluster: one at a time writes its routes
	pulling  turns // by the key of a cluster: one at a time writes what its nodes sign in with at registries
	cleaning turns // by the key of a cluster: one at a time does its cleanups
	resolved resolved
}

// New makes an engine; Run starts it.
func New(o Options) *Engine {
	if o.CheckEvery == 0 {
		o.CheckEvery = 30 * time.Second
	}
	if o.Spans == nil {
		o.Spans = berth.NoSpans{}
	}
	return &Engine{
		Options: o, wake: make(chan struct{}, 1), slots: make(chan struct{}, maxWorkers), checks: make(chan struct{}, maxChecks),
		suspect: make(chan struct{}, 1), workers: map[*worker]struct{}{},
	}
}

// Run claims and works until ctx is done, then waits until its workers have released their leases.
func (e *Engine) Run(ctx context.Context) error {
	defer e.Store.Subscribe(e.onEvent)()
	defer e.running.Wait()
	purge := e.Clock.NewTicker(purgeEvery)
	defer purge.Stop()
	var seen time.Time
	for {
		seen = e.clockSet(ctx, seen)
		next, err := e.claimAll(ctx)
		if err != nil && ctx.Err() == nil {
			e.Log.Error("the store cannot be read for work", "error", err)
			next = e.Clock.Now().Add(time.Second)
		}
		timer := e.timer(next)
		select {
		case <-ctx.Done():
			return nil
		case <-e.wake:
		case <-timer:
		case <-purge.Chan():
			e.purge(ctx)
		}
	}
}

// setBack is how far the time of day may go back unnoticed.
const setBack = 5 * time.Second

// clockSet makes sure that nothing waits until a clock which was set back has caught up, before the start or since seen. It returns the
// time of day.
func (e *Engine) clockSet(ctx context.Context, seen time.Time) time.Time {
	now := e.Clock.Now().Round(0) // without the monotonic part, which never goes back
	if !seen.IsZero() && seen.Sub(now) < setBack {
		return now
	}
	if !seen.IsZero() {
		e.Log.Warn("the clock was set back", "by", seen.Sub(now))
	}
	if err := e.Store.CapDue(ctx, 2*e.CheckEvery); err != nil && ctx.Err() == nil {
		e.Log.Error("what is due cannot be put right", "error", err)
		return seen // again the next time
	}
	return now
}

// purge removes what is too old to be read.
func (e *Engine) purge(ctx context.Context) {
	if _, err := e.Store.Purge(ctx, berth.OperationRetention); err != nil {
		e.Log.Warn("old operations could not be removed", "error", err)
	}
	if _, err := e.Store.PurgeActivity(ctx, cmp.Or(e.KeepActivity, berth.ActivityRetention)); err != nil && ctx.Err() == nil {
		e.Log.Warn("old events of the activity log could not be removed", "error", err)
	}
}

// timer fires when the next resource is due. A zero time never fires.
func (e *Engine) timer(next time.Time) <-chan time.Time {
	if next.IsZero() {
		return nil
	}
	for {
		now := e.Clock.Now()
		timer := e.Clock.After(max(next.Sub(now), 0))
		if e.Clock.Since(now) < time.Millisecond { // else the clock has moved on in between, and the timer is late by that much
			return timer
		}
	}
}

// claimAll starts a worker for every due resource, and returns when the next one will be due.
func (e *Engine) claimAll(ctx context.Context) (time.Time, error) {
	for {
		select {
		case e.slots <- struct{}{}:
		default: // all slots are taken; the first worker that ends wakes the loop
			return time.Time{}, nil
		}
		e.claims++
		c, err := e.Store.Claim(ctx, fmt.Sprintf("%s/%d", e.ServerID, e.claims), lease)
		if err != nil || c == nil {
			<-e.slots
			if err != nil {
				return time.Time{}, err
			}
			return e.Store.NextDue(ctx)
		}
		if !e.admit(ctx, c) {
			<-e.slots
			continue
		}
		w := &worker{engine: e, claim: c, key: c.Resource.ID.Key(), poke: make(chan struct{}, 1), slot: e.slots, suspect: c.Crashes > 0}
		if c.Operation == nil {
			select {
			case e.checks <- struct{}{}:
				<-e.slots
				w.slot = e.checks
			default:
			}
		}
		e.mu.Lock()
		e.workers[w] = struct{}{}
		e.mu.Unlock()
		e.running.Go(func() {
			defer e.done(w)
			w.run(ctx)
		})
	}
}

func (e *Engine) done(w *worker) {
	w.cleared()
	e.resolved.drop(w.key)
	e.mu.Lock()
	delete(e.workers, w)
	e.mu.Unlock()
	<-w.slot
	e.poke()
}

func (e *Engine) poke() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// onEvent wakes the loop for new work, the worker on this resource, whose change may be superseded, and the workers that wait
// for this resource.
func (e *Engine) onEvent(ev store.Event) {
	e.poke()
	e.mu.Lock()
	defer e.mu.Unlock()
	for w := range e.workers {
		if w.key == ev.Key || w.awaits == ev.Key {
			select {
			case w.poke <- struct{}{}:
			default:
			}
		}
	}
}

// worker takes one claim to its end.
type worker struct {
	engine  *Engine
	claim   *store.Claim
	key     string
	slot    chan struct{} // the engine's channel that this worker has a slot of
	poke    chan struct{} // the resource, or the one that is waited for, has changed
	suspect bool          // it has the engine's slot for suspects
	way     way           // of an operation through its phases
	awaits  string        // key of the resource that is waited for, or timeAlone; empty while a step runs. Guarded by engine.mu
}

func (w *worker) run(ctx context.Context) {
	if op := w.claim.Operation; op != nil { // what the worker changes is a part of it
		ctx = store.For(w.engine.Spans.Join(ctx, op.Origin.Trace), &store.Request{Origin: op.Origin.Inside(op.ID)})
		defer func() { w.way.leave(nil) }() // to be gone on with later
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	w.engine.running.Go(func() { w.beat(ctx, cancel) })
	for failed := 0; ctx.Err() == nil; {
		v, err := w.step(ctx)
		if err == nil && v.outcome == nil {
			w.wait(ctx, cancel, v)
			continue
		}
		if ctx.Err() != nil {
			break
		}
		err = w.settle(ctx, v, err)
		switch {
		case err == nil:
			return
		case errors.Is(err, store.ErrLost):
			cancel(err)
		default: // a resource released now would be claimed again at once, for as long as the disk is full
			w.engine.Log.Warn("the store refuses the outcome; trying again", "resource", w.claim.Resource.ID, "error", err)
			w.wait(ctx, cancel, again(backoff(failed)))
			failed++
		}
	}
	w.release(context.Cause(ctx))
}

// wait sleeps until the step is to be repeated or something has changed. A worker that waits for another resource frees its
// slot meanwhile; otherwise waiting workers could take all slots, and what they wait for would never get one.
func (w *worker) wait(ctx context.Context, cancel context.CancelCauseFunc, v verdict) {
	if v.on != "" || v.aside {
		<-w.slot
		w.engine.poke()
		defer func() { w.slot <- struct{}{} }()
	}
	w.await(cmp.Or(v.on, timeAlone))
	defer w.await("")
	select {
	case <-ctx.Done():
	case <-w.engine.Clock.After(v.after):
	case <-w.poke:
		if held, err := w.engine.Store.Held(ctx, w.claim); err == nil && !held {
			cancel(store.ErrLost)
		}
	}
}

// timeAlone is in the place of the key of a resource when a worker waits for none.
const timeAlone = "time"

// await notes what a worker waits for.
func (w *worker) await(key string) {
	w.engine.mu.Lock()
	defer w.engine.mu.Unlock()
	w.awaits = key
}

// beat extends the lease, and cancels the work when the lease is lost.
func (w *worker) beat(ctx context.Context, cancel context.CancelCauseFunc) {
	t := w.engine.Clock.NewTicker(heartbeat)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.Chan():
			if err := w.engine.Store.Heartbeat(ctx, w.claim, lease); errors.Is(err, store.ErrLost) {
				cancel(err)
			}
		}
	}
}

// release releases the lease: the server stops, or a newer change waits for it.
func (w *worker) release(why error) {
	ctx, cancel := context.WithTimeout(context.Background(), releaseGrace)
	defer cancel()
	if err := w.engine.Store.Release(ctx, w.claim); err != nil {
		w.engine.Log.Warn("a lease could not be released; it ends by itself", "resource", w.claim.Resource.ID, "error", err, "why", why)
	}
}
