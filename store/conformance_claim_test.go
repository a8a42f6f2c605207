package store_test

import (
	"fmt"
	"time"

	"berth.dev/berth"
	"berth.dev/berth/store"
)

func (w *world) wantNextDue(want time.Time) {
	w.Helper()
	got, err := w.s.NextDue(w.ctx)
	if err != nil || !got.Equal(want.Truncate(time.Microsecond)) {
		w.Fatalf("next due %v, %v; want %v", got, err, want)
	}
}

func claimOrder(w *world) {
	w.wantNextDue(time.Time{})
	for _, name := range []string{"z", "m", "a"} {
		w.create(workspace.Child("computes", name))
		w.clock.Advance(time.Second)
	}
	for _, name := range []string{"z", "m", "a"} {
		if got := w.claim("a").Resource.ID.Name(); got != name {
			w.Errorf("claimed %s; want %s, which has waited longest", got, name)
		}
	}
	w.nothingDue()
}

// The engine sleeps until NextDue: at that very moment there must be something to claim, or it would spin.
func nextDueIsClaimable(w *world) {
	w.create(compute)
	w.wantNextDue(w.clock.Now())
	w.claim("a")
	end := w.clock.Now().Add(leased)
	w.wantNextDue(end)
	w.clock.Advance(leased)
	w.wantNextDue(end)
	c := w.claim("b")
	due := w.clock.Now().Add(time.Minute)
	w.must(w.s.Retry(w.ctx, c, due, "later"))
	w.clock.Advance(time.Minute)
	w.wantNextDue(due)
	w.finish(w.claim("c"), store.Outcome{State: berth.StateSucceeded})
	w.wantNextDue(time.Time{})
}

func retry(w *world) {
	_, op := w.create(compute)
	for tries := range 3 {
		c := w.claim("a")
		if c.Attempts != tries {
			w.Fatalf("attempts %d; want %d", c.Attempts, tries)
		}
		due := w.clock.Now().Add(time.Minute)
		w.must(w.s.Retry(w.ctx, c, due, "The registry does not answer."))
		w.lost(c)
		w.wantNextDue(due)
		w.nothingDue()
		if got := w.operation(op.ID); got.Message != "The registry does not answer." || got.State != berth.StateAccepted {
			w.Errorf("operation: %+v", got)
		}
		w.wantState(compute, op.ID, berth.StateCreating, berth.StateAccepted)
		w.clock.Advance(time.Minute)
	}
	w.finish(w.claim("a"), store.Outcome{State: berth.StateSucceeded})
	if got := w.operation(op.ID); got.Message != "" {
		w.Errorf("message %q outlived the operation", got.Message)
	}
	w.accept(change(berth.VerbUpdate, compute, 1, "second"))
	c := w.claim("a")
	if c.Attempts != 0 {
		w.Errorf("attempts %d of a new change; want 0", c.Attempts)
	}
	w.must(w.s.Retry(w.ctx, c, w.clock.Now(), "later"))
	w.accept(removal(compute))
	if c := w.claim("a"); c.Attempts != 0 {
		w.Errorf("attempts %d of a removal; want 0", c.Attempts)
	}
}

func progress(w *world) {
	_, op := w.create(compute)
	c := w.claim("a")
	c.Resource.Body.(*berth.Compute).Status.Nodes = 2
	w.must(w.s.Progress(w.ctx, c, "Waiting for nodes."))
	if got := w.get(compute).Body.(*berth.Compute).Status.Nodes; got != 2 {
		w.Errorf("nodes %d; want 2", got)
	}
	if got := w.operation(op.ID).Message; got != "Waiting for nodes." {
		w.Errorf("message %q", got)
	}
	w.wantState(compute, op.ID, berth.StateCreating, berth.StateAccepted)
	w.nothingDue()
	if held, err := w.s.Held(w.ctx, c); err != nil || !held {
		w.Errorf("held: %v, %v", held, err)
	}
}

func release(w *world) {
	w.create(compute)
	a := w.claim("a")
	w.must(w.s.Release(w.ctx, a))
	w.lost(a)
	b := w.claim("b")
	if b.Attempts != 0 {
		w.Errorf("attempts %d: a release is not a failure", b.Attempts)
	}
	w.must(w.s.Release(w.ctx, a))
	w.nothingDue()
	w.finish(b, store.Outcome{State: berth.StateSucceeded})
	w.must(w.s.Release(w.ctx, b))
	w.nothingDue()
}

// A claim whose server died counts as a crash; every orderly end of a claim resets the count.
func crashes(w *world) {
	claims := 0
	claim := func(want int) *store.Claim {
		w.Helper()
		claims++
		c := w.claim(fmt.Sprint("server ", claims))
		if c.Crashes != want {
			w.Fatalf("%d crashes; want %d", c.Crashes, want)
		}
		return c
	}
	die := func(times int) {
		w.Helper()
		for n := range times {
			w.must(w.s.Heartbeat(w.ctx, claim(n), leased))
			w.must(w.s.FreeLeases(w.ctx)) // the next server starts
		}
	}
	w.create(compute)
	die(3)
	c := claim(3)
	w.must(w.s.Progress(w.ctx, c, "under way"))
	w.must(w.s.FreeLeases(w.ctx))
	w.must(w.s.Release(w.ctx, claim(4))) // an orderly stop
	w.must(w.s.Postpone(w.ctx, claim(4), w.clock.Now()))
	claim(4)
	w.clock.Advance(2 * leased) // a lease that ends by itself is no crash
	c = claim(4)
	w.must(w.s.Survived(w.ctx, c))
	w.must(w.s.FreeLeases(w.ctx))
	w.must(w.s.Retry(w.ctx, claim(1), w.clock.Now(), "later"))
	die(2)
	w.finish(claim(2), store.Outcome{State: berth.StateSucceeded, CheckAt: w.clock.Now()})
	die(2) // checks of a settled resource count too
	w.accept(change(berth.VerbUpdate, compute, 1, "another change"))
	die(2)
	w.accept(removal(compute))
	w.settle()
}

