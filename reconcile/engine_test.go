package reconcile_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"berth.dev/berth"
	"berth.dev/berth/reconcile"
	"berth.dev/berth/store"
)

// TestRetry: an error that may pass by itself is tried again, later and later, and the reason is shown meanwhile.
func TestRetry(t *testing.T) {
	const failures = 9
	w := newWorld(t, script(&scripted{ensure: func(_ context.Context, _ berth.ID, call int) (berth.ClusterFacts, error) {
		if call <= failures {
			return berth.ClusterFacts{}, fmt.Errorf("the disk burns for the %d. time\nfor an unknown reason", call)
		}
		return ready(1), nil
	}}))
	w.engine("one")
	op := w.create(clusterID("a"), cluster(1))
	delay := 500 * time.Millisecond
	for n := 1; n <= failures; n++ {
		want := fmt.Sprintf("trying again: cluster a: the disk burns for the %d. time", n)
		w.until(want, 0, func() bool { return w.operation(op).Message == want })
		due, err := w.store.NextDue(w.ctx)
		w.must(err)
		if got := due.Sub(w.clock.Now()); got != delay {
			t.Errorf("after failure %d the next try is in %v, want %v", n, got, delay)
		}
		if state := w.get(clusterID("a")).State; state != berth.StateCreating {
			t.Errorf("meanwhile it is %s", state)
		}
		w.clock.Advance(delay)
		delay = min(2*delay, 30*time.Second)
	}
	if end := w.ends(op, berth.StateSucceeded); end.Message != "" || end.EndedAt.IsZero() {
		t.Errorf("the operation ended as %+v", end)
	}
	if r := w.get(clusterID("a")); r.State != berth.StateSucceeded || r.Fault != nil || r.Body.(*berth.Cluster).Status.FQDN == "" {
		t.Errorf("the cluster is %+v", r)
	}
}

// TestPanic: a phase that panics fails its own try and nothing else, and what it panicked with stays in the log.
func TestPanic(t *testing.T) {
	w := newWorld(t, script(&scripted{ensure: func(_ context.Context, id berth.ID, call int) (berth.ClusterFacts, error) {
		if id.Name() == "bad" && call <= 2 {
			panic("password=hunter2")
		}
		return ready(1), nil
	}}))
	w.engine("one")
	bad := w.create(clusterID("bad"), cluster(1))
	w.until("the try has failed", 0, func() bool { return strings.Contains(w.operation(bad).Message, "internal error") })
	if message := w.operation(bad).Message; strings.Contains(message, "hunter2") {
		t.Errorf("meanwhile the user reads %q", message)
	}
	w.ends(w.create(clusterID("good"), cluster(1)), berth.StateSucceeded)
	w.ends(bad, berth.StateSucceeded)
}

// TestUsersFault: an error that the user must correct is not tried again.
func TestUsersFault(t *testing.T) {
	p := &scripted{ensure: func(context.Context, berth.ID, int) (berth.ClusterFacts, error) {
		return berth.ClusterFacts{}, berth.Errorf(berth.CodeBadRequest, "This size is sold out.")
	}}
	w := newWorld(t, script(p))
	w.engine("one")
	end := w.ends(w.create(clusterID("a"), cluster(1)), berth.StateFailed)
	if end.Err == nil || end.Err.Message != "This size is sold out." || p.count("a") != 1 {
		t.Errorf("it ended with %v after %d tries", end.Err, p.count("a"))
	}
	if r := w.get(clusterID("a")); r.State != berth.StateFailed || r.Fault == nil || r.Fault.Code != berth.CodeBadRequest {
		t.Errorf("the cluster is %+v", r)
	}
}

// TestDeadline: every wait ends at a deadline, and the last reason is reported.
func TestDeadline(t *testing.T) {
	for name, answer := range map[string]func() (berth.ClusterFacts, error){
		"it never gets ready": func() (berth.ClusterFacts, error) {
			return berth.ClusterFacts{Exists: true, Message: "0 of 1 nodes are ready"}, nil
		},
		"it fails for ever": func() (berth.ClusterFacts, error) {
			return berth.ClusterFacts{}, errors.New("0 of 1 nodes are ready")
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, script(&scripted{ensure: func(context.Context, berth.ID, int) (berth.ClusterFacts, error) { return answer() }}))
			w.engine("one")
			op := w.create(clusterID("a"), cluster(1))
			w.until("the deadline", 5*time.Second, func() bool { return w.operation(op).State.Terminal() })
			end := w.operation(op)
			if end.State != berth.StateFailed || end.Err.Code != berth.CodeDeadlineExceeded ||
				!strings.Contains(end.Err.Message, "0 of 1 nodes are ready") {
				t.Errorf("it ended %s with %v", end.State, end.Err)
			}
			if took := end.EndedAt.Sub(end.StartedAt); took < 15*time.Minute {
				t.Errorf("it was given up after %v", took)
			}
		})
	}
}

