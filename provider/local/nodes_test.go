package local

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jonboulle/clockwork"

	"berth.dev/berth"
	"berth.dev/berth/provider/providertest"
)

// withNodes makes a provider that chooses what runs the nodes. It ends with the test.
func withNodes(t *testing.T, binary string) *Provider {
	t.Helper()
	p, err := New(Options{Dir: t.TempDir(), Binary: binary, Logger: discard, Clock: clockwork.NewRealClock()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { end(t, p) })
	return p
}

// TestWithoutNodesProgram: a machine that cannot run real nodes has simulated ones and says why; who insists is refused.
func TestWithoutNodesProgram(t *testing.T) {
	alone := filepath.Join(t.TempDir(), "berth-kube")
	if err := os.Symlink(providertest.Binary(t), alone); err != nil {
		t.Fatal(err)
	}
	p := withNodes(t, alone)
	insists := spec
	insists.Nodes = berth.NodesReal
	_, err := p.Ensure(t.Context(), id, insists)
	if berth.ErrorCode(err) != berth.CodeProviderUnavailable || !strings.Contains(err.Error(), "berth-nodes") ||
		!strings.Contains(err.Error(), "berth doctor") {
		t.Errorf("real nodes without their program: %v", err)
	}
	many := withNodes(t, providertest.Binary(t))
	if c, err := many.choose("", 100_000); err != nil || c.Real || !strings.Contains(c.SimulatedBecause, "100000 real nodes take about") {
		t.Errorf("100,000 nodes: %+v, %v", c, err)
	}
	if f := ready(t, p); !f.Simulated || !strings.Contains(f.SimulatedBecause, "berth-nodes") {
		t.Errorf("%+v", f)
	}
}

// TestRealNodes: a cluster with real nodes is made, scaled down and comes back after its server was killed.
func TestRealNodes(t *testing.T) {
	p := withNodes(t, providertest.Binary(t))
	if c, err := p.choose("", 2); !c.Real {
		if os.Getenv("BERTH_REAL_NODES") == "required" {
			t.Fatalf("this machine cannot run real nodes: %+v, %v", c, err)
		}
		t.Skipf("this machine cannot run real nodes: %+v", c)
	}
	want := providertest.Spec(2)
	until := func(p *Provider, count int) {
		t.Helper()
		want.Pools[0].Count = count
		eventually(t, func() error {
			f, err := p.Ensure(t.Context(), id, want)
			if err == nil && (!f.Ready || f.Simulated || f.Nodes != count) {
				err = errors.New(f.Message)
			}
			return err
		})
	}
	want.Pools[0].VMSize = "Standard_M128ms" // more than any machine that runs this test has
	until(p, 2)
	promise := "the 2 real nodes of all clusters have 256 vCPUs"
	if f, err := p.Observe(t.Context(), id); err != nil || !strings.Contains(f.Overcommitted, promise) {
		t.Errorf("a node that promises more than there is: %+v, %v", f, err)
	}
	until(p, 1)
	end(t, p)
	again, err := New(Options{Dir: p.Dir, Binary: p.Binary, Nodes: berth.NodesSimulated, Logger: discard, Clock: p.Clock})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { end(t, again) })
	if err := again.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	until(again, 1) // what the cluster has does not change with the server's choice
	eventually(t, func() error {
		gone, err := again.Remove(t.Context(), id)
		if err == nil && !gone {
			err = errors.New("not gone yet")
		}
		return err
	})
	if left, err := os.ReadDir(again.Dir); err != nil || len(left) > 0 {
		t.Errorf("%v, %v", left, err)
	}
}
