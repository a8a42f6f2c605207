package store_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"berth.dev/berth"
	"berth.dev/berth/store"
)

// conformance is what every engine under the store must do, through its exported methods only.
func conformance(t *testing.T, open opener) {
	for _, c := range []struct {
		name string
		test func(*world)
	}{
		// The whole design depends on these five.
		{"finish clears the lease", finishClearsLease},
		{"finish of a stale generation writes nothing", finishStaleGeneration},
		{"finish after a lost lease writes nothing", finishLostLease},
		{"claim after expiry by another owner", claimAfterExpiry},
		{"accept while busy", acceptWhileBusy},

		{"create and finish change both rows", createAndFinish},
		{"both rows report a failure", failureInBothRows},
		{"a settled change has no operation", settledChange},
		{"a settled change keeps a failure", settledChangeKeepsFailure},
		{"accept answers what get reads", acceptAnswersWhatGetReads},
		{"a new row starts afresh", newRowStartsAfresh},
		{"base mismatch", baseMismatch},
		{"removal supersedes a create", removalSupersedes},
		{"second removal", secondRemoval},
		{"removal of nothing", removalOfNothing},
		{"gone", gone},
		{"what extends a resource goes with it", goneWithExtensions},
		{"a settled removal takes what is inside with it", settledRemoval},
		{"parents", parents},

		{"holds", holds},
		{"holds under concurrency", holdsConcurrent},
		{"secrets", secrets},
		{"cleanups", cleanups},

		{"claims go by due time", claimOrder},
		{"next due is claimable", nextDueIsClaimable},
		{"retry", retry},
		{"check now", checkNow},
		{"progress", progress},
		{"release", release},
		{"crashes are counted", crashes},
		{"heartbeat prolongs", heartbeatProlongs},
		{"take over", takeOver},
		{"check", check},
		{"a change during a check", changeDuringCheck},
		{"purge", purge},

		{"a row that cannot be read is shown, refused and deleted", unreadableRow},
		{"a row that cannot be read does not hold up the queue", unreadableDue},
		{"a row that cannot be read and is being deleted", unreadableRemoval},
		{"an operation that cannot be read", unreadableOperation},
		{"a change without its operation", missingOperation},
		{"a row that was repaired", repairedRow},
		{"cleanups that cannot be read", unreadableCleanups},
		{"applications that cannot be read", unreadableApplication},
		{"secrets that do not open", unreadableSecrets},
		{"people", people},
		{"refresh tokens", refreshTokens},
		{"tickets", tickets},

		{"activity of changes", activityOfChanges},
		{"a request is one event", activityOfOneRequest},
		{"activity queries", activityQueries},
		{"activity is removed", activityPurge},
		{"activity that cannot be read", unreadableActivity},

		{"paging", paging},
		{"queries", queries},
		{"casing", casing},
		{"counts", counts},
		{"events come after the commit", events},
		{"a canceled context leaves no trace", canceledContext},
		{"many at once", manyAtOnce},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.test(newWorld(t, open))
		})
	}
}

func finishClearsLease(w *world) {
	w.create(compute)
	c := w.claim("a")
	w.finish(c, store.Outcome{State: berth.StateSucceeded, CheckAt: w.clock.Now().Add(time.Second)})
	w.nothingDue()
	w.clock.Advance(time.Second) // long before the lease would have ended
	w.claim("b")
	w.lost(c)
}

func finishStaleGeneration(w *world) {
	w.create(compute)
	c := w.claim("a")
	_, op := w.accept(removal(compute))
	w.lost(c)
	w.wantState(compute, op.ID, berth.StateDeleting, berth.StateAccepted)
}

func finishLostLease(w *world) {
	_, op := w.create(compute)
	a := w.claim("a")
	w.clock.Advance(leased)
	b := w.claim("b")
	w.lost(a)
	w.must(w.s.Release(w.ctx, a)) // must not free b's lease
	w.nothingDue()
	w.finish(b, store.Outcome{State: berth.StateSucceeded})
	w.wantState(compute, op.ID, berth.StateSucceeded, berth.StateSucceeded)
}

