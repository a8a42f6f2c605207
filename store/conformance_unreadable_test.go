package store_test

import (
	"fmt"
	"strings"
	"time"

	"berth.dev/berth"
	"berth.dev/berth/store"
)

// harm damages a stored record by direct SQL.
func (w *world) harm(query string, args ...any) {
	w.Helper()
	res, err := w.s.WriteDB().Exec(query, args...)
	w.must(err)
	if n, err := res.RowsAffected(); err != nil || n != 1 {
		w.Fatalf("%s: %d rows, %v; want one", query, n, err)
	}
}

// stored is one column of a resource as it stands in the table.
func (w *world) stored(column string, id berth.ID) (value string) {
	w.Helper()
	w.must(w.s.WriteDB().QueryRow("SELECT "+column+" FROM resources WHERE key = ?", id.Key()).Scan(&value))
	return value
}

type damage struct{ column, value string }

// damages are the ways in which a row of resources can be unreadable, by column.
func (w *world) damages() []damage {
	all := []damage{
		{"body", `{"spec": {`}, {"body", `{"spec": 7}`}, {"tags", `["a"]`}, {"fault", "no JSON"},
		{"type", "Contoso.Sheep/flocks"}, {"id", "no id"}, {"state", "Dreaming"},
	}
	if !w.typed { // else the engine itself refuses them
		all = append(all, damage{"body", "\x00\xff"}, damage{"generation", "seven"}, damage{"created_at", "yesterday"})
	}
	return all
}

func unreadableRow(w *world) {
	damages := w.damages()
	for i, d := range damages {
		id := workspace.Child("computes", fmt.Sprint("C", i))
		w.settledCompute(id)
		w.settledCompute(workspace.Child("computes", fmt.Sprint("Good", i)))
		w.harm("UPDATE resources SET "+d.column+" = ?, checksum = NULL WHERE key = ?", d.value, id.Key()) // readable but for the content
	}
	all, err := w.s.All(w.ctx, store.Query{Parent: workspace})
	if err != nil || len(all) != 2*len(damages) {
		w.Fatalf("%d resources, %v; want all %d, the damaged ones too", len(all), err, 2*len(damages))
	}
	for i, d := range damages {
		id := workspace.Child("computes", fmt.Sprint("C", i))
		r := w.get(id)
		_, isCompute := r.Body.(*berth.Compute)
		if !r.Unreadable || r.State != berth.StateFailed || berth.ErrorCode(r.Fault) != berth.CodeUnreadable ||
			!isCompute || r.ID.Key() != id.Key() {
			w.Errorf("%s = %q: %+v", d.column, d.value, r)
		}
		if r.Fault != nil && !strings.Contains(r.Fault.Message, "Delete it") {
			w.Errorf("%s = %q: the fault does not say what to do: %s", d.column, d.value, r.Fault.Message)
		}
		w.refuse(change(berth.VerbUpdate, id, r.Generation, "over it"), berth.CodeUnreadable)
		if got := w.stored(d.column, id); got != d.value {
			w.Errorf("%s became %q; the bytes were to stay as they are", d.column, got)
		}
	}
	if n := w.s.Unreadable(); n != len(damages) {
		w.Errorf("%d records set aside; want %d", n, len(damages))
	}
	for i := range damages {
		w.accept(removal(workspace.Child("computes", fmt.Sprint("C", i))))
		w.finish(w.claim("a"), store.Outcome{State: berth.StateSucceeded, Gone: true})
	}
	if all, err := w.s.All(w.ctx, store.Query{Parent: workspace}); err != nil || len(all) != len(damages) || w.s.Unreadable() != 0 {
		w.Errorf("%d resources, %v, %d set aside; want the good ones and none aside", len(all), err, w.s.Unreadable())
	}
}

// The row that has waited longest is the bad one: it must not keep the others waiting, nor be due again.
func unreadableDue(w *world) {
	_, lost := w.create(compute)
	w.clock.Advance(time.Second)
	good := workspace.Child("computes", "Good")
	w.create(good)
	w.harm("UPDATE resources SET body = '{' WHERE key = ?", compute.Key())
	if c := w.claim("a"); c.Resource.ID.Key() != good.Key() {
		w.Errorf("claimed %s; want %s", c.Resource.ID, good)
	}
	w.nothingDue()
	if op := w.operation(lost.ID); op.State != berth.StateFailed || berth.ErrorCode(op.Err) != berth.CodeUnreadable || op.EndedAt.IsZero() {
		w.Errorf("the operation of a row that cannot be read: %+v", op)
	}
	w.wantNextDue(w.clock.Now().Add(leased))
}

func unreadableRemoval(w *world) {
	w.settledCompute(compute)
	w.harm("UPDATE resources SET body = '{' WHERE key = ?", compute.Key())
	_, op := w.accept(removal(compute))
	if r := w.get(compute); r.State != berth.StateDeleting || !r.Unreadable {
		w.Errorf("while it is deleted: %+v", r)
	}
	c := w.claim("a")
	if c.Operation == nil || c.Operation.ID != op.ID || !c.Resource.Unreadable {
		w.Fatalf("claim: %+v", c)
	}
	w.must(w.s.Progress(w.ctx, c, "under way"))
	w.finish(c, store.Outcome{State: berth.StateFailed, Fault: berth.Errorf(berth.CodeConflict, "No.")})
	if got := w.stored("body", compute); got != "{" {
		w.Errorf("the body became %q while its removal failed", got)
	}
	w.accept(removal(compute))
	w.finish(w.claim("a"), store.Outcome{State: berth.StateSucceeded, Gone: true})
	_, err := w.s.Get(w.ctx, compute)
	w.wantErr(err, store.ErrNotFound)
}

