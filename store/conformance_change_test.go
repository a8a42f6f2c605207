package store_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	"berth.dev/berth"
	"berth.dev/berth/store"
)

func removalSupersedes(w *world) {
	for _, end := range []string{"released", "expired"} {
		id := workspace.Child("computes", end)
		_, created := w.create(id)
		old := w.claim("old")
		r, op := w.accept(removal(id))
		if r.State != berth.StateDeleting || r.Generation != 2 || op.Generation != 2 || r.Body.(*berth.Compute).Spec.Description != "first" {
			w.Fatalf("resource %+v, operation %+v", r, op)
		}
		w.wantState(id, op.ID, berth.StateDeleting, berth.StateAccepted)
		was := w.operation(created.ID)
		if was.State != berth.StateCanceled || berth.ErrorCode(was.Err) != berth.CodeCanceled || was.EndedAt.IsZero() {
			w.Errorf("the superseded operation: %+v", was)
		}
		w.lost(old)
		w.nothingDue() // the worker of the old generation must end first
		if end == "released" {
			w.must(w.s.Release(w.ctx, old))
		} else {
			w.clock.Advance(leased)
		}
		c := w.claim("new")
		if c.Operation == nil || c.Operation.ID != op.ID || c.Resource.Generation != 2 || c.Operation.Verb != berth.VerbDelete {
			w.Fatalf("claim: %+v", c)
		}
		w.lost(old)
		w.finish(c, store.Outcome{State: berth.StateSucceeded, Gone: true})
		w.lost(old)
	}
}

func secondRemoval(w *world) {
	w.create(compute)
	_, op := w.accept(removal(compute))
	w.refuse(removal(compute), berth.CodeBusy)
	x := removal(compute)
	x.Verb = berth.VerbDetach
	w.refuse(x, berth.CodeBusy)
	w.refuse(change(berth.VerbUpdate, compute, 2, "too late"), berth.CodeBusy)
	w.wantState(compute, op.ID, berth.StateDeleting, berth.StateAccepted)

	// A removal that failed may be tried again.
	w.finish(w.claim("a"), store.Outcome{State: berth.StateFailed, Fault: berth.Errorf(berth.CodeConflict, "No.")})
	_, op = w.accept(x)
	w.wantState(compute, op.ID, berth.StateDeleting, berth.StateAccepted)
}

func removalOfNothing(w *world) {
	_, _, err := w.s.Accept(w.ctx, removal(compute))
	w.wantErr(err, store.ErrNotFound)
	w.nothingDue()
}

func gone(w *world) {
	x := change(berth.VerbCreate, compute, 0, "first")
	x.Hold, x.Secrets = cluster, map[string][]byte{berth.SecretSSLKey: []byte("pem")}
	w.accept(x)
	w.settle()
	_, op := w.accept(removal(compute))
	w.finish(w.claim("a"), store.Outcome{State: berth.StateSucceeded, Gone: true, Notes: []string{"cleaned"}})

	_, err := w.s.Get(w.ctx, compute)
	w.wantErr(err, store.ErrNotFound)
	_, err = w.s.Secret(w.ctx, compute, berth.SecretSSLKey)
	w.wantErr(err, store.ErrNotFound)
	if h, err := w.s.Holder(w.ctx, cluster); err != nil || !h.IsZero() {
		w.Errorf("holder %v, %v; want none", h, err)
	}
	if got := w.operation(op.ID); got.State != berth.StateSucceeded || len(got.Notes) != 1 {
		w.Errorf("operation: %+v", got)
	}
	w.nothingDue()

	r, _ := w.accept(x) // the name is free again, and counts from the beginning
	if r.Generation != 1 {
		w.Errorf("generation %d; want 1", r.Generation)
	}
}

func purge(w *world) {
	_, ended := w.create(compute)
	w.settle()
	_, running := w.accept(change(berth.VerbUpdate, compute, 1, "second"))
	forget := func(want int64) {
		w.Helper()
		if n, err := w.s.Purge(w.ctx, berth.OperationRetention); err != nil || n != want {
			w.Fatalf("purged %d, %v; want %d", n, err, want)
		}
	}
	w.clock.Advance(berth.OperationRetention)
	forget(0)
	w.operation(ended.ID)
	w.clock.Advance(1000)
	forget(1)
	_, err := w.s.Operation(w.ctx, ended.ID)
	w.wantErr(err, store.ErrNotFound)
	w.operation(running.ID) // however old
}

