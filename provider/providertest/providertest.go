// Package providertest is the contract that every provider keeps, as a test.
package providertest

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"berth.dev/berth"
	"berth.dev/berth/catalog"
	"berth.dev/berth/kube"
)

// patience is how long a cluster may take for one change. Providers on slow machines share this test with quick ones.
const patience = 3 * time.Minute

// ID is the id of the cluster by which the contract is tested.
var ID = berth.NewID("00000000-0000-0000-0000-000000000001", "provider-test", berth.TypeCluster, "contract")

// Spec describes a cluster of the default version with count nodes.
func Spec(count int) berth.ClusterSpec {
	return berth.ClusterSpec{
		Version: catalog.DefaultVersion(), DNSPrefix: "contract",
		Pools: []berth.NodePool{{Name: "agentpool", Count: count, VMSize: "Standard_D3_v2", Mode: "System", OSType: "Linux", MaxPods: 110}},
	}
}

// All tests the contract by one cluster, from its creation to its removal and once more: each part goes on where the one
// before ended, because creating a cluster takes long.
func All(t *testing.T, newProvider func(*testing.T) berth.Provider) {
	c := &contract{T: t, provider: newProvider(t)}
	for _, part := range []struct {
		name string
		run  func(*contract)
	}{
		{"nothing is there", (*contract).nothing},
		{"a hopeless ensure", (*contract).hopeless},
		{"three nodes", (*contract).created},
		{"the same again", (*contract).again},
		{"four nodes", func(c *contract) { c.scaled(4) }},
		{"two nodes", func(c *contract) { c.scaled(2) }},
		{"a node lost", (*contract).healed},
		{"twice at once", (*contract).twice},
		{"addresses", (*contract).addresses},
		{"ranges", (*contract).ranges},
		{"labels, taints and zones", (*contract).labelled},
		{"an issuer", (*contract).issued},
		{"removed", (*contract).removed},
		{"created again", (*contract).createdAgain},
	} {
		if !t.Run(part.name, func(t *testing.T) {
			c.T = t
			part.run(c)
		}) {
			return // what follows would only repeat it
		}
	}
}

type contract struct {
	*testing.T
	provider berth.Provider
	uid      string   // of the cluster as it was created first
	names    []string // of its nodes
}

// until asks again until done is true.
func (c *contract) until(what string, done func(ctx context.Context) (bool, string)) {
	c.Helper()
	ctx, cancel := context.WithTimeout(c.Context(), patience)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		ok, seen := done(ctx)
		if ok {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			c.Fatalf("%s: not within %v; last seen: %s", what, patience, seen)
		}
	}
}

func (c *contract) ready(spec berth.ClusterSpec) berth.ClusterFacts {
	c.Helper()
	var f berth.ClusterFacts
	c.until("ensure", func(ctx context.Context) (bool, string) {
		var err error
		f, err = c.provider.Ensure(ctx, ID, spec)
		if final, ok := errors.AsType[*berth.Error](err); ok && final.Code != berth.CodeClusterUnreachable {
			c.Fatalf("ensure failed finally: %v", err)
		}
		if err != nil {
			return false, err.Error()
		}
		if !f.Exists {
			c.Fatalf("ensure created nothing: %+v", f)
		}
		if !f.Ready && f.Message == "" {
			c.Errorf("ensure waits and does not report for what: %+v", f)
		}
		return f.Ready, f.Message
	})
	want := spec.Pools[0].Count
	if !f.Reachable || f.Nodes != want || f.ReadyNodes != want || f.Endpoint == "" || f.FQDN == "" || f.Version != spec.Version {
		c.Errorf("ready, and yet %+v", f)
	}
	if seen, err := c.provider.Observe(c.Context(), ID); err != nil || seen != f {
		c.Errorf("observe reports %+v, %v; ensure reported %+v", seen, err, f)
	}
	return f
}

func (c *contract) connect() *kube.Conn {
	c.Helper()
	config, err := c.provider.Kubeconfig(c.Context(), ID)
	if err != nil {
		c.Fatalf("kubeconfig: %v", err)
	}
	conn, err := kube.Connect(config, kube.Options{Timeout: 30 * time.Second})
	if err != nil {
		c.Fatalf("connect: %v", err)
	}
	c.Cleanup(conn.Close)
	return conn
}

// facts asks the cluster itself, and checks its nodes.
func (c *contract) facts(spec berth.ClusterSpec) kube.Facts {
	c.Helper()
	f, err := c.connect().Facts(c.Context())
	if err != nil {
		c.Fatalf("facts: %v", err)
	}
	pool := spec.Pools[0]
	size, _ := catalog.Size(pool.VMSize)
	if len(f.Nodes) != pool.Count || f.UID == "" || f.Version != spec.Version {
		c.Fatalf("%d nodes wanted: %+v", pool.Count, f)
	}
	for _, n := range f.Nodes {
		if !n.Ready || n.Pool != pool.Name || n.InstanceType != size.Name || n.VCPUs != size.VCPUs || n.MemoryMiB <= 0 || n.KubeletVersion == "" {
			c.Errorf("a node of %s: %+v", size.Name, n)
		}
	}
	return f
}

func names(f kube.Facts) []string {
	var out []string
	for _, n := range f.Nodes {
		out = append(out, n.Name)
	}
	slices.Sort(out)
	return out
}