func claimAfterExpiry(w *world) {
	_, op := w.create(compute)
	w.claim("a")
	w.clock.Advance(leased - time.Microsecond)
	w.nothingDue()
	w.clock.Advance(time.Microsecond)
	b := w.claim("b")
	if b.Owner != "b" || b.Resource.ID.Key() != compute.Key() || b.Operation == nil || b.Operation.ID != op.ID || b.Attempts != 0 {
		w.Fatalf("claim: %+v", b)
	}
	w.nothingDue()
}

func acceptWhileBusy(w *world) {
	r, op := w.create(compute)
	for _, verb := range []berth.Verb{berth.VerbCreate, berth.VerbUpdate} {
		x := change(verb, compute, r.Generation, "second")
		err := w.refuse(x, berth.CodeBusy)
		if !strings.Contains(err.Error(), op.ID) {
			w.Errorf("%q does not name the operation to wait for", err)
		}
		x.Settled = true
		w.refuse(x, berth.CodeBusy)
		x.Settled, x.Base = false, 77
		w.refuse(x, berth.CodeBusy) // busy takes precedence over moved: the client has to wait, not to read again
	}
	w.claim("a")
	w.refuse(change(berth.VerbUpdate, compute, r.Generation, "second"), berth.CodeBusy)
	w.wantState(compute, op.ID, berth.StateCreating, berth.StateAccepted)
	if got := w.get(compute).Body.(*berth.Compute).Spec.Description; got != "first" {
		w.Errorf("a refused change was written: %q", got)
	}
}

func createAndFinish(w *world) {
	r, op := w.create(compute)
	if r.State != berth.StateCreating || r.Generation != 1 || r.CreatedBy != "bob" ||
		op.Generation != 1 || op.Verb != berth.VerbCreate || op.Location != "westeurope" || op.Caller != "bob" {
		w.Fatalf("resource %+v, operation %+v", r, op)
	}
	w.wantState(compute, op.ID, berth.StateCreating, berth.StateAccepted)
	c := w.claim("a")
	c.Resource.Body.(*berth.Compute).Status.Nodes = 3
	w.clock.Advance(time.Second)
	w.finish(c, store.Outcome{State: berth.StateSucceeded, Notes: []string{"a note"}})
	w.wantState(compute, op.ID, berth.StateSucceeded, berth.StateSucceeded)
	got, done := w.get(compute), w.operation(op.ID)
	if n := got.Body.(*berth.Compute).Status.Nodes; n != 3 || got.Generation != 1 {
		w.Errorf("nodes %d, generation %d; want 3 and 1", n, got.Generation)
	}
	if done.EndedAt.Sub(done.StartedAt) != time.Second || !reflect.DeepEqual(done.Notes, []string{"a note"}) ||
		done.Err != nil || done.ResourceID.String() != compute.String() {
		w.Errorf("operation: %+v", done)
	}
	w.nothingDue()

	_, op = w.accept(change(berth.VerbUpdate, compute, 1, "second"))
	w.wantState(compute, op.ID, berth.StateUpdating, berth.StateAccepted)
	if got := w.operation(done.ID); !reflect.DeepEqual(got, done) { // only an operation under way is superseded
		w.Errorf("the next change rewrote history: %+v", got)
	}
}

func failureInBothRows(w *world) {
	_, op := w.create(compute)
	fault := &berth.Error{
		Code: berth.CodeBadRequest, Message: "No.", Target: "properties.x",
		Details: []berth.Error{{Code: berth.CodeConflict, Message: "Why."}},
	}
	w.finish(w.claim("a"), store.Outcome{State: berth.StateFailed, Fault: fault})
	w.wantState(compute, op.ID, berth.StateFailed, berth.StateFailed)
	if got := w.get(compute).Fault; !reflect.DeepEqual(got, fault) {
		w.Errorf("resource's fault: %+v", got)
	}
	if got := w.operation(op.ID).Err; !reflect.DeepEqual(got, fault) {
		w.Errorf("operation's fault: %+v", got)
	}
	r, _ := w.accept(change(berth.VerbUpdate, compute, 1, "again"))
	if r.Fault != nil || w.get(compute).Fault != nil {
		w.Error("the fault outlived the next change")
	}
}

