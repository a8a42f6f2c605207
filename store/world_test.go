package store_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"

	"berth.dev/berth"
	"berth.dev/berth/store"
)

// opener creates an empty store that is closed at the end of the test. There is one for each engine.
type opener func(t testing.TB, clock clockwork.Clock) *store.Store

const (
	sub    = "0b1f6471-1bf0-4dda-aec3-cb9272f09590"
	leased = 30 * time.Second
)

var (
	group     = berth.GroupID(sub, "Team-RG")
	workspace = berth.NewID(sub, "Team-RG", berth.TypeWorkspace, "Vision")
	compute   = workspace.Child("computes", "Gpu")
	cluster   = berth.NewID(sub, "Team-RG", berth.TypeCluster, "Aks-1")
)

// world is a store with a group and a workspace, and a clock that the test moves.
type world struct {
	*testing.T
	s     *store.Store
	clock *clockwork.FakeClock
	ctx   context.Context
	typed bool         // the engine refuses values that are not of a column's type
	also  *store.Store // another server on the same database; nil when there can be none
}

// server is one of the servers on the database.
func (w *world) server(i int) *store.Store {
	if w.also != nil && i%2 == 1 {
		return w.also
	}
	return w.s
}

func newWorld(t *testing.T, open opener) *world {
	clock := clockwork.NewFakeClockAt(time.Date(2026, 3, 1, 9, 0, 0, 123456789, time.UTC))
	w := &world{T: t, s: open(t, clock), clock: clock, ctx: t.Context()}
	w.typed = w.s.Typed()
	w.accept(settled(group, &berth.Group{}, 0))
	w.accept(settled(workspace, &berth.Workspace{FriendlyName: "Eyes"}, 0))
	return w
}

func settled(id berth.ID, body berth.Body, base int64) store.Change {
	return store.Change{
		Verb: berth.VerbCreate, Base: base, Settled: true, Caller: "ann",
		Resource: &berth.Resource{ID: id, Location: "westeurope", Body: body},
	}
}

// change is a change of a compute; description distinguishes two of them.
func change(verb berth.Verb, id berth.ID, base int64, description string) store.Change {
	return store.Change{Verb: verb, Base: base, Caller: "bob", Resource: &berth.Resource{
		ID: id, Location: "westeurope", Tags: map[string]string{"Env": "test"},
		Body: &berth.Compute{Spec: berth.ComputeSpec{Type: berth.ComputeAKS, Description: description}},
	}}
}

func removal(id berth.ID) store.Change {
	return store.Change{Verb: berth.VerbDelete, Caller: "eve", Resource: &berth.Resource{ID: id}}
}

func (w *world) accept(x store.Change) (*berth.Resource, *berth.Operation) {
	w.Helper()
	r, op, err := w.s.Accept(w.ctx, x)
	if err != nil {
		w.Fatalf("accept %s of %s: %v", x.Verb, x.Resource.ID, err)
	}
	return r, op
}

func (w *world) create(id berth.ID) (*berth.Resource, *berth.Operation) {
	w.Helper()
	return w.accept(change(berth.VerbCreate, id, 0, "first"))
}

// claim expects a row to be due.
func (w *world) claim(owner string) *store.Claim {
	w.Helper()
	c, err := w.s.Claim(w.ctx, owner, leased)
	if err != nil || c == nil {
		w.Fatalf("claim by %s: %v, %v; want a row", owner, c, err)
	}
	return c
}

func (w *world) nothingDue() {
	w.Helper()
	if c, err := w.s.Claim(w.ctx, "nobody", leased); err != nil || c != nil {
		w.Fatalf("claim: %+v, %v; want nothing to be due", c, err)
	}
}

func (w *world) finish(c *store.Claim, o store.Outcome) {
	w.Helper()
	w.must(w.s.Finish(w.ctx, c, o))
}

// detach finishes the removal of the one due row with a cleanup of the cluster.
func (w *world) detach(id berth.ID, detail string) {
	w.Helper()
	w.finish(w.claim("a"), store.Outcome{
		State: berth.StateSucceeded, Gone: true,
		Cleanup: &store.Cleanup{Cluster: cluster, Holder: id, Detail: []byte(detail)},
	})
}

