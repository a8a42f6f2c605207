package rules

import (
	"strings"
	"testing"

	"berth.dev/berth"
)

const subscription = "11111111-2222-3333-4444-555555555555"

// created is a request that violates no rule; change turns it into one that does.
func created(change func(*berth.ComputeSpec)) berth.ComputeSpec {
	s := berth.ComputeSpec{Type: berth.ComputeAKS, Location: "westeurope"}
	ComputeDefaults(&s)
	change(&s)
	return s
}

var network4 = berth.NetworkSpec{
	SubnetID:    "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/v/subnets/n",
	ServiceCIDR: "10.0.0.0/16", DNSServiceIP: "10.0.0.10", DockerBridgeCIDR: "172.17.0.1/16",
}

func withNetwork(change func(*berth.NetworkSpec)) func(*berth.ComputeSpec) {
	n := network4
	change(&n)
	return func(s *berth.ComputeSpec) { s.Network = &n }
}

func TestCreate(t *testing.T) {
	none := func(*berth.ComputeSpec) {}
	for name, c := range map[string]struct {
		name   string
		change func(*berth.ComputeSpec)
		want   string // target of the violation; empty for none
		says   string
	}{
		"defaults":                 {"myaks", none, "", ""},
		"shortest name":            {"abc", none, "", ""},
		"name too short":           {"ab", none, "name", "3 to 24"},
		"name too long":            {strings.Repeat("a", 25), none, "name", "3 to 24"},
		"name begins with a digit": {"1abc", none, "name", "begin with a letter"},
		"name ends with a dash":    {"abc-", none, "name", "end with"},
		"name with a dot":          {"a.bc", none, "name", "only letters"},
		"reserved name":            {"Local", none, "name", "reserved"},
		"dense production":         {"myaks", func(s *berth.ComputeSpec) { s.Purpose = berth.DenseProd }, "", ""},
		"unknown purpose":          {"myaks", func(s *berth.ComputeSpec) { s.Purpose = "Prod" }, inner + "clusterPurpose", "DevTest"},
		"twelve vCPUs exactly":     {"myaks", func(s *berth.ComputeSpec) { s.AgentCount = 3 }, "", ""},
		"eight vCPUs":              {"myaks", func(s *berth.ComputeSpec) { s.AgentCount = 2 }, inner + "agentCount", "2 node(s) × 4"},
		"DevTest is small":         {"myaks", func(s *berth.ComputeSpec) { s.Purpose, s.AgentCount = berth.DevTest, 1 }, "", ""},
		"no nodes":                 {"myaks", func(s *berth.ComputeSpec) { s.AgentCount = -1 }, inner + "agentCount", "1 to 1000"},
		"too many nodes":           {"myaks", func(s *berth.ComputeSpec) { s.AgentCount = 1001 }, inner + "agentCount", "1 to 1000"},
		"unknown size": {"myaks", func(s *berth.ComputeSpec) { s.VMSize = "Standard_D3_v3" }, inner + "agentVmSize",
			"Standard_D"},
		"size too small": {"myaks", func(s *berth.ComputeSpec) { s.VMSize, s.Purpose = "Standard_A1_v2", berth.DevTest },
			inner + "agentVmSize", "2 vCPUs"},
		"burstable size": {"myaks", func(s *berth.ComputeSpec) { s.VMSize = "Standard_B4ms" }, inner + "agentVmSize", "burstable"},
		"FPGA size":      {"myaks", func(s *berth.ComputeSpec) { s.VMSize = "Standard_PB6s" }, "", ""},
		"unknown load balancer": {"myaks", func(s *berth.ComputeSpec) { s.LoadBalancerType = "Best" }, inner + "loadBalancerType",
			"PublicIp"},
		"subnet with a public address": {"myaks", func(s *berth.ComputeSpec) { s.LoadBalancerNet = "sub" }, inner + "loadBalancerSubnet",
			"Internal"},
		"subnet with an internal one": {"myaks", func(s *berth.ComputeSpec) {
			s.LoadBalancerType, s.LoadBalancerNet = "InternalLoadBalancer", "sub"
		}, "", ""},
		"certificate without key": {"myaks", func(s *berth.ComputeSpec) {
			s.SSL = &berth.SSLSpec{Status: "Enabled", CNAME: "a", Certificate: "b"}
		}, inner + "sslConfiguration", "key"},
		"automatic without label": {"myaks", func(s *berth.ComputeSpec) { s.SSL = &berth.SSLSpec{Status: "Auto"} },
			inner + "sslConfiguration.leafDomainLabel", "leafDomainLabel"},
		"automatic": {"myaks", func(s *berth.ComputeSpec) {
			s.SSL = &berth.SSLSpec{Status: "Auto", LeafDomainLabel: "l"}
		}, "", ""},
		"automatic and internal": {"myaks", func(s *berth.ComputeSpec) {
			s.LoadBalancerType, s.SSL = "InternalLoadBalancer", &berth.SSLSpec{Status: "Auto", LeafDomainLabel: "l"}
		}, inner + "sslConfiguration", "public IP"},
		"both certificates": {"myaks", func(s *berth.ComputeSpec) {
			s.SSL = &berth.SSLSpec{Status: "Auto", LeafDomainLabel: "l", CNAME: "c"}
		}, inner + "sslConfiguration", "exclude"},
		"one FPGA node": {"myaks", func(s *berth.ComputeSpec) { s.VMSize, s.AgentCount = "Standard_PB6s", 1 }, "", ""},
		"unknown SSL status": {"myaks", func(s *berth.ComputeSpec) { s.SSL = &berth.SSLSpec{Status: "On"} },
			inner + "sslConfiguration.status", "Enabled"},
		"network":         {"myaks", withNetwork(func(*berth.NetworkSpec) {}), "", ""},
		"network in part": {"myaks", withNetwork(func(n *berth.NetworkSpec) { n.DNSServiceIP = "" }), networking, "together"},
		"no subnet":       {"myaks", withNetwork(func(n *berth.NetworkSpec) { n.SubnetID = "sub" }), networking + ".subnetId", "subnet"},
		"service range": {"myaks", withNetwork(func(n *berth.NetworkSpec) { n.ServiceCIDR = "10.0.0.0" }), networking + ".serviceCidr",
			"IPv4 range"},
		"banned service range": {"myaks", withNetwork(func(n *berth.NetworkSpec) {
			n.ServiceCIDR, n.DNSServiceIP = "172.30.0.0/16", "172.30.0.10"
		}), networking + ".serviceCidr", "172.30.0.0/16"},
		"service range too wide": {"myaks", withNetwork(func(n *berth.NetworkSpec) { n.ServiceCIDR = "10.0.0.0/8" }), networking + ".serviceCidr",
			"/12"},
		"DNS outside": {"myaks", withNetwork(func(n *berth.NetworkSpec) { n.DNSServiceIP = "10.1.0.10" }),
			networking + ".dnsServiceIP", "inside"},
		"DNS is the first": {"myaks", withNetwork(func(n *berth.NetworkSpec) { n.DNSServiceIP = "10.0.0.1" }), networking + ".dnsServiceIP",
			"first"},
		"bridge overlaps": {"myaks", withNetwork(func(n *berth.NetworkSpec) { n.DockerBridgeCIDR = "10.0.1.1/24" }),
			networking + ".dockerBridgeCidr", "overlaps"},
	} {
		t.Run(name, func(t *testing.T) {
			check(t, Compute(c.name, created(c.change), ComputeFacts{WorkspaceLocation: "westeurope", Subscription: subscription}), c.want, c.says)
		})
	}
}