// TestCleanFailsAlone: when the router's objects cannot be removed, the operation fails and the cluster stays Succeeded.
func TestCleanFailsAlone(t *testing.T) {
	p := &scripted{ensure: func(context.Context, berth.ID, int) (berth.ClusterFacts, error) { return ready(1), nil }}
	w := newWorld(t, script(p))
	w.engine("one")
	w.ends(w.create(clusterID("a"), cluster(1)), berth.StateSucceeded)
	p.lost.Store(true)
	r := w.get(clusterID("a"))
	op := w.accept(store.Change{Verb: berth.VerbClean, Resource: r, Base: r.Generation})
	w.until("the deadline", 5*time.Second, func() bool { return w.operation(op).State.Terminal() })
	if end := w.operation(op); end.State != berth.StateFailed || end.Err == nil || end.Err.Code != berth.CodeDeadlineExceeded {
		t.Errorf("the operation ended %s with %v", end.State, end.Err)
	}
	if after := w.get(clusterID("a")); after.State != berth.StateSucceeded || after.Fault != nil {
		t.Errorf("the cluster is %s with %v", after.State, after.Fault)
	}
}

// TestPanicWithoutEnd: a phase that always panics fails its operation at the deadline, and each panic is counted.
func TestPanicWithoutEnd(t *testing.T) {
	p := &scripted{ensure: func(context.Context, berth.ID, int) (berth.ClusterFacts, error) { panic("always") }}
	w := newWorld(t, script(p))
	var panics atomic.Int64
	w.engine("one", func(o *reconcile.Options) {
		o.Panicked = func(typ string) {
			if typ == berth.TypeCluster {
				panics.Add(1)
			}
		}
	})
	op := w.create(clusterID("a"), cluster(1))
	w.until("the deadline", 5*time.Second, func() bool { return w.operation(op).State.Terminal() })
	if end := w.operation(op); end.State != berth.StateFailed || end.Err.Code != berth.CodeDeadlineExceeded {
		t.Errorf("it ended %s with %v", end.State, end.Err)
	}
	if n := panics.Load(); n == 0 || n != int64(p.count("a")) {
		t.Errorf("%d panics are counted, of %d", n, p.count("a"))
	}
}

// TestNewerChangeStopsTheWork: a newer change cancels the work on the one before, in the middle of it.
func TestNewerChangeStopsTheWork(t *testing.T) {
	begun, stopped := make(chan struct{}), make(chan error, 1)
	p := &scripted{ensure: func(ctx context.Context, _ berth.ID, _ int) (berth.ClusterFacts, error) {
		close(begun)
		<-ctx.Done()
		stopped <- context.Cause(ctx)
		return berth.ClusterFacts{}, ctx.Err()
	}}
	w := newWorld(t, script(p))
	w.engine("one")
	create := w.create(clusterID("a"), cluster(1))
	<-begun
	remove := w.remove(clusterID("a"), berth.VerbDelete)
	if old := w.operation(create); old.State != berth.StateCanceled || old.Err == nil {
		t.Errorf("the superseded operation is %s, %v", old.State, old.Err)
	}
	w.until("the worker to be cancelled", time.Second, func() bool { return len(stopped) == 1 })
	w.ends(remove, berth.StateSucceeded)
	if !w.gone(clusterID("a")) || len(p.removed) != 1 {
		t.Errorf("left: %v; removed: %v", !w.gone(clusterID("a")), p.removed)
	}
}

// TestTwoEngines: of two servers on one store only one works on a resource, and together they do all.
func TestTwoEngines(t *testing.T) {
	const rows = 40
	p := &scripted{ensure: func(_ context.Context, _ berth.ID, call int) (berth.ClusterFacts, error) {
		if call%3 != 0 {
			return berth.ClusterFacts{Exists: true, Message: "starting"}, nil
		}
		return ready(1), nil
	}}
	w := newWorld(t, script(p))
	w.engine("one")
	w.engine("two")
	var ops []*berth.Operation
	for i := range rows {
		ops = append(ops, w.create(clusterID(fmt.Sprint("c", i)), cluster(1)))
	}
	for _, op := range ops {
		w.ends(op, berth.StateSucceeded)
	}
	if p.twice {
		t.Error("two worked on one row at once")
	}
	for i := range rows {
		if n := p.count(fmt.Sprint("c", i)); n != 3 {
			t.Errorf("c%d was checked %d times, want 3", i, n)
		}
	}
}

