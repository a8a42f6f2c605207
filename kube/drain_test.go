package kube_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"berth.dev/berth/kube"
)

// TestDrain: pods leave a node by eviction, a disruption budget is kept and named, and what was begun can be taken back.
func TestDrain(t *testing.T) {
	c, ctx := connect(t, real(t)), t.Context()
	node := kube.NodePrefix(clusterID, "agentpool") + "000002"
	for _, pod := range []string{"free", "kept"} {
		if err := c.PutPod(ctx, pod, node); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.PutBudget(ctx, "kept"); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error { // only a pod that runs is kept by a budget
		phase, err := c.PodPhase(ctx, "kept")
		if err == nil && phase != "Running" {
			err = errors.New(phase)
		}
		return err
	})
	eventually(t, func() error {
		remaining, why, err := c.Drain(ctx, node)
		if err == nil && (remaining != 1 || !strings.Contains(why, "default/kept")) {
			err = fmt.Errorf("%d remain: %q", remaining, why)
		}
		return err
	})
	if phase, err := c.PodPhase(ctx, "free"); phase != "" || err != nil {
		t.Errorf("the pod without a budget is %s, %v", phase, err)
	}
	if !leaving(t, c, node) {
		t.Error("the node does not say that it is being emptied")
	}
	if err := c.DropBudget(ctx, "kept"); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error {
		remaining, why, err := c.Drain(ctx, node)
		if err == nil && remaining > 0 {
			err = fmt.Errorf("%d remain: %q", remaining, why)
		}
		return err
	})
	if err := c.Stay(ctx, node); err != nil || leaving(t, c, node) {
		t.Errorf("the node cannot stay: %v", err)
	}
	if remaining, why, err := c.Drain(ctx, "no-such-node"); remaining != 0 || why != "" || err != nil {
		t.Errorf("a node that is not there: %d, %q, %v", remaining, why, err)
	}
}

func leaving(t *testing.T, c *kube.Conn, node string) bool {
	t.Helper()
	all, err := c.Nodes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range all {
		if n.Name == node {
			return n.Leaving
		}
	}
	t.Fatalf("no node %s", node)
	return false
}
