package reconcile_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"

	"berth.dev/berth"
	"berth.dev/berth/kube"
	"berth.dev/berth/provider/fake"
	"berth.dev/berth/store"
)

// withFake is a world whose clusters answer as Kubernetes does, and an engine at work in it.
func withFake(t *testing.T) (*world, *fake.Provider) {
	t.Helper()
	w, p := idleFake(t)
	w.engine("one")
	return w, p
}

func idleFake(t *testing.T) (*world, *fake.Provider) {
	t.Helper()
	var p *fake.Provider
	w := newWorld(t, func(c clockwork.Clock) berth.Provider { p = fake.New(c); return p })
	t.Cleanup(p.Close)
	return w, p
}

func (w *world) owner(cluster berth.ID) string {
	w.Helper()
	conn := w.inside(cluster)
	o, err := conn.Owner(w.ctx)
	w.must(err)
	if o == nil {
		return ""
	}
	return o.ComputeID
}

func (w *world) inside(cluster berth.ID) *kube.Conn {
	w.Helper()
	config, err := w.provider.Kubeconfig(w.ctx, cluster)
	w.must(err)
	conn, err := kube.Connect(config, kube.Options{})
	w.must(err)
	w.Cleanup(conn.Close)
	return conn
}

// TestManyAtOnce: more computes than there are workers, each of which waits for a cluster of its own.
func TestManyAtOnce(t *testing.T) {
	const many = 70
	w, _ := idleFake(t)
	var ops []*berth.Operation
	for i := range many {
		id := workspace.Child("computes", fmt.Sprint("c", i))
		ops = append(ops, w.create(id, newCompute(id, 1)))
	}
	w.clock.Advance(time.Second) // so that the clusters of the computes are due after all of them
	w.engine("one")
	for _, op := range ops {
		w.ends(op, berth.StateSucceeded)
	}
	w.ends(w.remove(group, berth.VerbDelete), berth.StateSucceeded)
	left, err := w.store.All(w.ctx, store.Query{})
	if err != nil || len(left) != 0 {
		t.Errorf("%d resources are left (%v)", len(left), err)
	}
}

// TestScaledFromBelow: when a user scales the cluster of a compute, the compute shows the new number of nodes, and its next
// change does not undo it.
func TestScaledFromBelow(t *testing.T) {
	w, _ := withFake(t)
	id := workspace.Child("computes", "gpu")
	w.ends(w.create(id, newCompute(id, 3)), berth.StateSucceeded)
	below := w.compute(id).Spec.ClusterID
	w.ends(w.change(below, func(b berth.Body) { b.(*berth.Cluster).Spec.Pools[0].Count = 5 }), berth.StateSucceeded)
	if n := w.compute(id).Spec.AgentCount; n != 5 {
		t.Errorf("the compute shows %d nodes, its cluster has 5", n)
	}
	w.ends(w.change(id, func(b berth.Body) { b.(*berth.Compute).Spec.Description = "new words" }), berth.StateSucceeded)
	if n := len(w.nodes(below)); n != 5 {
		t.Errorf("a change of words scaled the cluster to %d nodes", n)
	}
	w.ends(w.change(id, func(b berth.Body) { b.(*berth.Compute).Spec.AgentCount = 4 }), berth.StateSucceeded)
	if n := len(w.nodes(below)); n != 4 {
		t.Errorf("scaled to 4, it has %d nodes", n)
	}
}

func (w *world) nodes(cluster berth.ID) []kube.Node {
	w.Helper()
	nodes, err := w.inside(cluster).Nodes(w.ctx)
	w.must(err)
	return nodes
}

// TestDetachOfTheSilent: a cluster that does not answer does not prevent a detach. What could not be removed is reported, and
// removed when the cluster answers again.
func TestDetachOfTheSilent(t *testing.T) {
	w, p := withFake(t)
	to, id := clusterID("own"), workspace.Child("computes", "taken")
	w.ends(w.create(to, cluster(1)), berth.StateSucceeded)
	w.ends(w.create(id, attached(to, berth.DevTest)), berth.StateSucceeded)
	w.silentDetach(p, id, to)
	p.Unreachable(to, false)
	if w.owner(to) == "" {
		t.Fatal("nothing was left to clean: this test shows nothing")
	}
	w.until("the cleaning", time.Second, func() bool {
		left, err := w.store.Cleanups(w.ctx, to)
		return err == nil && len(left) == 0
	})
	if owner := w.owner(to); owner != "" {
		t.Errorf("what was left is still owned by %s", owner)
	}
}

func (w *world) silentDetach(p *fake.Provider, id, to berth.ID) {
	w.Helper()
	p.Unreachable(to, true)
	op := w.remove(id, berth.VerbDetach)
	w.until("the detach", time.Second, func() bool { return w.operation(op).State.Terminal() })
	end := w.operation(op)
	if notes := strings.Join(end.Notes, " "); end.State != berth.StateSucceeded || !strings.Contains(notes, "'own' did not answer") ||
		!strings.Contains(notes, "azureml-vision") {
		w.Errorf("the detach is %s with notes %q", end.State, notes)
	}
	if took := end.EndedAt.Sub(end.StartedAt); took > 2*time.Minute {
		w.Errorf("the detach was held back for %v", took)
	}
}