// TestStopHandsBack: a server that stops releases its leases at once, and another goes on from there.
func TestStopHandsBack(t *testing.T) {
	for name, ensure := range map[string]func(context.Context, berth.ID, int) (berth.ClusterFacts, error){
		"while it waits": func(_ context.Context, _ berth.ID, call int) (berth.ClusterFacts, error) {
			if call < 3 {
				return berth.ClusterFacts{Exists: true, Message: "starting"}, nil
			}
			return ready(1), nil
		},
		"while it works": func(ctx context.Context, _ berth.ID, call int) (berth.ClusterFacts, error) {
			if call == 1 {
				<-ctx.Done()
				return berth.ClusterFacts{}, ctx.Err()
			}
			return ready(1), nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := &scripted{ensure: ensure}
			w := newWorld(t, script(p))
			stop := w.engine("one")
			op := w.create(clusterID("a"), cluster(1))
			w.until("the first check", 0, func() bool { return p.count("a") > 0 })
			stop()
			claim, err := w.store.Claim(w.ctx, "another", 30*time.Second)
			if err != nil || claim == nil {
				t.Fatalf("after the stop there is nothing to claim: %v, %v", claim, err)
			}
			w.must(w.store.Release(w.ctx, claim))
			w.engine("two")
			w.ends(op, berth.StateSucceeded)
		})
	}
}

// TestCheck: a settled cluster is checked again and again; one that is lost is reported, and not created again.
func TestCheck(t *testing.T) {
	facts := make(chan berth.ClusterFacts, 1)
	facts <- ready(1)
	p := &scripted{
		ensure: func(context.Context, berth.ID, int) (berth.ClusterFacts, error) { return ready(1), nil },
		observe: func() berth.ClusterFacts {
			f := <-facts
			facts <- f
			return f
		},
	}
	w := newWorld(t, script(p))
	w.engine("one")
	w.ends(w.create(clusterID("a"), cluster(1)), berth.StateSucceeded)
	<-facts
	facts <- berth.ClusterFacts{Exists: true, Message: "it sleeps"}
	w.until("the silence to be seen", time.Second, func() bool {
		return w.get(clusterID("a")).Body.(*berth.Cluster).Status.Message == "it "+
			"sleeps"
	})
	if r := w.get(clusterID("a")); r.State != berth.StateSucceeded {
		t.Errorf("a cluster that does not answer is %s", r.State)
	}
	<-facts
	facts <- berth.ClusterFacts{}
	w.until("the loss to be seen", time.Second, func() bool { return w.get(clusterID("a")).State == berth.StateFailed })
	if fault := w.get(clusterID("a")).Fault; fault == nil || fault.Code != berth.CodeNotFound || p.count("a") != 1 {
		t.Errorf("the fault is %v after %d tries to make it", fault, p.count("a"))
	}
}

// TestClockSetBack: checks go on when the clock of the machine is set back, while the engine runs and before it starts.
func TestClockSetBack(t *testing.T) {
	for name, running := range map[string]bool{"while it runs": true, "before it starts": false} {
		t.Run(name, func(t *testing.T) {
			var silent atomic.Bool
			p := &scripted{
				ensure: func(context.Context, berth.ID, int) (berth.ClusterFacts, error) { return ready(1), nil },
				observe: func() berth.ClusterFacts {
					if silent.Load() {
						return berth.ClusterFacts{Exists: true, Message: "it sleeps"}
					}
					return ready(1)
				},
			}
			w := newWorld(t, script(p))
			stop := w.engine("one")
			w.ends(w.create(clusterID("a"), cluster(1)), berth.StateSucceeded)
			if !running {
				stop()
			}
			silent.Store(true)
			w.day.back.Store(int64(24 * time.Hour))
			if !running {
				w.engine("two")
			}
			began := w.clock.Now()
			w.until("the next check", time.Second, func() bool {
				return w.get(clusterID("a")).Body.(*berth.Cluster).Status.Message == "it sleeps"
			})
			if took := w.clock.Now().Sub(began); took > 5*time.Minute {
				t.Errorf("the check came after %s", took)
			}
		})
	}
}