func unreadableOperation(w *world) {
	_, op := w.create(compute)
	w.harm("UPDATE operations SET steps = '{' WHERE id = ?", op.ID)
	got := w.operation(op.ID)
	if !got.Unreadable || got.State != berth.StateFailed || berth.ErrorCode(got.Err) != berth.CodeUnreadable ||
		got.ResourceID.Key() != compute.Key() {
		w.Errorf("%+v", got)
	}
	if all, err := w.s.Operations(w.ctx, berth.ID{}, false, 10); err != nil || len(all) != 1 {
		w.Errorf("operations: %v, %v; want the one that cannot be read", all, err)
	}
	w.nothingDue()
	if r := w.get(compute); r.State != berth.StateFailed || berth.ErrorCode(r.Fault) != berth.CodeUnreadable || r.Unreadable {
		w.Errorf("its resource: %+v", r)
	}
	w.accept(change(berth.VerbUpdate, compute, 1, "again"))
	w.settle()
	w.clock.Advance(berth.OperationRetention + time.Second)
	if n, err := w.s.Purge(w.ctx, berth.OperationRetention); err != nil || n != 2 {
		w.Errorf("purged %d, %v; want both", n, err)
	}
}

func missingOperation(w *world) {
	_, op := w.create(compute)
	w.harm("DELETE FROM operations WHERE id = ?", op.ID)
	w.nothingDue()
	if r := w.get(compute); r.State != berth.StateFailed || berth.ErrorCode(r.Fault) != berth.CodeUnreadable {
		w.Errorf("%+v", r)
	}
}

// A row that was set aside is worked on again after a repair and a start.
func repairedRow(w *world) {
	w.create(compute)
	body := w.stored("body", compute)
	w.harm("UPDATE resources SET body = '{' WHERE key = ?", compute.Key())
	w.nothingDue()
	w.must(w.s.FreeLeases(w.ctx))
	w.nothingDue()
	w.harm("UPDATE resources SET body = ? WHERE key = ?", body, compute.Key())
	w.nothingDue()
	w.must(w.s.FreeLeases(w.ctx))
	if c := w.claim("a"); c.Resource.Unreadable || c.Attempts != 0 || w.s.Unreadable() != 0 {
		w.Errorf("claim: %+v, %d set aside", c, w.s.Unreadable())
	}
}

func unreadableCleanups(w *world) {
	for i, detail := range []string{"{}", "no JSON", "{}"} {
		id := workspace.Child("computes", fmt.Sprint("C", i))
		w.create(id)
		w.detach(id, detail)
	}
	w.harm("UPDATE residues SET holder_key = 'nobody' WHERE holder_key LIKE '%c2'")
	for name, read := range map[string]func() ([]store.Cleanup, error){
		"of the cluster": func() ([]store.Cleanup, error) { return w.s.Cleanups(w.ctx, cluster) },
		"all":            func() ([]store.Cleanup, error) { return w.s.AllCleanups(w.ctx) },
	} {
		all, err := read()
		if err != nil || len(all) != 2 || all[0].Unreadable || !all[1].Unreadable || string(all[1].Detail) != "no JSON" {
			w.Errorf("%s: %+v, %v; want the good one and the one without JSON", name, all, err)
		}
	}
	if n := w.s.Unreadable(); n != 2 {
		w.Errorf("%d records set aside; want 2", n)
	}
}

func unreadableApplication(w *world) {
	for _, id := range []string{"a", "b"} {
		w.must(w.s.PutApplication(w.ctx, berth.Application{ID: id, ObjectID: "o", Name: "n", Credentials: []berth.Credential{{KeyID: "k"}}}))
	}
	w.harm("UPDATE applications SET body = '[]' WHERE id = 'a'")
	all, err := w.s.Applications(w.ctx)
	if err != nil || len(all) != 2 || all[0].ID != "a" || all[0].ObjectID != "a" || len(all[0].Credentials) != 0 || all[1].Name != "n" {
		w.Errorf("%+v, %v", all, err)
	}
	w.must(w.s.DeleteApplication(w.ctx, "a"))
	if all, err := w.s.Applications(w.ctx); err != nil || len(all) != 1 || w.s.Unreadable() != 0 {
		w.Errorf("%+v, %v, %d set aside", all, err, w.s.Unreadable())
	}
}

func unreadableSecrets(w *world) {
	x := change(berth.VerbCreate, compute, 0, "first")
	x.Secrets = map[string][]byte{berth.SecretSSLKey: []byte("good"), berth.SecretToken: []byte("bad")}
	w.accept(x)
	w.harm("UPDATE secrets SET value = ? WHERE name = ?", []byte("age-encryption.org/v1\n-> nonsense"), berth.SecretToken)
	_, err := w.s.Secret(w.ctx, compute, berth.SecretToken)
	w.wantCode(err, berth.CodeUnreadable)
	if got, err := w.s.Secret(w.ctx, compute, berth.SecretSSLKey); err != nil || string(got) != "good" {
		w.Errorf("the other secret: %q, %v", got, err)
	}
	count, lost, err := w.s.Reseal(w.ctx)
	if count != 0 || lost != 1 || err != nil {
		w.Errorf("resealed %d, lost %d, %v; want the bad one to be left alone", count, lost, err)
	}
	w.harm("DELETE FROM secrets WHERE name = ?", berth.SecretSSLKey)
	if _, _, err := w.s.Reseal(w.ctx); err == nil {
		w.Error("no key opens any secret, and there is no error")
	}
}