// TestAttachAfterSilentDetach: the record that could not be removed must neither refuse the next attachment, nor be
// removed from under it when that has the same name.
func TestAttachAfterSilentDetach(t *testing.T) {
	for name, next := range map[string]berth.ID{"the same": workspace.Child("computes", "taken"),
		"another": workspace.Child("computes", "other")} {
		t.Run(name, func(t *testing.T) {
			w, p := withFake(t)
			to := clusterID("own")
			w.ends(w.create(to, cluster(1)), berth.StateSucceeded)
			w.ends(w.create(workspace.Child("computes", "taken"), attached(to, berth.DevTest)), berth.StateSucceeded)
			w.silentDetach(p, workspace.Child("computes", "taken"), to)
			p.Unreachable(to, false)
			w.ends(w.create(next, attached(to, berth.DevTest)), berth.StateSucceeded)
			for range 200 { // some checks of cluster and compute go by
				w.clock.Advance(time.Second)
			}
			w.ends(w.change(to, func(b berth.Body) { b.(*berth.Cluster).Spec.Pools[0].Count = 2 }), berth.StateSucceeded)
			if owner := w.owner(to); owner != next.String() {
				t.Errorf("the owner is %q, want %s", owner, next)
			}
			if ok, err := w.inside(to).Can(w.ctx, "list", "nodes", ""); err != nil || !ok {
				t.Errorf("nodes cannot be listed: %v", err)
			}
		})
	}
}

// TestHeldByAnotherServer: the ownership record in a cluster refuses the attach to a cluster that another Berth server holds, and
// the record survives the detach of the refused compute.
func TestHeldByAnotherServer(t *testing.T) {
	w, _ := withFake(t)
	to, id := clusterID("own"), workspace.Child("computes", "taken")
	w.ends(w.create(to, cluster(1)), berth.StateSucceeded)
	const foreign = "/subscriptions/x/resourceGroups/theirs/providers/Microsoft.MachineLearningServices/workspaces/hearing/computes/ear"
	w.must(w.inside(to).TakeOwnership(w.ctx, kube.Owner{ComputeID: foreign, Server: "far away", Since: "2026-01-02T03:04:05Z"}))
	end := w.ends(w.create(id, attached(to, berth.DevTest)), berth.StateFailed)
	if end.Err.Code != berth.CodeAlreadyAttached || !strings.Contains(end.Err.Message, "'ear'") ||
		!strings.Contains(end.Err.Message, "2026-01-02") {
		t.Errorf("refused with %v", end.Err)
	}
	w.ends(w.remove(id, berth.VerbDetach), berth.StateSucceeded)
	if owner := w.owner(to); owner != foreign {
		t.Errorf("after the detach of the refused compute the owner is %q", owner)
	}
}

// TestJudged: the facts that the cluster reports count, not those that the store has.
func TestJudged(t *testing.T) {
	w, p := withFake(t)
	to := clusterID("own")
	w.ends(w.create(to, cluster(1)), berth.StateSucceeded)
	small := w.ends(w.create(workspace.Child("computes", "small"), attached(to, berth.FastProd)), berth.StateFailed)
	if small.Err.Code != berth.CodeBadRequest || !strings.Contains(small.Err.Message, "at least 12 vCPUs") ||
		!strings.Contains(small.Err.Message, "DevTest") {
		t.Errorf("too small a cluster: %v", small.Err)
	}
	w.ends(w.remove(workspace.Child("computes", "small"), berth.VerbDetach), berth.StateSucceeded)
	p.SetVersion(to, "1.12.4")
	old := w.ends(w.create(workspace.Child("computes", "old"), attached(to, berth.DevTest)), berth.StateFailed)
	if old.Err.Code != berth.CodeBadRequest || !strings.Contains(old.Err.Message, "1.12.4") || !strings.Contains(old.Err.Message, "1.36") {
		t.Errorf("too old a cluster: %v", old.Err)
	}
	if owner := w.owner(to); owner != "" {
		t.Errorf("a refused attachment left the record of %s", owner)
	}
}

// TestTokenIsKeptFresh: the short-lived token is renewed before it ends.
func TestTokenIsKeptFresh(t *testing.T) {
	w, _ := withFake(t)
	to, id := clusterID("own"), workspace.Child("computes", "taken")
	w.ends(w.create(to, cluster(1)), berth.StateSucceeded)
	w.ends(w.create(id, attached(to, berth.DevTest)), berth.StateSucceeded)
	first, err := w.store.Secret(w.ctx, id, berth.SecretToken)
	w.must(err)
	expires := w.compute(id).Status.TokenExpires
	if left := expires.Sub(w.clock.Now()); left < 30*time.Minute || left > time.Hour {
		t.Errorf("the token lives for %v", left)
	}
	w.until("a new token", 10*time.Second, func() bool { return w.compute(id).Status.TokenExpires.After(expires) })
	second, err := w.store.Secret(w.ctx, id, berth.SecretToken)
	w.must(err)
	if string(first) == string(second) || !w.clock.Now().Before(expires) {
		t.Errorf("the token was renewed too late (%v after it expired) or not at all", w.clock.Now().Sub(expires))
	}
}
