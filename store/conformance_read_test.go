package store_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"berth.dev/berth"
	"berth.dev/berth/store"
)

func (w *world) settledCompute(id berth.ID) {
	w.Helper()
	x := change(berth.VerbCreate, id, 0, "x")
	x.Settled = true
	w.accept(x)
}

func paging(w *world) {
	const n = store.MaxPage + 3
	for i := range n {
		w.settledCompute(workspace.Child("computes", fmt.Sprintf("C%03d", i)))
	}
	read := func(limit int) (sizes []int) {
		w.Helper()
		q := store.Query{Parent: workspace, Limit: limit}
		seen := 0
		for {
			page, next, err := w.s.List(w.ctx, q)
			w.must(err)
			for _, r := range page {
				if want := fmt.Sprintf("C%03d", seen); r.ID.Name() != want {
					w.Fatalf("row %d is %s; want %s", seen, r.ID.Name(), want)
				}
				seen++
			}
			sizes = append(sizes, len(page))
			if next == "" {
				if seen != n {
					w.Fatalf("%d rows in all; want %d", seen, n)
				}
				return sizes
			}
			q.After = next
		}
	}
	for limit, want := range map[int][]int{
		0: {store.MaxPage, 3}, -1: {store.MaxPage, 3}, store.MaxPage + 100: {store.MaxPage, 3}, 150: {150, 53},
		n / 7: {29, 29, 29, 29, 29, 29, 29}, // no empty page at the end
	} {
		if got := read(limit); !slices.Equal(got, want) {
			w.Errorf("limit %d: pages of %v; want %v", limit, got, want)
		}
	}
	all, err := w.s.All(w.ctx, store.Query{Parent: workspace, Limit: 50})
	if err != nil || len(all) != n {
		w.Errorf("all: %d, %v; want %d", len(all), err, n)
	}
}

func queries(w *world) {
	const sub2 = "ABCDEF00-0000-0000-0000-000000000002"
	speech := berth.NewID(sub, "Team-RG", berth.TypeWorkspace, "Speech")
	group2, far := berth.GroupID(sub, "Team-RG-2"), berth.GroupID(sub2, "Team-RG")
	inFar := berth.NewID(sub2, "Team-RG", berth.TypeWorkspace, "Vision")
	for id, body := range map[string]berth.Body{speech.String(): &berth.Workspace{}, cluster.String(): &berth.Cluster{}} {
		id, err := berth.ParseID(id)
		w.must(err)
		w.accept(settled(id, body, 0))
	}
	w.accept(settled(group2, &berth.Group{}, 0))
	w.accept(settled(far, &berth.Group{}, 0))
	w.accept(settled(inFar, &berth.Workspace{}, 0))
	w.settledCompute(compute)
	w.settledCompute(speech.Child("computes", "Gpu"))
	upper := berth.GroupID(strings.ToUpper(sub), "TEAM-RG")

	for name, c := range map[string]struct {
		q    store.Query
		want []berth.ID
	}{
		"everything": {store.Query{}, []berth.ID{group, workspace, compute, speech, speech.Child("computes", "Gpu"), cluster,
			group2, far, inFar}},
		"type":         {store.Query{Type: berth.TypeWorkspace}, []berth.ID{workspace, speech, inFar}},
		"groups":       {store.Query{Type: berth.TypeResourceGroup, Subscription: sub}, []berth.ID{group, group2}},
		"subscription": {store.Query{Subscription: strings.ToLower(sub2)}, []berth.ID{far, inFar}},
		"group":        {store.Query{Group: upper}, []berth.ID{workspace, compute, speech, speech.Child("computes", "Gpu"), cluster}},
		"type in group": {store.Query{Group: group, Type: berth.TypeCompute},
			[]berth.ID{compute, speech.Child("computes", "Gpu")}},
		"children of a workspace": {store.Query{Parent: speech}, []berth.ID{speech.Child("computes", "Gpu")}},
		"children of a group":     {store.Query{Parent: upper}, []berth.ID{workspace, speech, cluster}},
		"empty group":             {store.Query{Group: group2}, nil},
		"after":                   {store.Query{Parent: group, After: speech.Key()}, []berth.ID{workspace}},
	} {
		page, next, err := w.s.List(w.ctx, c.q)
		want, got := map[string]bool{}, map[string]bool{}
		for _, id := range c.want {
			want[id.String()] = true
		}
		for _, r := range page {
			got[r.ID.String()] = true
		}
		sorted := slices.IsSortedFunc(page, func(a, b *berth.Resource) int { return strings.Compare(a.ID.Key(), b.ID.Key()) })
		if err != nil || next != "" || !maps.Equal(got, want) || len(page) != len(want) || !sorted {
			w.Errorf("%s: %v, %q, %v; want %v in the order of their keys", name, got, next, err, want)
		}
	}
}

