package store_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jonboulle/clockwork"

	"berth.dev/berth"
	"berth.dev/berth/rules"
	"berth.dev/berth/store"
	"berth.dev/berth/store/postgrestest"
)

// patience is how long a test waits for another server.
const patience = 2 * time.Minute

// pair is a world with two servers on one database.
func pair(t *testing.T, c *postgrestest.Cluster) *world {
	t.Helper()
	address := c.Database(t)
	w := newWorld(t, func(t testing.TB, clock clockwork.Clock) *store.Store { return openDatabase(t, address, clock) })
	w.also = openDatabase(t, address, w.clock)
	return w
}

func TestPostgresServers(t *testing.T) {
	c := postgrestest.Start(t, false)
	for name, test := range map[string]func(*world){
		"one of many holds a cluster": holdsConcurrent, "many at once": manyAtOnce, "a change is seen after Sync": syncSees,
		"a server that ends": serverEnds, "a cluster belongs to its server": belongs, "applications": sharedApplications,
		"keys": sharedKeys, "a server that was away": wasAway,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(pair(t, c))
		})
	}
}

func syncSees(w *world) {
	for i := range 200 {
		before, _ := w.also.Revision()
		heard := false
		id := workspace.Child("computes", fmt.Sprint("c", i))
		cancel := w.also.Subscribe(func(e store.Event) { heard = heard || e.Key == id.Key() })
		w.settledCompute(id)
		w.must(w.also.Sync(w.ctx))
		cancel() // waits for the subscriber, so heard may be read
		if after, settled := w.also.Revision(); after == before || !settled || !heard {
			w.Fatalf("after Sync the other server's count went from %d to %d (settled %v), heard: %v", before, after, settled, heard)
		}
	}
}

// until waits for an event at a server, beginning with what is so already.
func (w *world) until(s *store.Store, what string, is func() bool) {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, patience)
	defer cancel()
	changed := make(chan struct{}, 1)
	defer s.Subscribe(func(store.Event) {
		select {
		case changed <- struct{}{}:
		default:
		}
	})()
	for !is() {
		select {
		case <-changed:
		case <-ctx.Done():
			w.Fatal("this did not happen: " + what)
		}
	}
}

// The lease of a server that ends without giving it up goes to the other, long before it would have ended by itself: the clock stands.
func serverEnds(w *world) {
	_, op := w.create(compute)
	old := w.claim("a")
	if c, err := w.also.Claim(w.ctx, "b", leased); err != nil || c != nil {
		w.Fatalf("claim of what the first server has: %+v, %v", c, err)
	}
	w.must(w.s.Close())
	var c *store.Claim
	w.until(w.also, "the other server takes the work over", func() bool {
		var err error
		c, err = w.also.Claim(w.ctx, "b", leased)
		w.must(err)
		return c != nil
	})
	if c.Crashes != 1 || c.Operation.ID != op.ID {
		w.Errorf("claim: %+v", c)
	}
	if err := w.also.Heartbeat(w.ctx, old, leased); !errors.Is(err, store.ErrLost) {
		w.Errorf("the old claim: %v; want ErrLost", err)
	}
	w.must(w.also.Finish(w.ctx, c, store.Outcome{State: berth.StateSucceeded}))
}

func belongs(w *world) {
	w.accept(change0(cluster))
	c := w.claim("a")
	w.must(w.s.Belong(w.ctx, c))
	w.must(w.s.Release(w.ctx, c))
	if c, err := w.also.Claim(w.ctx, "b", leased); err != nil || c != nil {
		w.Fatalf("the other server claims a cluster that is not its own: %+v, %v", c, err)
	}
	if next, err := w.also.NextDue(w.ctx); err != nil || !next.IsZero() {
		w.Errorf("next due at the other server: %v, %v", next, err)
	}
	home, err := w.also.Home(w.ctx, cluster)
	if err != nil || home == nil || home.ID != w.s.Self().ID || !home.GoneAt.IsZero() {
		w.Fatalf("home: %+v, %v", home, err)
	}
	r := w.get(cluster)
	w.must(w.s.Close())
	w.until(w.also, "the operation says whose the cluster is", func() bool {
		op, err := w.also.Operation(w.ctx, r.OperationID)
		w.must(err)
		return strings.Contains(op.Message, "'one'") && strings.Contains(op.Message, "not been running")
	})
	x := removal(cluster)
	_, op, err := w.also.Accept(w.ctx, x)
	if err != nil || !strings.Contains(op.Message, "'one'") {
		w.Errorf("a removal meanwhile: %+v, %v", op, err)
	}
}

// change0 creates a cluster.
func change0(id berth.ID) store.Change {
	return store.Change{Verb: berth.VerbCreate, Caller: "bob",
		Resource: &berth.Resource{ID: id, Location: "westeurope", Body: &berth.Cluster{}}}
}