// settle takes the one due row to Succeeded.
func (w *world) settle() {
	w.Helper()
	w.finish(w.claim("settler"), store.Outcome{State: berth.StateSucceeded})
}

func (w *world) get(id berth.ID) *berth.Resource {
	w.Helper()
	r, err := w.s.Get(w.ctx, id)
	w.must(err)
	return r
}

func (w *world) operation(id string) *berth.Operation {
	w.Helper()
	op, err := w.s.Operation(w.ctx, id)
	w.must(err)
	return op
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) wantErr(err, want error) {
	w.Helper()
	if !errors.Is(err, want) {
		w.Fatalf("error %v; want %v", err, want)
	}
}

func (w *world) wantCode(err error, want berth.Code) {
	w.Helper()
	if berth.ErrorCode(err) != want {
		w.Fatalf("error %q (%v); want %s", berth.ErrorCode(err), err, want)
	}
}

func (w *world) refuse(x store.Change, want berth.Code) error {
	w.Helper()
	_, _, err := w.s.Accept(w.ctx, x)
	w.wantCode(err, want)
	return err
}

func (w *world) wantState(id berth.ID, op string, state, opState berth.State) {
	w.Helper()
	if got := w.get(id); got.State != state || got.OperationID != op {
		w.Fatalf("resource is %s with operation %q; want %s with %q", got.State, got.OperationID, state, op)
	}
	if got := w.operation(op); got.State != opState {
		w.Fatalf("operation is %s; want %s", got.State, opState)
	}
}

// lost expects every write of a claim to be refused and to change nothing.
func (w *world) lost(c *store.Claim) {
	w.Helper()
	before := w.picture(c)
	c.Resource.Body = &berth.Compute{Spec: berth.ComputeSpec{Description: "written by a claimer that had lost"}}
	end := store.Outcome{
		State: berth.StateFailed, Fault: berth.Errorf(berth.CodeConflict, "late"), Notes: []string{"late"}, CheckAt: w.clock.Now(),
		Secrets: map[string][]byte{berth.SecretToken: []byte("late")},
		Cleanup: &store.Cleanup{Cluster: cluster, Holder: c.Resource.ID, Detail: []byte(`"late"`)},
	}
	gone := end
	gone.Gone = true
	for name, err := range map[string]error{
		"Finish": w.s.Finish(w.ctx, c, end), "Finish, gone": w.s.Finish(w.ctx, c, gone), "Progress": w.s.Progress(w.ctx, c, "late"),
		"Retry": w.s.Retry(w.ctx, c, w.clock.Now(), "late"), "Heartbeat": w.s.Heartbeat(w.ctx, c, time.Hour),
	} {
		if !errors.Is(err, store.ErrLost) {
			w.Errorf("%s: %v; want ErrLost", name, err)
		}
	}
	if held, err := w.s.Held(w.ctx, c); err != nil || held {
		w.Errorf("held: %v, %v; want false", held, err)
	}
	if after := w.picture(c); after != before {
		w.Errorf("a lost claim wrote:\n%s\nbefore:\n%s", after, before)
	}
}

// picture is all that readers can see of what a claim may touch.
func (w *world) picture(c *store.Claim) string {
	w.Helper()
	r, err := w.s.Get(w.ctx, c.Resource.ID)
	if err != nil {
		w.wantErr(err, store.ErrNotFound)
	}
	seen := []any{r}
	if c.Operation != nil {
		seen = append(seen, w.operation(c.Operation.ID))
	}
	secret, err := w.s.Secret(w.ctx, c.Resource.ID, berth.SecretToken)
	if err != nil {
		w.wantErr(err, store.ErrNotFound)
	}
	pending, err := w.s.Cleanups(w.ctx, cluster)
	w.must(err)
	holder, err := w.s.Holder(w.ctx, cluster)
	w.must(err)
	due, err := w.s.NextDue(w.ctx)
	w.must(err)
	text, err := json.MarshalIndent(append(seen, secret, pending, holder, due), "", " ")
	w.must(err)
	return string(text)
}