// An id is found in any casing and keeps the casing of its creation.
func casing(w *world) {
	w.create(compute)
	w.settle()
	shout, err := berth.ParseID(strings.ToUpper(compute.String()))
	w.must(err)
	if got := w.get(shout); got.ID.String() != compute.String() || got.Tags["Env"] != "test" {
		w.Errorf("%+v", got)
	}
	r, op := w.accept(change(berth.VerbUpdate, shout, 1, "second"))
	if r.ID.String() != compute.String() || op.ResourceID.String() != compute.String() {
		w.Errorf("the id became %s, the operation's %s", r.ID, op.ResourceID)
	}
	w.accept(removal(shout))
	w.finish(w.claim("a"), store.Outcome{State: berth.StateSucceeded, Gone: true})
	_, err = w.s.Get(w.ctx, compute)
	w.wantErr(err, store.ErrNotFound)
}

func counts(w *world) {
	w.create(compute)
	got, err := w.s.Counts(w.ctx)
	want := map[[2]string]int{
		{berth.TypeResourceGroup, "Succeeded"}: 1, {berth.TypeWorkspace, "Succeeded"}: 1, {berth.TypeCompute, "Creating"}: 1,
	}
	if err != nil || !maps.Equal(got, want) {
		w.Errorf("%v, %v; want %v", got, err, want)
	}
	w.must(w.s.Ping(w.ctx))
}

func events(w *world) {
	var got []string
	cancel := w.s.Subscribe(func(e store.Event) {
		seen := "none"
		if r, err := w.s.Get(w.ctx, compute); err == nil {
			seen = string(r.State)
		} else if !errors.Is(err, store.ErrNotFound) {
			w.Error(err)
		}
		if e.Key != compute.Key() {
			w.Errorf("event for %s", e.Key)
		}
		got = append(got, string(e.State)+"/"+seen)
	})
	w.create(compute)
	w.refuse(change(berth.VerbUpdate, compute, 1, "busy"), berth.CodeBusy)
	c := w.claim("a")
	w.must(w.s.Progress(w.ctx, c, "x"))
	w.finish(c, store.Outcome{State: berth.StateSucceeded})
	w.accept(removal(compute))
	c = w.claim("a")
	w.must(w.s.Release(w.ctx, c))
	w.lost(c)
	w.finish(w.claim("b"), store.Outcome{State: berth.StateSucceeded, Gone: true})
	cancel()
	w.create(compute)
	want := []string{
		"Creating/Creating", "Creating/Creating", "Succeeded/Succeeded", "Deleting/Deleting", "Deleting/Deleting", "Succeeded/none",
	}
	if !slices.Equal(got, want) {
		w.Errorf("event/row: %v\nwant       %v", got, want)
	}
}

func canceledContext(w *world) {
	w.create(compute)
	c := w.claim("a")
	ctx, cancel := context.WithCancel(w.ctx)
	cancel()
	before := w.picture(c)
	_, _, err := w.s.Accept(ctx, removal(compute))
	w.wantErr(err, context.Canceled)
	w.wantErr(w.s.Finish(ctx, c, store.Outcome{State: berth.StateFailed}), context.Canceled)
	w.wantErr(w.s.Heartbeat(ctx, c, time.Hour), context.Canceled)
	_, err = w.s.Claim(ctx, "b", leased)
	w.wantErr(err, context.Canceled)
	if after := w.picture(c); after != before {
		w.Errorf("%s\nbefore: %s", after, before)
	}
	w.finish(c, store.Outcome{State: berth.StateSucceeded})
}