func heartbeatProlongs(w *world) {
	w.create(compute)
	c := w.claim("a")
	for range 5 {
		w.clock.Advance(leased / 2)
		w.must(w.s.Heartbeat(w.ctx, c, leased))
		w.nothingDue()
	}
	w.wantNextDue(w.clock.Now().Add(leased))
	w.finish(c, store.Outcome{State: berth.StateSucceeded})
}

func takeOver(w *world) {
	other := workspace.Child("computes", "other")
	w.create(compute)
	w.create(other)
	a, b := w.claim("a"), w.claim("b")
	w.nothingDue()
	w.must(w.s.FreeLeases(w.ctx))
	w.lost(a)
	w.lost(b)
	w.wantNextDue(w.clock.Now())
	w.claim("c")
	w.claim("d")
	w.nothingDue()
}

func check(w *world) {
	_, op := w.create(compute)
	at := w.clock.Now().Add(time.Hour)
	w.finish(w.claim("a"), store.Outcome{State: berth.StateSucceeded, CheckAt: at})
	w.wantNextDue(at)
	w.nothingDue()
	w.clock.Advance(time.Hour)
	c := w.claim("a")
	if c.Operation != nil || c.Resource.State != berth.StateSucceeded {
		w.Fatalf("claim: %+v", c)
	}
	w.must(w.s.Progress(w.ctx, c, "no operation to write this to"))
	c.Resource.Body.(*berth.Compute).Status.Nodes = 5
	before := w.operation(op.ID)
	gone := berth.Errorf(berth.CodeClusterUnreachable, "Gone.")
	w.finish(c, store.Outcome{State: berth.StateFailed, Fault: gone, CheckAt: at.Add(time.Hour)})
	got := w.get(compute)
	if got.State != berth.StateFailed || got.Fault == nil || got.Body.(*berth.Compute).Status.Nodes != 5 || got.Generation != 1 {
		w.Errorf("%+v", got)
	}
	if after := w.operation(op.ID); after.State != before.State || after.EndedAt != before.EndedAt || after.Err != nil {
		w.Errorf("a check rewrote the operation: %+v", after)
	}
	w.wantNextDue(at.Add(time.Hour))

	w.clock.Advance(time.Hour)
	c = w.claim("a")
	w.must(w.s.Retry(w.ctx, c, w.clock.Now().Add(time.Second), "no operation"))
	w.clock.Advance(time.Second)
	if c = w.claim("b"); c.Operation != nil || c.Attempts != 1 {
		w.Errorf("claim: %+v", c)
	}
}

// A check of a settled row must not write its result over a change that was accepted meanwhile.
func changeDuringCheck(w *world) {
	w.create(compute)
	now := w.clock.Now()
	w.finish(w.claim("a"), store.Outcome{State: berth.StateSucceeded, CheckAt: now})
	c := w.claim("checker")
	x := change(berth.VerbUpdate, compute, 1, "only words")
	x.Settled = true
	w.accept(x)
	w.lost(c)
	w.nothingDue()
	w.must(w.s.Release(w.ctx, c))
	c = w.claim("checker 2") // a settled change does not cancel the next check

	_, op := w.accept(change(berth.VerbUpdate, compute, 2, "work"))
	w.lost(c)
	w.must(w.s.Release(w.ctx, c))
	if c = w.claim("worker"); c.Operation == nil || c.Operation.ID != op.ID {
		w.Errorf("claim: %+v", c)
	}
}

func (w *world) checkNow() {
	w.Helper()
	_, err := w.s.CheckNow(w.ctx, compute)
	w.must(err)
}

// checkNow makes a settled resource due. It changes nothing when the resource is under way, never checked, or missing.
func checkNow(w *world) {
	w.checkNow()
	w.create(compute)
	c := w.claim("a")
	w.checkNow()
	w.nothingDue()
	w.finish(c, store.Outcome{State: berth.StateSucceeded})
	w.checkNow()
	w.nothingDue() // it has no checks
	r := w.get(compute)
	_, _, err := w.s.Accept(w.ctx, store.Change{Verb: berth.VerbUpdate, Resource: r, Base: r.Generation})
	w.must(err)
	w.finish(w.claim("b"), store.Outcome{State: berth.StateSucceeded, CheckAt: w.clock.Now().Add(time.Minute)})
	w.nothingDue()
	w.checkNow()
	if c := w.claim("c"); c.Operation != nil || c.Resource.State != berth.StateSucceeded {
		w.Errorf("a check is %+v", c)
	}
}
