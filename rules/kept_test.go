package rules

import (
	"strings"
	"testing"

	"berth.dev/berth"
)

// TestBothCertificates: that two certificates exclude each other does not hide that one of them cannot be read.
func TestBothCertificates(t *testing.T) {
	for _, status := range []string{"Enabled", "Auto"} {
		spec := created(func(s *berth.ComputeSpec) {
			s.SSL = &berth.SSLSpec{Status: status, LeafDomainLabel: "l", CNAME: "c", Certificate: "no certificate"}
		})
		e := AsError(Compute("myaks", spec, ComputeFacts{WorkspaceLocation: "westeurope", Subscription: subscription, SSLKey: true,
			SSLKeyPEM: []byte("no key")}))
		if e == nil || len(e.Details) < 2 {
			t.Fatalf("%s: %+v", status, e)
		}
		var all []string
		for _, d := range e.Details {
			all = append(all, d.Target)
		}
		if got := strings.Join(all, " "); !strings.Contains(got, "sslConfiguration ") || !strings.Contains(got, "sslConfiguration.cert") {
			t.Errorf("%s: violations at %s", status, got)
		}
	}
}

func TestClusterRequests(t *testing.T) {
	plain := func() berth.ClusterSpec {
		return berth.ClusterSpec{Version: "1.36.0", DNSPrefix: "d",
			Pools: []berth.NodePool{{Name: "np", Count: 3, VMSize: "Standard_D3_v2", Mode: "System", OSType: "Linux", MaxPods: 110}}}
	}
	pool := func(change func(*berth.NodePool)) func(*berth.ClusterSpec, *ClusterFacts) {
		return func(s *berth.ClusterSpec, _ *ClusterFacts) { change(&s.Pools[0]) }
	}
	const at, network = "properties.agentPoolProfiles[0].", "properties.networkProfile."
	for name, c := range map[string]struct {
		change       func(*berth.ClusterSpec, *ClusterFacts)
		target, says string
	}{
		"labels": {pool(func(p *berth.NodePool) { p.Labels = map[string]string{"example.org/team": "ml"} }), "", ""},
		"a label that is none": {pool(func(p *berth.NodePool) { p.Labels = map[string]string{"team!": "ml"} }), at + "nodeLabels",
			"team!=ml"},
		"taints":               {pool(func(p *berth.NodePool) { p.Taints = []string{"sku=gpu:NoSchedule", "a:NoExecute"} }), "", ""},
		"a taint that is none": {pool(func(p *berth.NodePool) { p.Taints = []string{"sku=gpu"} }), at + "nodeTaints", "sku=gpu"},
		"zones":                {pool(func(p *berth.NodePool) { p.Zones = []string{"1", "3"} }), "", ""},
		"a fourth zone":        {pool(func(p *berth.NodePool) { p.Zones = []string{"4"} }), at + "availabilityZones", "1, 2 or 3"},
		"autoscaling": {pool(func(p *berth.NodePool) {
			p.Profile = map[string]any{"enableAutoScaling": true, "minCount": 1.0, "maxCount": 5.0}
		}), "", ""},
		"autoscaling without limits": {pool(func(p *berth.NodePool) { p.Profile = map[string]any{"enableAutoScaling": true} }),
			at + "enableAutoScaling", "minCount"},
		"limits the wrong way": {pool(func(p *berth.NodePool) {
			p.Profile = map[string]any{"enableAutoScaling": true, "minCount": 5.0, "maxCount": 1.0}
		}), at + "minCount", "maxCount is 1"},
		"ranges": {func(s *berth.ClusterSpec, _ *ClusterFacts) {
			s.Network = berth.ClusterNetwork{ServiceCIDR: "10.9.0.0/16", PodCIDR: "10.50.0.0/16", DNSServiceIP: "10.9.0.10"}
		}, "", ""},
		"ranges that overlap": {func(s *berth.ClusterSpec, _ *ClusterFacts) {
			s.Network = berth.ClusterNetwork{ServiceCIDR: "10.50.1.0/24", PodCIDR: "10.50.0.0/16", DNSServiceIP: "10.50.1.10"}
		}, network + "podCidr", "overlaps"},
		"a DNS address outside": {func(s *berth.ClusterSpec, _ *ClusterFacts) { s.Network.DNSServiceIP = "10.9.0.10" },
			network + "dnsServiceIP", "not inside"},
		"ranges of an existing cluster": {func(s *berth.ClusterSpec, f *ClusterFacts) {
			old := plain()
			f.Old, s.Network.PodCIDR = &old, "10.50.0.0/16"
		}, network + "serviceCidr", "cannot be changed"},
		"a stop":             {func(_ *berth.ClusterSpec, f *ClusterFacts) { f.Stops = true }, "properties.powerState", "cannot stop"},
		"a compute's body":   {func(_ *berth.ClusterSpec, f *ClusterFacts) { f.IsCompute = true }, "properties.computeType", "compute"},
		"the pool's version": {func(_ *berth.ClusterSpec, f *ClusterFacts) { f.PoolVersion = "1.36" }, "", ""},
		"another version of the pool": {func(_ *berth.ClusterSpec, f *ClusterFacts) { f.PoolVersion = "1.35.0" },
			at + "orchestratorVersion", "1.36.0"},
		"another patch":        {func(_ *berth.ClusterSpec, f *ClusterFacts) { f.Asked = "1.36.9" }, "", ""},
		"a minor that is not":  {func(_ *berth.ClusterSpec, f *ClusterFacts) { f.Asked = "1.12.9" }, "properties.kubernetesVersion", "1.12.9"},
		"a subnet that is not": {func(_ *berth.ClusterSpec, f *ClusterFacts) { f.NoSubnet = "/a" }, at + "vnetSubnetID", "/a"},
	} {
		t.Run(name, func(t *testing.T) {
			spec, facts := plain(), ClusterFacts{Asked: "1.36.0"}
			c.change(&spec, &facts)
			check(t, Cluster("c", spec, facts), c.target, c.says)
		})
	}
}

func TestIdentity(t *testing.T) {
	for typ, allowed := range map[string]bool{"SystemAssigned": true, "none": true, "UserAssigned": false,
		"SystemAssigned, UserAssigned": false, "Both": false} {
		if got := Identity(typ, 0); (got == nil) != allowed {
			t.Errorf("%s: %+v", typ, got)
		}
	}
	if got := Identity("SystemAssigned,UserAssigned", 1); got != nil {
		t.Errorf("%+v", got)
	}
}

// TestAttachDoesNotSize: an attach with another number or size of nodes than the cluster has is warned about.
func TestAttachDoesNotSize(t *testing.T) {
	cluster := &berth.Cluster{Spec: berth.ClusterSpec{Pools: []berth.NodePool{{Count: 3, VMSize: "Standard_D3_v2"}}}}
	for _, c := range []struct {
		count int
		size  string
		warns bool
	}{{0, "", false}, {3, "standard_d3_v2", false}, {1, "", true}, {3, "Standard_D2s_v3", true}} {
		got := nodesOfAttached(berth.ComputeSpec{AgentCount: c.count, VMSize: c.size}, ComputeFacts{Cluster: cluster})
		if (got != nil) != c.warns {
			t.Errorf("%+v: %+v", c, got)
		}
	}
}