// Writers, workers and readers at once: no call fails, no row is worked on twice, no reader sees half a change.
func manyAtOnce(w *world) {
	const (
		writers = 4
		workers = 3
		readers = 3
		rounds  = 12
	)
	ctx, stop := context.WithCancel(w.ctx)
	defer stop()
	var writing, others sync.WaitGroup
	var busy sync.Map // key → held by a worker
	var finished atomic.Int64
	id := func(i int) berth.ID { return workspace.Child("computes", fmt.Sprint("c", i)) }
	fail := func(what string, err error) {
		if err != nil && ctx.Err() == nil {
			w.Errorf("%s: %v", what, err)
			stop()
		}
	}
	wake := make(chan struct{}, writers*rounds*4)
	ended := make([]chan struct{}, writers)
	for i := range ended {
		ended[i] = make(chan struct{}, rounds*4)
	}
	defer w.s.Subscribe(func(e store.Event) {
		if !e.State.Terminal() {
			wake <- struct{}{}
			return
		}
		for i := range ended {
			if e.Key == id(i).Key() {
				ended[i] <- struct{}{}
			}
		}
	})()
	for i := range writers {
		writing.Go(func() {
			for round := range int64(rounds) {
				_, _, err := w.server(i).Accept(ctx, change(berth.VerbUpdate, id(i), round, "x"))
				fail("accept", err)
				select {
				case <-ended[i]:
				case <-ctx.Done():
					return
				}
			}
		})
	}
	work := func(s *store.Store, owner string) {
		c, err := s.Claim(ctx, owner, leased)
		if c == nil {
			fail("claim", errors.Join(err, errors.New("woken for nothing")))
			return
		}
		if _, twice := busy.LoadOrStore(c.Resource.ID.Key(), owner); twice {
			w.Errorf("%s is worked on twice", c.Resource.ID)
		}
		fail("heartbeat", s.Heartbeat(ctx, c, leased))
		busy.Delete(c.Resource.ID.Key()) // before the row is released and another worker takes it
		fail("finish", s.Finish(ctx, c, store.Outcome{State: berth.StateSucceeded}))
		finished.Add(1)
	}
	for i := range workers {
		others.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-wake:
					work(w.server(i), fmt.Sprint(i, "/", n))
				case <-ctx.Done():
					return
				}
			}
		})
	}
	for range readers {
		others.Go(func() {
			for ctx.Err() == nil {
				all, _, err := w.s.List(ctx, store.Query{Parent: workspace})
				fail("list", err)
				for _, r := range all {
					w.consistent(ctx, r, fail)
				}
				_, err = w.s.NextDue(ctx)
				fail("next due", err)
			}
		})
	}
	writing.Wait()
	stop()
	others.Wait()
	if got := finished.Load(); got != writers*rounds {
		w.Errorf("%d finished; want %d", got, writers*rounds)
	}
}

// consistent reads the operation first: once that has ended, the resource must not be seen under way with it.
func (w *world) consistent(ctx context.Context, r *berth.Resource, fail func(string, error)) {
	op, err := w.s.Operation(ctx, r.OperationID)
	fail("operation", err)
	now, err2 := w.s.Get(ctx, r.ID)
	fail("get", err2)
	if err != nil || err2 != nil {
		return
	}
	if op.State.Terminal() && now.OperationID == op.ID && !now.State.Terminal() {
		w.Errorf("operation %s beside resource %s", op.State, now.State)
	}
	if op.State == berth.StateAccepted && r.State.Terminal() {
		w.Errorf("resource was %s while its operation is still %s", r.State, op.State)
	}
}
