package kube_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"berth.dev/berth"
	"berth.dev/berth/kube"
)

func TestFacts(t *testing.T) {
	p, clock, config := simulated(t, 2)
	p.ReadyAfter = time.Minute
	if _, err := p.Ensure(t.Context(), clusterID, spec(3)); err != nil {
		t.Fatal(err)
	}
	c := connect(t, config)
	f, err := c.Facts(t.Context())
	if err != nil || f.UID == "" || f.Version != "1.36.0" || len(f.Nodes) != 3 {
		t.Fatalf("%+v, %v", f, err)
	}
	name := kube.NodePrefix(clusterID, "agentpool") + "000002"
	for i, n := range f.Nodes {
		want := kube.Node{
			Name: kube.NodePrefix(clusterID, "agentpool") + fmt.Sprintf("%06d", i), Pool: "agentpool", InstanceType: "Standard_NC6s_v3",
			KubeletVersion: "v1.36.0",
			Ready:          i < 2, Simulated: true, VCPUs: 6, MemoryMiB: 114688, GPUs: 1, Address: fmt.Sprintf("10.224.0.%d", 4+i),
		}
		if n.Since.IsZero() {
			t.Errorf("nobody knows since when node %d is so", i)
		}
		n.Since = time.Time{}
		if kube.Plain(n) != want {
			t.Errorf("node %d is %+v; want %+v", i, n, want)
		}
	}
	clock.Advance(time.Minute)
	nodes, err := c.Nodes(t.Context())
	if err != nil || nodes[2].Name != name || !nodes[2].Ready {
		t.Errorf("%+v, %v", nodes, err)
	}
	p.SetVersion(clusterID, "1.29.0")
	if v, err := c.Version(t.Context()); v != "1.29.0" || err != nil {
		t.Errorf("%s, %v", v, err)
	}
}

func TestManyNodes(t *testing.T) {
	_, _, config := simulated(t, 601) // three pages
	nodes, err := connect(t, config).Nodes(t.Context())
	if err != nil || len(nodes) != 601 {
		t.Errorf("%d nodes, %v", len(nodes), err)
	}
}

func TestVersion(t *testing.T) {
	for _, c := range []struct{ git, major, minor, want string }{
		{"v1.36.0", "", "", "1.36.0"},
		{"v1.36.2", "1", "36", "1.36.2"},
		{"v1.37.2", "1", "34", "1.34.0"},
		{"v1.35.3+k3s1", "", "", "1.35.3"},
		{"v1.34.1-eks-3025e55", "", "", "1.34.1"},
		{"v1.37.0-rc.1", "1", "37", "1.37.0"},
		{"v1.37.2", "1", "", "1.37.2"},
		{"v1.3.0", "1", "36", "1.36.0"}, // 1.3 is not the beginning of 1.36
		{"latest", "", "", ""},
		{"v1.36", "1", "36", ""},
		{"", "", "", ""},
	} {
		conn := served(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(map[string]string{"gitVersion": c.git, "emulationMajor": c.major, "emulationMinor": c.minor})
		}, unhurried)
		if got, err := conn.Version(t.Context()); got != c.want || (err != nil) != (c.want == "") {
			t.Errorf("%+v: %q, %v", c, got, err)
		}
	}
}

func TestNodesComeAndGo(t *testing.T) {
	onClusters(t, func(t *testing.T, admin []byte) {
		c := connect(t, admin)
		pool := berth.NodePool{Name: "extra", Mode: "User", MaxPods: 30}
		size := kube.SizeFacts{Name: "Standard_PB6s", VCPUs: 6, MemoryMiB: 112 << 10, FPGAs: 1}
		n := kube.NodeFor(clusterID, pool, size, 35).In("westeurope")
		n.KubeletVersion = "v1.36.0"
		for range 2 { // the second time it exists already
			if err := c.CreateNode(t.Context(), n); err != nil {
				t.Fatal(err)
			}
		}
		find := func() *kube.Node {
			nodes, err := c.Nodes(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, have := range nodes {
				if have.Name == n.Name {
					return &have
				}
			}
			return nil
		}
		have := find()
		if have == nil || have.VCPUs != 6 || have.MemoryMiB != 112<<10 || have.FPGAs != 1 || have.GPUs != 0 || have.Pool != "extra" ||
			have.InstanceType != "Standard_PB6s" || !have.Simulated || have.KubeletVersion != "v1.36.0" {
			t.Errorf("%+v", have)
		}
		for range 2 {
			if err := c.DeleteNode(t.Context(), n.Name); err != nil {
				t.Fatal(err)
			}
		}
		if have := find(); have != nil {
			t.Errorf("still there: %+v", have)
		}
	})
}

func TestNodeFor(t *testing.T) {
	pool := berth.NodePool{Name: "agentpool", Mode: "System", MaxPods: 110}
	n := kube.NodeFor(clusterID, pool, kube.SizeFacts{Name: "Standard_NC6s_v3", VCPUs: 6, GPUs: 1}, 36)
	if !strings.HasPrefix(n.Name, "aks-agentpool-") || !strings.HasSuffix(n.Name, "-vmss000010") ||
		len(n.Name) != len("aks-agentpool-12345678-vmss000010") {
		t.Errorf("name %s", n.Name)
	}
	for label, want := range map[string]string{
		"kubernetes.azure.com/agentpool": "agentpool", "agentpool": "agentpool", "kubernetes.azure.com/mode": "system",
		"kubernetes.azure.com/role":    "agent",
		"kubernetes.azure.com/cluster": "MC_rg_kube-test", "node.kubernetes.io/instance-type": "Standard_NC6s_v3",
		"beta.kubernetes.io/instance-type": "Standard_NC6s_v3",
		"kubernetes.io/hostname":           n.Name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64", "accelerator": "nvidia",
		"berth.dev/simulated": "true",
	} {
		if n.Labels[label] != want {
			t.Errorf("%s=%s; want %s", label, n.Labels[label], want)
		}
	}
	there := n.In("westeurope")
	for label, want := range map[string]string{"topology.kubernetes.io/region": "westeurope", "topology.kubernetes.io/zone": "0",
		"kubernetes.azure.com/cluster": "MC_rg_kube-test_westeurope"} {
		if there.Labels[label] != want {
			t.Errorf("%s=%s; want %s", label, there.Labels[label], want)
		}
	}
	if _, changed := n.Labels["topology.kubernetes.io/region"]; changed {
		t.Error("In changed the node that it was called with")
	}
	long := berth.NewID("s", strings.Repeat("g", 90), berth.TypeCluster, "c(1)-")
	if l := kube.NodeFor(long, pool, kube.SizeFacts{}, 0).In("westeurope").Labels["kubernetes.azure.com/cluster"]; len(l) > 63 {
		t.Errorf("a label of %d characters", len(l))
	}
	other := berth.NewID("s", "RG", berth.TypeCluster, "C")
	same := berth.NewID("S", "rg", berth.TypeCluster, "c")
	if kube.NodePrefix(other, "p") != kube.NodePrefix(same, "p") {
		t.Error("the casing of the id counts")
	}
}