// check requires exactly one violation, at a target and with a text in its message, or none for an empty target.
func check(t *testing.T, vs []Violation, target, says string) {
	t.Helper()
	e := AsError(vs)
	switch {
	case target == "" && e == nil:
	case target == "":
		t.Errorf("refused: %v", e)
	case e == nil:
		t.Errorf("not refused; want a violation at %s", target)
	case len(e.Details) != 1 || e.Details[0].Target != target || !strings.Contains(e.Details[0].Message, says):
		t.Errorf("got %+v; want one at %s that says %q", e.Details, target, says)
	}
}

func managed(count int, size, version string) *berth.Cluster {
	return &berth.Cluster{Spec: berth.ClusterSpec{Version: version, Pools: []berth.NodePool{{Name: "pool", Count: count, VMSize: size}}}}
}

func TestAttach(t *testing.T) {
	id := berth.NewID(subscription, "rg", berth.TypeCluster, "c")
	for name, c := range map[string]struct {
		id      berth.ID
		cluster *berth.Cluster
		state   berth.State
		purpose berth.Purpose
		want    string
		says    string
	}{
		"fits": {id, managed(3, "Standard_D3_v2", "1.36.0"), berth.StateSucceeded, berth.FastProd, "", ""},
		"too small": {id, managed(1, "Standard_D3_v2", "1.36.0"), berth.StateSucceeded, berth.FastProd, inner + "clusterPurpose",
			"DevTest"},
		"small and DevTest": {id, managed(1, "Standard_D3_v2", "1.36.0"), berth.StateSucceeded, berth.DevTest, "", ""},
		"old version": {id, managed(3, "Standard_D3_v2", "1.29.4"), berth.StateSucceeded, berth.FastProd, "properties.resourceId",
			"1.36.0"},
		"preview":   {id, managed(3, "Standard_D3_v2", "1.37.2"), berth.StateSucceeded, berth.FastProd, "", ""},
		"not there": {id, nil, "", berth.FastProd, "properties.resourceId", "no cluster 'c'"},
		"failed":    {id, managed(3, "Standard_D3_v2", "1.36.0"), berth.StateFailed, berth.FastProd, "properties.resourceId", "Failed"},
		"another type": {berth.NewID(subscription, "rg", "Microsoft.Compute/virtualMachines", "v"), nil, "", berth.FastProd,
			"properties.resourceId", "managed or connected cluster"},
		"connected": {berth.NewID(subscription, "rg", berth.TypeConnected, "v"), nil, "", berth.FastProd, "properties.resourceId",
			"There is no cluster"},
		"other subscription": {berth.NewID("other", "rg", berth.TypeCluster, "c"), nil, "", berth.FastProd, "properties.resourceId",
			"subscription"},
	} {
		t.Run(name, func(t *testing.T) {
			w := berth.ComputeSpec{Type: berth.ComputeAKS, Attached: true, ClusterID: c.id, Purpose: c.purpose}
			ComputeDefaults(&w)
			check(t, Compute("myaks", w, ComputeFacts{Subscription: subscription, Cluster: c.cluster, ClusterState: c.state, ClusterID: c.id}),
				c.want, c.says)
		})
	}
}