func settledChange(w *world) {
	r := w.get(workspace)
	if r.State != berth.StateSucceeded || r.OperationID != "" || r.Generation != 1 {
		w.Fatalf("%+v", r)
	}
	w.nothingDue()
	x := settled(workspace, &berth.Workspace{FriendlyName: "Ears"}, 1)
	x.Verb, x.Caller = berth.VerbUpdate, "carl"
	w.clock.Advance(time.Minute)
	out, op := w.accept(x)
	if op != nil || out.Generation != 2 || out.State != berth.StateSucceeded {
		w.Fatalf("resource %+v, operation %+v", out, op)
	}
	got := w.get(workspace)
	if got.Generation != 2 || got.CreatedBy != "ann" || got.ModifiedBy != "carl" ||
		got.ModifiedAt.Sub(got.CreatedAt) != time.Minute || got.Body.(*berth.Workspace).FriendlyName != "Ears" {
		w.Errorf("%+v", got)
	}
	w.nothingDue()
}

func settledChangeKeepsFailure(w *world) {
	_, op := w.create(compute)
	w.finish(w.claim("a"), store.Outcome{State: berth.StateFailed, Fault: berth.Errorf(berth.CodeConflict, "No.")})
	x := change(berth.VerbUpdate, compute, 1, "only words")
	x.Settled = true
	w.accept(x)
	w.wantState(compute, op.ID, berth.StateFailed, berth.StateFailed)
	if got := w.get(compute); got.Fault == nil || got.Generation != 2 {
		w.Errorf("%+v", got)
	}
}

// A PUT is answered from what Accept returns, the GET after it from the row: clients compare them.
func acceptAnswersWhatGetReads(w *world) {
	r, op := w.create(compute)
	if got := w.get(compute); !reflect.DeepEqual(got, r) {
		w.Errorf("accept answered %+v\nget reads      %+v", r, got)
	}
	if got := w.operation(op.ID); !reflect.DeepEqual(got, op) {
		w.Errorf("accept answered %+v\noperation reads %+v", op, got)
	}
}

// Fields that a caller left in the envelope, for instance from an earlier read, are not part of the change.
func newRowStartsAfresh(w *world) {
	x := change(berth.VerbCreate, compute, 0, "first")
	x.Settled = true
	x.Resource.Generation, x.Resource.OperationID = 41, "old"
	x.Resource.Fault = berth.Errorf(berth.CodeConflict, "old")
	r, _ := w.accept(x)
	if r.Generation != 1 || r.OperationID != "" || r.Fault != nil {
		w.Errorf("generation %d, operation %q, fault %v", r.Generation, r.OperationID, r.Fault)
	}
	if x.Resource.Generation != 41 {
		w.Error("accept changed the request")
	}
}

func baseMismatch(w *world) {
	try := func(x store.Change) {
		w.Helper()
		_, _, err := w.s.Accept(w.ctx, x)
		w.wantErr(err, store.ErrMoved)
	}
	try(change(berth.VerbUpdate, compute, 3, "no such resource"))
	w.create(compute)
	w.settle()
	try(change(berth.VerbCreate, compute, 0, "expected no resource"))
	try(change(berth.VerbUpdate, compute, 2, "from the future"))
	x := removal(compute)
	x.Base = 2
	try(x)
	if r := w.get(compute); r.Generation != 1 || r.State != berth.StateSucceeded {
		w.Errorf("%+v", r)
	}
	x.Base = 1
	w.accept(x)
}
