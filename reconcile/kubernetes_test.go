package reconcile_test

import (
	"strings"
	"testing"

	"berth.dev/berth"
)

// TestKubernetesCompute: a compute of this type lives in the namespace that it names, and leaves one that was there.
func TestKubernetesCompute(t *testing.T) {
	for _, namespace := range []string{"default", "ml"} {
		t.Run(namespace, func(t *testing.T) {
			w, _ := withFake(t)
			to, id := clusterID("own"), workspace.Child("computes", "taken")
			w.ends(w.create(to, cluster(1)), berth.StateSucceeded)
			body := &berth.Compute{Spec: berth.ComputeSpec{Type: berth.ComputeKubernetes, Attached: true, ClusterID: to, Namespace: namespace}}
			w.ends(w.create(id, body), berth.StateSucceeded)
			if have := w.compute(id).Status.Namespace; have != namespace {
				t.Errorf("it lives in %q", have)
			}
			end := w.ends(w.remove(id, berth.VerbDetach), berth.StateSucceeded)
			if len(end.Notes) != 0 {
				t.Errorf("the detach left something: %s", strings.Join(end.Notes, " "))
			}
			if owner := w.owner(to); owner != "" {
				t.Errorf("it is still owned by %s", owner)
			}
			w.ends(w.create(id, body), berth.StateSucceeded) // and once more into the same
		})
	}
}

// TestClusterDeletedBelow: when a user deletes an attached cluster, the compute reports it, and can be detached.
func TestClusterDeletedBelow(t *testing.T) {
	w, _ := withFake(t)
	to, id := clusterID("own"), workspace.Child("computes", "taken")
	w.ends(w.create(to, cluster(1)), berth.StateSucceeded)
	w.ends(w.create(id, attached(to, berth.DevTest)), berth.StateSucceeded)
	w.ends(w.remove(to, berth.VerbDelete), berth.StateSucceeded)
	w.until("the loss to be seen", 1e9, func() bool { return w.get(id).State == berth.StateFailed })
	if fault := w.get(id).Fault; fault == nil || !strings.Contains(fault.Message, "was deleted") ||
		!strings.Contains(fault.Message, "Detach") {
		t.Errorf("the fault is %v", fault)
	}
	w.ends(w.remove(id, berth.VerbDetach), berth.StateSucceeded)
	w.ends(w.create(to, cluster(1)), berth.StateSucceeded)
	w.ends(w.create(id, attached(to, berth.DevTest)), berth.StateSucceeded)
}

// TestGroupDeletedWhileBusy: the creation of a resource inside is given up, and the resource is deleted.
func TestGroupDeletedWhileBusy(t *testing.T) {
	w, p := withFake(t)
	p.ReadyAfter = 1e12 // nodes that take their time
	id := workspace.Child("computes", "slow")
	create := w.create(id, newCompute(id, 3))
	w.until("its cluster to be begun", 0, func() bool { return !w.gone(clusterID("of-slow")) })
	w.ends(w.remove(group, berth.VerbDelete), berth.StateSucceeded)
	if op := w.operation(create); op.State != berth.StateCanceled {
		t.Errorf("the create ended %s", op.State)
	}
	for _, left := range []berth.ID{group, workspace, id, clusterID("of-slow")} {
		if !w.gone(left) {
			t.Errorf("%s is left", left)
		}
	}
}
