package store_test

import (
	"path"
	"reflect"
	"strings"
	"time"

	"berth.dev/berth"
	"berth.dev/berth/store"
)

// by is a request of somebody who writes a resource.
func by(caller string, id berth.ID, correlation string) *store.Request {
	return &store.Request{Origin: berth.Origin{Right: id.Type() + "/write", Scope: id.String(), Caller: caller, ObjectID: "o-" + caller,
		Address: "192.0.2.7", Correlation: correlation}}
}

// log are the events that a query selects, the oldest first, each as "status action of the resource by the caller".
func (w *world) log(q store.ActivityQuery) (out []string) {
	w.Helper()
	q.From, q.Limit = w.clock.Now().Add(-time.Hour), 100
	all, err := w.s.Activities(w.ctx, sub, q)
	w.must(err)
	for i := len(all) - 1; i >= 0; i-- {
		a := all[i]
		out = append(out, strings.Join([]string{string(a.Status), path.Base(a.Origin.Right), path.Base(a.Resource), a.Origin.Called()}, " "))
	}
	return out
}

func (w *world) logs(q store.ActivityQuery, want ...string) {
	w.Helper()
	if got := w.log(q); !reflect.DeepEqual(got, want) {
		w.Errorf("the activity log has %q, want %q", got, want)
	}
}

// activityOfChanges: every accepted change is an event, and so is the end of its operation, with the origin of the request.
func activityOfChanges(w *world) {
	w.logs(store.ActivityQuery{}, "Succeeded write Team-RG ann", "Succeeded write Vision ann")
	request := by("bob", compute, "C-1")
	_, op, err := w.s.Accept(store.For(w.ctx, request), change(berth.VerbCreate, compute, 0, "first"))
	w.must(err)
	if op.Origin.Correlation != "C-1" || !request.Logged() {
		w.Errorf("the operation has the origin %+v", op.Origin)
	}
	if _, _, err := w.s.Accept(store.For(w.ctx, by("eve", compute, "C-2")), change(berth.VerbUpdate, compute, 1, "second")); err == nil {
		w.Error("accepted while busy")
	}
	c := w.claim("a")
	// What Berth does as a part of the operation is of the same caller.
	inside := store.For(w.ctx, &store.Request{Origin: c.Operation.Origin.Inside(c.Operation.ID)})
	for range 2 {
		w.accept(settled(cluster, &berth.Cluster{}, 0))
		_, _, err := w.s.Accept(inside, store.Change{Verb: berth.VerbDelete, Settled: true, Caller: "berth",
			Resource: &berth.Resource{ID: cluster}})
		w.must(err)
	}
	w.finish(c, store.Outcome{State: berth.StateFailed, Fault: berth.Errorf(berth.CodeConflict, "It is taken.")})
	w.logs(store.ActivityQuery{Correlation: "c-1"}, "Accepted write Gpu bob", "Succeeded delete Aks-1 bob", "Succeeded delete Aks-1 bob",
		"Failed write Gpu bob")
	all, err := w.s.Activities(w.ctx, sub, store.ActivityQuery{From: w.clock.Now().Add(-time.Hour), Status: "failed", Limit: 10})
	w.must(err)
	if len(all) != 1 || all[0].Code != berth.CodeConflict || all[0].Message != "It is taken." || all[0].Operation != c.Operation.ID ||
		all[0].Origin.Address != "192.0.2.7" || all[0].Origin.ObjectID != "o-bob" || !all[0].At.Equal(w.clock.Now().Truncate(time.Microsecond)) {
		w.Errorf("the end of the operation is %+v", all)
	}
	w.accept(removal(compute))
	w.accept(change(berth.VerbCreate, workspace.Child("computes", "other"), 0, "x"))
	w.logs(store.ActivityQuery{Caller: "EVE"}, "Accepted delete Gpu eve")
}