func TestUpdate(t *testing.T) {
	was := &berth.Compute{Spec: created(func(*berth.ComputeSpec) {})}
	for name, c := range map[string]struct {
		change func(*berth.ComputeSpec)
		want   string
	}{
		"count":    {func(s *berth.ComputeSpec) { s.AgentCount = 5 }, ""},
		"size":     {func(s *berth.ComputeSpec) { s.VMSize = "Standard_D4_v2" }, inner + "agentVmSize"},
		"location": {func(s *berth.ComputeSpec) { s.Location = "eastus" }, "properties.computeLocation"},
		"cluster": {func(s *berth.ComputeSpec) { s.ClusterID = berth.NewID(subscription, "g", berth.TypeCluster, "x") },
			"properties.resourceId"},
	} {
		t.Run(name, func(t *testing.T) {
			check(t, Compute("myaks", created(c.change), ComputeFacts{Exists: was, WorkspaceLocation: "westeurope"}), c.want, "exists already")
		})
	}
}

func TestCluster(t *testing.T) {
	good := berth.NodePool{Name: "pool", Count: 1, VMSize: "Standard_D3_v2", Mode: "System", OSType: "Linux", MaxPods: 110}
	const at = "properties.agentPoolProfiles[0]."
	for name, c := range map[string]struct {
		name   string
		change func(*berth.ClusterSpec)
		asked  string
		want   string
	}{
		"fits":            {"c", func(*berth.ClusterSpec) {}, "1.36", ""},
		"name":            {"c_", func(*berth.ClusterSpec) {}, "", "name"},
		"version":         {"c", func(*berth.ClusterSpec) {}, "1.12", "properties.kubernetesVersion"},
		"second pool":     {"c", func(s *berth.ClusterSpec) { s.Pools = append(s.Pools, good) }, "", "properties.agentPoolProfiles"},
		"no pool":         {"c", func(s *berth.ClusterSpec) { s.Pools = nil }, "", "properties.agentPoolProfiles"},
		"pool name":       {"c", func(s *berth.ClusterSpec) { s.Pools[0].Name = "Pool" }, "", at + "name"},
		"user pool":       {"c", func(s *berth.ClusterSpec) { s.Pools[0].Mode = "User" }, "", at + "mode"},
		"Windows":         {"c", func(s *berth.ClusterSpec) { s.Pools[0].OSType = "Windows" }, "", at + "osType"},
		"too many pods":   {"c", func(s *berth.ClusterSpec) { s.Pools[0].MaxPods = 300 }, "", at + "maxPods"},
		"no nodes":        {"c", func(s *berth.ClusterSpec) { s.Pools[0].Count = 0 }, "", at + "count"},
		"unknown VM size": {"c", func(s *berth.ClusterSpec) { s.Pools[0].VMSize = "Big" }, "", at + "vmSize"},
	} {
		t.Run(name, func(t *testing.T) {
			w := berth.ClusterSpec{Version: "1.36.0", Pools: []berth.NodePool{good}}
			c.change(&w)
			check(t, Cluster(c.name, w, ClusterFacts{Asked: c.asked}), c.want, "")
		})
	}
}

