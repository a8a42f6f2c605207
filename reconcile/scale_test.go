package reconcile_test

import (
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	"berth.dev/berth"
)

// lastStep is the last step of an operation.
func (w *world) lastStep(op *berth.Operation) string {
	w.Helper()
	steps := w.operation(op).Steps
	if len(steps) == 0 {
		return ""
	}
	return steps[len(steps)-1].Message
}

func (w *world) nodesReady(h berth.Health) berth.Condition {
	for _, c := range h.Conditions {
		if c.Type == berth.NodesReady {
			return c
		}
	}
	return berth.Condition{}
}

// TestEndOfScale: at the end of a scale its steps, the cluster's counts and conditions, and soon those of the compute that holds it say
// the new number of nodes. No periodic check is needed.
func TestEndOfScale(t *testing.T) {
	w, p := withFake(t)
	p.ReadyAfter = 10 * time.Second
	to, id := clusterID("own"), workspace.Child("computes", "taken")
	create := w.create(to, cluster(3))
	w.ends(create, berth.StateSucceeded)
	if got := w.lastStep(create); got != "3 of 3 nodes ready" {
		t.Errorf("the create ends with the step %q", got)
	}
	w.ends(w.create(id, attached(to, berth.FastProd)), berth.StateSucceeded)
	w.until("the first checks", time.Second, func() bool {
		return len(w.compute(id).Status.Health.Conditions) > 0 && len(w.get(to).Body.(*berth.Cluster).Status.Health.Conditions) > 0
	})
	scale := w.change(to, func(b berth.Body) { b.(*berth.Cluster).Spec.Pools[0].Count = 5 })
	w.ends(scale, berth.StateSucceeded)
	if got := w.lastStep(scale); got != "5 of 5 nodes ready" {
		t.Errorf("the scale ends with the step %q", got)
	}
	status := w.get(to).Body.(*berth.Cluster).Status
	if c := w.nodesReady(status.Health); status.ReadyNodes != 5 || c.Status != berth.ConditionTrue || c.Message != "5 of 5 nodes are ready." {
		t.Errorf("the cluster has %d ready nodes and the condition %+v", status.ReadyNodes, c)
	}
	w.until("the compute to follow", 0, func() bool {
		s := w.compute(id).Status
		return s.Nodes == 5 && w.nodesReady(s.Health).Message == "5 of 5 nodes are ready."
	})
}

// TestScaleFromNothing: nodes after a time without any count at the end of the scale, not after two more checks.
func TestScaleFromNothing(t *testing.T) {
	w, p := withFake(t)
	p.ReadyAfter = 10 * time.Second
	to := clusterID("own")
	health := func() berth.Health { return w.get(to).Body.(*berth.Cluster).Status.Health }
	w.ends(w.create(to, cluster(0)), berth.StateSucceeded)
	w.until("the lack of nodes to be seen", time.Second, func() bool { return w.nodesReady(health()).Status == berth.ConditionFalse })
	w.ends(w.change(to, func(b berth.Body) { b.(*berth.Cluster).Spec.Pools[0].Count = 2 }), berth.StateSucceeded)
	if c := w.nodesReady(health()); c.Status != berth.ConditionTrue || c.Doubt != "" || c.Message != "2 of 2 nodes are ready." {
		t.Errorf("at the end it is %+v", c)
	}
}

// TestStepsOfCompute: the steps that a compute copies from its cluster end with the last of them.
func TestStepsOfCompute(t *testing.T) {
	w, p := withFake(t)
	p.ReadyAfter = 10 * time.Second
	id := workspace.Child("computes", "gpu")
	create := w.create(id, newCompute(id, 3))
	w.ends(create, berth.StateSucceeded)
	if got := w.lastStep(create); got != "3 of 3 nodes ready" {
		t.Errorf("the create ends with the step %q", got)
	}
	w.until("the first check", time.Second, func() bool { return len(w.compute(id).Status.Health.Conditions) > 0 })
	w.ends(w.change(id, func(b berth.Body) { b.(*berth.Compute).Spec.AgentCount = 4 }), berth.StateSucceeded)
	if s := w.compute(id).Status; s.Nodes != 4 || w.nodesReady(s.Health).Message != "4 of 4 nodes are ready." {
		t.Errorf("the compute has %d nodes and the condition %+v", s.Nodes, w.nodesReady(s.Health))
	}
}

// TestKubeconfigNames: az renames the context of a user whose name begins with clusterAdmin from "name" to "name-admin".
func TestKubeconfigNames(t *testing.T) {
	w, _ := withFake(t)
	to := clusterID("own")
	w.ends(w.create(to, cluster(1)), berth.StateSucceeded)
	for secret, user := range map[string]string{berth.SecretUser: "clusterUser_Team-RG_own", berth.SecretAdmin: "clusterAdmin_Team-RG_own"} {
		text, err := w.store.Secret(w.ctx, to, secret)
		w.must(err)
		var got struct {
			Current  string `json:"current-context"`
			Contexts []struct {
				Name    string
				Context struct{ Cluster, User string }
			}
			Users []struct {
				Name string
				User struct{ Token string }
			}
		}
		w.must(yaml.Unmarshal(text, &got))
		if len(got.Contexts) != 1 || len(got.Users) != 1 || got.Current != "own" || got.Contexts[0].Name != "own" ||
			got.Contexts[0].Context.Cluster != "own" || got.Contexts[0].Context.User != user || !strings.HasPrefix(got.Users[0].Name, user) ||
			got.Users[0].User.Token == "" {
			t.Errorf("%s: %s", secret, text)
		}
	}
}