func settledRemoval(w *world) {
	const storage, blobs = "Microsoft.Storage/storageAccounts", "Microsoft.Storage/storageAccounts/blobServices"
	account, neighbour := berth.NewID(sub, "Team-RG", storage, "files"), berth.NewID(sub, "Team-RG", storage, "files2")
	inside := account.Child("blobServices", "default")
	for _, id := range []berth.ID{account, neighbour, inside} {
		typ := storage
		if id.Key() == inside.Key() {
			typ = blobs
		}
		x := settled(id, &berth.Record{Type: typ}, 0)
		x.Secrets = map[string][]byte{"key": []byte("secret")}
		w.accept(x)
	}
	x := removal(account)
	x.Settled = true
	_, op, err := w.s.Accept(w.ctx, x)
	w.must(err)
	if op != nil {
		w.Errorf("it has the operation %+v", op)
	}
	for _, id := range []berth.ID{account, inside} {
		_, err := w.s.Get(w.ctx, id)
		w.wantErr(err, store.ErrNotFound)
		_, err = w.s.Secret(w.ctx, id, "key")
		w.wantErr(err, store.ErrNotFound)
	}
	w.get(neighbour)
	_, err = w.s.Secret(w.ctx, neighbour, "key")
	w.must(err)
	_, _, err = w.s.Accept(w.ctx, x)
	w.wantErr(err, store.ErrNotFound)
}

func goneWithExtensions(w *world) {
	neighbour := berth.NewID(sub, "Team-RG", berth.TypeCluster, cluster.Name()+"2")
	on := func(id berth.ID) berth.ID {
		return id.Extend("Microsoft.Authorization").Child("roleAssignments", "one")
	}
	for _, id := range []berth.ID{cluster, neighbour} {
		w.accept(settled(id, &berth.Cluster{}, 0))
	}
	for _, of := range []berth.ID{cluster, cluster.Child("agentPools", "pool"), neighbour, group} {
		w.accept(settled(on(of), &berth.Record{Type: berth.TypeRoleAssignment}, 0))
	}
	w.accept(removal(cluster))
	w.finish(w.claim("a"), store.Outcome{State: berth.StateSucceeded, Gone: true})
	for _, of := range []berth.ID{cluster, cluster.Child("agentPools", "pool")} {
		_, err := w.s.Get(w.ctx, on(of))
		w.wantErr(err, store.ErrNotFound)
	}
	w.get(on(neighbour))
	w.get(on(group))
}

func parents(w *world) {
	elsewhere := berth.NewID(sub, "Nowhere", berth.TypeWorkspace, "Vision")
	w.refuse(settled(elsewhere, &berth.Workspace{}, 0), berth.CodeGroupNotFound)
	missing := berth.NewID(sub, "Team-RG", berth.TypeCompute, "Lost", "Gpu")
	err := w.refuse(change(berth.VerbCreate, missing, 0, "x"), berth.CodeParentNotFound)
	if !strings.Contains(err.Error(), missing.Parent().String()) {
		w.Errorf("%q does not name the parent", err)
	}

	w.accept(removal(workspace))
	err = w.refuse(change(berth.VerbCreate, compute, 0, "x"), berth.CodeConflict)
	if !strings.Contains(err.Error(), "'Vision'") {
		w.Errorf("%q does not name the parent", err)
	}
	w.finish(w.claim("a"), store.Outcome{State: berth.StateSucceeded, Gone: true})
	w.refuse(change(berth.VerbCreate, compute, 0, "x"), berth.CodeParentNotFound)

	w.accept(settled(workspace, &berth.Workspace{}, 0))
	w.accept(removal(group)) // two levels above
	w.refuse(change(berth.VerbCreate, compute, 0, "x"), berth.CodeConflict)
	_, err = w.s.Get(w.ctx, compute)
	w.wantErr(err, store.ErrNotFound)
}