func TestAllAtOnce(t *testing.T) {
	w := created(func(s *berth.ComputeSpec) {
		s.VMSize, s.AgentCount = "Nothing", 0
		s.Purpose = "Foo"
	})
	e := AsError(Compute("1", w, ComputeFacts{}))
	if e == nil || len(e.Details) != 4 || !strings.Contains(e.Message, "4 rules") {
		t.Errorf("got %+v; want four violations in one error", e)
	}
}

func TestNamesAndTags(t *testing.T) {
	for n, want := range map[string]string{"wspace": "", "ws": "name", "-ws": "name"} {
		check(t, WorkspaceName(n), want, "")
	}
	for n, want := range map[string]string{"rg": "", "rg.": "name", "r g": "name", strings.Repeat("r", 91): "name"} {
		check(t, GroupName(n), want, "")
	}
	many := map[string]string{}
	for i := range 51 {
		many[strings.Repeat("t", i+1)] = ""
	}
	for _, c := range []struct {
		tags map[string]string
		want string
	}{
		{map[string]string{"a": "b"}, ""}, {many, "tags"}, {map[string]string{"a/b": ""}, "tags"},
		{map[string]string{"a": strings.Repeat("v", 257)}, "tags.a"},
		{map[string]string{"a": strings.Repeat("값", 256)}, ""}, {map[string]string{"a": "x\x1b[2J"}, "tags"},
		{map[string]string{"a\u202e": "x"}, "tags"}, {map[string]string{"a": "1\n2"}, ""}, {map[string]string{"a": "1\r2"}, "tags"},
	} {
		check(t, Tags(c.tags), c.want, "")
	}
}

// TestConnectedCluster: a connected cluster is judged by what its nodes report.
func TestConnectedCluster(t *testing.T) {
	for name, c := range map[string]struct {
		purpose      berth.Purpose
		nodes, vcpus int
		says         string // empty: nothing
		warning      bool
	}{
		"twelve vCPUs":    {berth.FastProd, 3, 12, "", false},
		"eleven":          {berth.FastProd, 3, 11, "3 node(s) have 11 together", false},
		"two large nodes": {berth.FastProd, 2, 32, "at least 3 nodes", true},
		"DevTest":         {berth.DevTest, 1, 2, "", false},
		"tiny DevTest":    {berth.DevTest, 1, 1, "at least 2 vCPUs", true},
		"not seen yet":    {berth.FastProd, 0, 0, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			cluster := &berth.Cluster{Type: berth.TypeConnected, Spec: berth.ClusterSpec{Connected: true},
				Status: berth.ClusterStatus{Version: "1.36.4", Nodes: c.nodes, VCPUs: c.vcpus}}
			w := berth.ComputeSpec{Type: berth.ComputeAKS, Attached: true, ClusterID: berth.NewID(subscription, "rg", berth.TypeConnected, "c"),
				Purpose: c.purpose}
			ComputeDefaults(&w)
			vs := Compute("myaks", w, ComputeFacts{Subscription: subscription, Cluster: cluster, ClusterState: berth.StateSucceeded})
			switch {
			case c.says == "" && len(vs) == 0:
			case c.says == "" || len(vs) != 1 || vs[0].Warning != c.warning || !strings.Contains(vs[0].Message, c.says):
				t.Errorf("got %+v; want %q", vs, c.says)
			}
		})
	}
}