func sharedApplications(w *world) {
	heard := 0
	cancel := w.also.Subscribe(func(e store.Event) {
		if e.Key == store.ApplicationsChanged {
			heard++
		}
	})
	w.must(w.s.PutApplication(w.ctx, berth.Application{ID: "a", ObjectID: "o", Name: "n"}))
	for i := range 2 {
		_, err := w.server(i).AlterApplication(w.ctx, "a", func(a *berth.Application) error {
			a.Credentials = append(a.Credentials, berth.Credential{KeyID: fmt.Sprint(i)})
			return nil
		})
		w.must(err)
	}
	all, err := w.also.Applications(w.ctx)
	if err != nil || len(all) != 1 || len(all[0].Credentials) != 2 {
		w.Errorf("%+v, %v; want both credentials", all, err)
	}
	w.must(w.also.Sync(w.ctx))
	cancel()
	if heard != 3 {
		w.Errorf("%d events; want 3", heard)
	}
}

func sharedKeys(w *world) {
	w.must(w.s.Share(w.ctx, map[string][]byte{"a": []byte("1"), "b": []byte("2")}))
	w.must(w.also.Share(w.ctx, map[string][]byte{"a": []byte("late"), "c": []byte("3")}))
	w.must(w.also.PutShared(w.ctx, "b", []byte("4")))
	got, err := w.s.Shared(w.ctx)
	if err != nil || fmt.Sprint(got) != fmt.Sprint(map[string][]byte{"a": []byte("1"), "b": []byte("4"), "c": []byte("3")}) {
		w.Errorf("%s, %v", got, err)
	}
	if strings.Contains(dump(w, "secrets"), "late") {
		w.Error("a shared key stands in the database as it is")
	}
}

// A server that has missed changes which are gone believes nothing of what it knew.
func wasAway(w *world) {
	w.must(w.also.Sync(w.ctx))
	w.accept(settled(cluster, &berth.Cluster{}, 0))
	_, err := w.s.WriteDB().Exec("UPDATE changes SET n = n + 5") // as if five had been in between
	w.must(err)
	all := false
	cancel := w.also.Subscribe(func(e store.Event) { all = all || e.Key == "" && e.Gone })
	w.must(w.also.Sync(w.ctx))
	cancel()
	if !all {
		w.Error("the server goes on as if it had missed nothing")
	}
}

// The clock of a server is compared with that of the database.
func TestPostgresDrift(t *testing.T) {
	c := postgrestest.Start(t, false)
	for want, clock := range map[time.Duration]clockwork.Clock{
		0: clockwork.NewRealClock(), time.Hour: clockwork.NewFakeClockAt(time.Now().Add(time.Hour)),
	} {
		drift, err := openDatabase(t, c.Database(t), clock).Drift(t.Context())
		if err != nil || (drift-want).Abs() > patience {
			t.Errorf("drift %v, %v; want about %v", drift, err, want)
		}
	}
}

func TestPostgresRefuses(t *testing.T) {
	c := postgrestest.Start(t, false)
	open := func(address string, self store.Server) error {
		s, err := store.OpenPostgres(t.Context(), address, self,
			store.Options{Clock: clockwork.NewRealClock(), Sealer: box, Explain: rules.Explain})
		if err == nil {
			err = errors.Join(errors.New("opened"), s.Close())
		}
		return err
	}
	address := c.Database(t)
	s := openDatabase(t, address, clockwork.NewRealClock())
	newer := c.Database(t)
	n := openDatabase(t, newer, clockwork.NewRealClock())
	if _, err := n.WriteDB().Exec("INSERT INTO schema_version (version) VALUES (999)"); err != nil {
		t.Fatal(err)
	}
	foreign := c.Database(t)
	c.SQL(t, foreign, "CREATE TABLE customers (name TEXT)")
	for name, x := range map[string]struct{ address, word string }{
		"newer":      {newer, "newer Berth"},
		"foreign":    {foreign, "another program"},
		"no server":  {"postgres://berth:hush@127.0.0.1:1/berth", "cannot be used"},
		"no address": {"postgres://berth:hush@127.0.0.1:99999/berth", "cannot be used"},
		"none":       {c.Address("nowhere"), "does not exist"},
	} {
		err := open(x.address, store.Server{ID: uuid.NewString(), Name: "other"})
		e, ours := errors.AsType[*berth.Error](err)
		if !ours || !strings.Contains(e.Message, x.word) || strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: %v; want a *berth.Error that says %q and no password", name, err, x.word)
		}
	}
	if err := open(address, s.Self()); err == nil || !strings.Contains(err.Error(), "same data folder") {
		t.Errorf("a second process of the same server: %v", err)
	}
}

// PostgreSQL that crashes and comes back: what was accepted is there, and the store goes on.
func TestPostgresRestarts(t *testing.T) {
	c := postgrestest.Start(t, true)
	address := c.Database(t)
	w := newWorld(t, func(t testing.TB, clock clockwork.Clock) *store.Store { return openDatabase(t, address, clock) })
	w.create(compute)
	c.StopServer(t)
	_, _, err := w.s.Accept(w.ctx, change(berth.VerbCreate, workspace.Child("computes", "lost"), 0, "x"))
	w.wantCode(err, berth.CodeServiceUnavailable)
	w.wantCode(w.s.Sync(w.ctx), berth.CodeServiceUnavailable)
	c.StartServer(t)
	w.settle()
	w.must(w.s.Sync(w.ctx))
	w.create(workspace.Child("computes", "after"))
	if r := w.get(compute); r.State != berth.StateSucceeded {
		t.Errorf("%+v", r)
	}
}