// activityOfOneRequest: a request with several changes is one event, and one whose change was superseded ends as canceled.
func activityOfOneRequest(w *world) {
	request := store.For(w.ctx, by("bob", compute, "C-1"))
	for _, id := range []berth.ID{compute, compute.Parent().Child("computes", "second")} {
		_, _, err := w.s.Accept(request, change(berth.VerbCreate, id, 0, "first"))
		w.must(err)
	}
	w.logs(store.ActivityQuery{Correlation: "C-1"}, "Accepted write Gpu bob")
	w.accept(removal(compute))
	w.logs(store.ActivityQuery{Resource: compute.String()}, "Accepted write Gpu bob", "Accepted delete Gpu eve", "Canceled write Gpu bob")
}

func activityQueries(w *world) {
	w.event(berth.Activity{Origin: berth.Origin{Right: "Microsoft.ContainerService/managedClusters/listClusterUserCredential/action",
		Caller: "id-1", UPN: "Ann@example.com"}, Resource: cluster.String(), Status: berth.StateFailed})
	w.logs(store.ActivityQuery{Provider: "microsoft.containerservice"}, "Failed action Aks-1 Ann@example.com")
	w.logs(store.ActivityQuery{Caller: "ann@EXAMPLE.com", Group: "team-rg"}, "Failed action Aks-1 Ann@example.com")
	w.logs(store.ActivityQuery{Group: "team"})
	w.logs(store.ActivityQuery{Group: "TEAM-RG", Status: "succeeded"}, "Succeeded write Team-RG ann", "Succeeded write Vision ann")
	w.logs(store.ActivityQuery{To: w.clock.Now().Add(-time.Microsecond)})
	w.logs(store.ActivityQuery{Resource: workspace.String() + "/"}, "Succeeded write Vision ann")
	var pages []string
	for after := ""; ; {
		page, err := w.s.Activities(w.ctx, sub, store.ActivityQuery{From: w.clock.Now(), After: after, Limit: 2})
		w.must(err)
		for _, a := range page {
			pages, after = append(pages, a.Origin.Called()), a.ID
		}
		if len(page) < 2 {
			break
		}
	}
	if want := []string{"Ann@example.com", "ann", "ann"}; !reflect.DeepEqual(pages, want) {
		w.Errorf("the pages have %q, want %q", pages, want)
	}
}

func (w *world) event(a berth.Activity) {
	w.Helper()
	w.must(w.s.Log(w.ctx, a))
}

// activityPurge removes more events than one step does, and none that is younger.
func activityPurge(w *world) {
	for range 1100 {
		w.event(berth.Activity{Origin: berth.Origin{Right: "X/y/write", Caller: "old"}, Resource: "/x", Status: berth.StateSucceeded})
	}
	w.clock.Advance(2 * time.Hour)
	w.event(berth.Activity{Origin: berth.Origin{Right: "X/y/write", Caller: "young"}, Resource: "/x", Status: berth.StateSucceeded})
	if n, err := w.s.PurgeActivity(w.ctx, time.Hour); n != 1102 || err != nil { // with the two of the world
		w.Errorf("%d events removed, %v; want 1102", n, err)
	}
	all, err := w.s.Activities(w.ctx, sub, store.ActivityQuery{Limit: 10})
	if err != nil || len(all) != 1 || all[0].Origin.Caller != "young" {
		w.Errorf("what remains is %+v, %v", all, err)
	}
}

// unreadableActivity: an event that cannot be read is shown with what is still known of it.
func unreadableActivity(w *world) {
	w.harm("UPDATE activity SET body = 'x' WHERE resource_key = ?", workspace.Key())
	all, err := w.s.Activities(w.ctx, sub, store.ActivityQuery{Limit: 1})
	w.must(err)
	if len(all) != 1 || all[0].Code != berth.CodeUnreadable || all[0].Resource != workspace.Key() || all[0].Origin.Caller != "ann" ||
		w.s.Unreadable() != 1 {
		w.Errorf("a damaged event is shown as %+v", all)
	}
}