func holds(w *world) {
	other := berth.NewID(sub, "Team-RG", berth.TypeWorkspace, "Speech")
	w.accept(settled(other, &berth.Workspace{}, 0))
	rival := change(berth.VerbCreate, other.Child("computes", "Mine"), 0, "rival")
	first := change(berth.VerbCreate, compute, 0, "first")
	first.Hold = cluster
	rival.Hold = berth.NewID(strings.ToUpper(sub), "TEAM-rg", berth.TypeCluster, "AKS-1")

	w.accept(first)
	err := w.refuse(rival, berth.CodeAlreadyAttached)
	for _, word := range []string{"compute 'Gpu'", "workspace 'Vision'", "'Team-RG'", "2026-03-01 09:00 UTC"} {
		if !strings.Contains(err.Error(), word) {
			w.Errorf("%q does not say %q", err, word)
		}
	}
	_, err = w.s.Get(w.ctx, rival.Resource.ID)
	w.wantErr(err, store.ErrNotFound)

	w.finish(w.claim("a"), store.Outcome{State: berth.StateFailed, Fault: berth.Errorf(berth.CodeConflict, "No.")})
	w.refuse(rival, berth.CodeAlreadyAttached) // a failed compute still holds: it may have left objects in the cluster
	again := change(berth.VerbUpdate, berth.NewID(sub, "team-rg", berth.TypeCompute, "VISION", "GPU"), 1, "again")
	again.Hold = cluster
	w.accept(again)
	w.settle()
	if h, err := w.s.Holder(w.ctx, rival.Hold); err != nil || h.String() != compute.String() {
		w.Errorf("holder %v, %v", h, err)
	}

	w.accept(removal(compute))
	w.refuse(rival, berth.CodeAlreadyAttached)
	w.finish(w.claim("a"), store.Outcome{State: berth.StateSucceeded, Gone: true})
	w.accept(rival)
}

func holdsConcurrent(w *world) {
	const n = 50
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			x := change(berth.VerbCreate, workspace.Child("computes", fmt.Sprint("c", i)), 0, "x")
			x.Hold = cluster
			_, _, errs[i] = w.server(i).Accept(w.ctx, x)
		})
	}
	wg.Wait()
	won := -1
	for i, err := range errs {
		switch {
		case err == nil && won < 0:
			won = i
		case berth.ErrorCode(err) != berth.CodeAlreadyAttached:
			w.Errorf("%d: %v", i, err)
		}
	}
	all, err := w.s.All(w.ctx, store.Query{Parent: workspace})
	if err != nil || len(all) != 1 || won < 0 || all[0].ID.Name() != fmt.Sprint("c", won) {
		w.Fatalf("winner %d, computes %v, %v", won, all, err)
	}
	if h, err := w.s.Holder(w.ctx, cluster); err != nil || h.Key() != all[0].ID.Key() {
		w.Errorf("holder %v, %v", h, err)
	}
}

func secrets(w *world) {
	want := func(name, value string) {
		w.Helper()
		got, err := w.s.Secret(w.ctx, compute, name)
		if err != nil || string(got) != value {
			w.Errorf("%s: %q, %v; want %q", name, got, err, value)
		}
	}
	x := change(berth.VerbCreate, compute, 0, "first")
	x.Secrets = map[string][]byte{berth.SecretSSLKey: []byte("one"), "empty": nil}
	w.accept(x)
	want(berth.SecretSSLKey, "one")
	want("empty", "")
	w.finish(w.claim("a"), store.Outcome{State: berth.StateSucceeded, Secrets: map[string][]byte{berth.SecretToken: []byte("\x00\xff")}})
	want(berth.SecretToken, "\x00\xff")
	x = change(berth.VerbUpdate, compute, 1, "second")
	x.Secrets = map[string][]byte{berth.SecretSSLKey: []byte("two")}
	w.accept(x)
	want(berth.SecretSSLKey, "two")
	want(berth.SecretToken, "\x00\xff")
	x.Secrets[berth.SecretSSLKey] = []byte("three")
	w.refuse(x, berth.CodeBusy)
	want(berth.SecretSSLKey, "two")
	_, err := w.s.Secret(w.ctx, workspace, berth.SecretSSLKey)
	w.wantErr(err, store.ErrNotFound)
}

func cleanups(w *world) {
	leave := func(name, detail string) berth.ID {
		w.Helper()
		id := workspace.Child("computes", name)
		w.create(id)
		w.detach(id, detail)
		return id
	}
	want := func(details ...string) {
		w.Helper()
		all, err := w.s.Cleanups(w.ctx, cluster)
		var got []string
		for _, r := range all {
			got = append(got, r.Holder.Name()+string(r.Detail))
		}
		if err != nil || strings.Join(got, " ") != strings.Join(details, " ") {
			w.Errorf("%v, %v; want %v", got, err, details)
		}
	}
	a := leave("a", "1")
	leave("b", "2")
	leave("a", "3")
	want("a3", "b2")
	w.must(w.s.DropCleanup(w.ctx, cluster, a))
	want("b2")
	w.must(errors.Join(w.s.DropCleanup(w.ctx, cluster, berth.ID{}), w.s.DropCleanup(w.ctx, cluster, a)))
	want()
}
