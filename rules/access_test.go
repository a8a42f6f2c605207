package rules

import (
	"net/netip"
	"strings"
	"testing"

	"berth.dev/berth"
)

type object = map[string]any

func clusterWith(profile object) berth.ClusterSpec {
	return berth.ClusterSpec{Version: "1.36.0", Kept: berth.Kept{Profile: profile},
		Pools: []berth.NodePool{{Name: "pool", Count: 3, VMSize: "Standard_D3_v2", Mode: "System", OSType: "Linux", MaxPods: 110}}}
}

func authorized(ranges ...any) object {
	return object{"apiServerAccessProfile": object{"authorizedIPRanges": ranges}}
}

func TestAuthorizedRanges(t *testing.T) {
	const at = accessProfile + "authorizedIPRanges"
	private := authorized("203.0.113.0/24")
	private["apiServerAccessProfile"].(object)["enablePrivateCluster"] = true
	basic := authorized("203.0.113.0/24")
	basic["networkProfile"] = object{"loadBalancerSku": "Basic"}
	for name, c := range map[string]struct {
		profile      object
		target, says string
	}{
		"none":         {nil, "", ""},
		"range":        {authorized("203.0.113.0/24", "198.51.100.7"), "", ""},
		"no range":     {authorized("here"), at, "not a range"},
		"private":      {authorized("10.0.0.0/8"), at, "is not a public range"},
		"loopback":     {authorized("127.0.0.1"), at, "is not a public range"},
		"private too":  {private, at, "cannot have authorized IP ranges"},
		"Basic":        {basic, "properties.networkProfile.loadBalancerSku", "Standard"},
		"none private": {object{"apiServerAccessProfile": object{"enablePrivateCluster": true}}, "", ""},
	} {
		t.Run(name, func(t *testing.T) { check(t, Cluster("k", clusterWith(c.profile), ClusterFacts{}), c.target, c.says) })
	}
}

func TestReachable(t *testing.T) {
	ours := []netip.Prefix{netip.MustParsePrefix("203.0.113.16/28"), netip.MustParsePrefix("198.51.100.0/28")}
	public := object{"apiServerAccessProfile": object{"enablePrivateCluster": true, "enablePrivateClusterPublicFQDN": true}}
	for name, c := range map[string]struct {
		profile object
		ours    []netip.Prefix
		says    string // empty: nothing
		warning bool
	}{
		"open to all":        {nil, ours, "", false},
		"both regions":       {authorized("203.0.113.0/24", "198.51.100.0/24"), ours, "", false},
		"one of the regions": {authorized("203.0.113.0/24"), ours, "connects from 198.51.100.0/28", true},
		"a part of a range":  {authorized("203.0.113.16/29", "198.51.100.0/24"), ours, "203.0.113.16/28", true},
		"not configured":     {authorized("203.0.113.0/24"), nil, "cannot check whether", true},
		"private and public": {public, ours, "public name", false},
	} {
		t.Run(name, func(t *testing.T) {
			spec := clusterWith(c.profile)
			vs := reachable(ComputeFacts{Cluster: &berth.Cluster{Spec: spec}, ControlPlane: c.ours})
			switch {
			case c.says == "" && len(vs) == 0:
			case c.says == "" || len(vs) != 1 || vs[0].Warning != c.warning || !strings.Contains(vs[0].Message, c.says):
				t.Errorf("got %+v; want %q", vs, c.says)
			}
		})
	}
}

func TestForbidsPublicIPs(t *testing.T) {
	builtIn := "/providers/Microsoft.Authorization/policyDefinitions/"
	types := func(all ...any) object { return object{notAllowedTypes: object{"value": all}} }
	for name, c := range map[string]struct {
		assignment object
		want       bool
	}{
		"no public IPs": {object{"policyDefinitionId": builtIn + PolicyNoPublicIPs}, true},
		"in any casing": {object{"policyDefinitionId": strings.ToUpper(builtIn + PolicyNoPublicIPs)}, true},
		"not enforced":  {object{"policyDefinitionId": builtIn + PolicyNoPublicIPs, "enforcementMode": "DoNotEnforce"}, false},
		"type not allowed": {object{"policyDefinitionId": builtIn + PolicyNotAllowedTypes,
			"parameters": types("microsoft.network/publicipaddresses")}, true},
		"other type": {object{"policyDefinitionId": builtIn + PolicyNotAllowedTypes, "parameters": types("Microsoft.Sql/servers")},
			false},
		"without parameters":  {object{"policyDefinitionId": builtIn + PolicyNotAllowedTypes}, false},
		"another policy":      {object{"policyDefinitionId": builtIn + "00000000-0000-0000-0000-000000000000"}, false},
		"one of the user's":   {object{"policyDefinitionId": "/subscriptions/s" + builtIn + PolicyNoPublicIPs}, false},
		"nothing":             {object{}, false},
		"nonsense in a field": {object{"policyDefinitionId": 7}, false},
	} {
		if got := ForbidsPublicIPs(c.assignment); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestPublicIPs(t *testing.T) {
	policy := berth.NewID("s", "g", berth.TypePolicyAssignment, "no-ips")
	none := func(*berth.ComputeSpec) {}
	check(t, Compute("myaks", created(none), ComputeFacts{Policy: policy}), "properties.computeType", "userDefinedRouting")
	check(t, Compute("myaks", created(func(s *berth.ComputeSpec) { s.LoadBalancerType = "InternalLoadBalancer" }),
		ComputeFacts{Policy: policy}), "properties.computeType", "for its outbound traffic")
	attached := berth.ComputeSpec{Type: berth.ComputeAKS, Attached: true, LoadBalancerType: "PublicIp"}
	check(t, publicIPForCompute(attached, policy), inner+"loadBalancerType", "InternalLoadBalancer")
	attached.LoadBalancerType = "InternalLoadBalancer"
	check(t, publicIPForCompute(attached, policy), "", "")
	check(t, Cluster("k", clusterWith(nil), ClusterFacts{Policy: policy}), "properties.networkProfile.outboundType", "userDefinedRouting")
	check(t, Cluster("k", clusterWith(object{"networkProfile": object{"outboundType": "userDefinedRouting"}}), ClusterFacts{Policy: policy}),
		"", "")
	old := clusterWith(nil)
	check(t, Cluster("k", old, ClusterFacts{Policy: policy, Old: &old, Asked: "1.36.0"}), "", "")
}

func TestSubnets(t *testing.T) {
	subnets := []netip.Prefix{netip.MustParsePrefix("10.1.0.0/24"), netip.MustParsePrefix("172.17.8.0/24")}
	for name, c := range map[string]struct {
		change       func(*berth.NetworkSpec)
		facts        ComputeFacts
		target, says string
	}{
		"apart":     {func(n *berth.NetworkSpec) { n.DockerBridgeCIDR = "172.18.0.1/16" }, ComputeFacts{Subnets: subnets}, "", ""},
		"no subnet": {func(*berth.NetworkSpec) {}, ComputeFacts{NoSubnet: true}, networking + ".subnetId", "There is no subnet"},
		"service on subnet": {func(n *berth.NetworkSpec) { n.ServiceCIDR, n.DNSServiceIP = "10.1.0.0/16", "10.1.0.10" },
			ComputeFacts{Subnets: subnets[:1]}, networking + ".serviceCidr", "overlaps the subnet 10.1.0.0/24"},
		"bridge on subnet": {func(*berth.NetworkSpec) {}, ComputeFacts{Subnets: subnets}, networking + ".dockerBridgeCidr",
			"overlaps the subnet 172.17.8.0/24"},
	} {
		t.Run(name, func(t *testing.T) {
			check(t, Compute("myaks", created(withNetwork(c.change)), c.facts), c.target, c.says)
		})
	}
}

// Ranges and addresses that strangers send never break the rules themselves.
func FuzzNetwork(f *testing.F) {
	f.Add("10.0.0.0/16", "10.0.0.10", "172.17.0.1/16", "203.0.113.0/24")
	f.Add("::/0", "::1", "fe80::1%eth0/64", "::ffff:10.0.0.0/104")
	f.Fuzz(func(_ *testing.T, service, dns, bridge, authorizedRange string) {
		n := network4
		n.ServiceCIDR, n.DNSServiceIP = service, dns
		n.DockerBridgeCIDR = bridge
		subnets := []netip.Prefix{netip.MustParsePrefix("10.1.0.0/24"), netip.MustParsePrefix("fd00::/64")}
		network(&n, ComputeFacts{Subnets: subnets})
		spec := clusterWith(authorized(authorizedRange))
		authorizedRanges(spec)
		reachable(ComputeFacts{Cluster: &berth.Cluster{Spec: spec}, ControlPlane: subnets})
	})
}

// TestClusterAccess: whom a cluster signs in.
func TestClusterAccess(t *testing.T) {
	const tenant, group = "72f988bf-86f1-41af-91ab-2d7cd011db47", "3f0c3b52-0a0e-4b0e-9d7e-0a0e4b0e9d7e"
	aad := func(more object) object {
		more["managed"] = true
		return object{"aadProfile": more}
	}
	for name, c := range map[string]struct {
		profile      object
		target, says string
	}{
		"callers":        {aad(object{"enableAzureRBAC": true}), "", ""},
		"its own tenant": {aad(object{"tenantID": strings.ToUpper(tenant)}), "", ""},
		"another tenant": {aad(object{"tenantID": group}), "properties.aadProfile.tenantID", "callers of its own tenant only"},
		"a group":        {aad(object{"adminGroupObjectIDs": []any{group}}), "", ""},
		"a group's name": {aad(object{"adminGroupObjectIDs": []any{group, "ops"}}), "properties.aadProfile.adminGroupObjectIDs[1]", "a GUID"},
		"nobody":         {object{"disableLocalAccounts": true}, "", ""}, // a warning
		"callers only":   {object{"disableLocalAccounts": true, "aadProfile": object{"managed": true}}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			check(t, Cluster("k", clusterWith(c.profile), ClusterFacts{Tenant: tenant}), c.target, c.says)
		})
	}
}

// TestNobodySignsIn: a cluster without local accounts that takes nobody else is reported.
func TestNobodySignsIn(t *testing.T) {
	all := Reported(Cluster("k", clusterWith(object{"disableLocalAccounts": true}), ClusterFacts{}), true)
	if len(all) != 1 || !strings.Contains(all[0].Message, "Nobody can sign in") {
		t.Errorf("%+v", all)
	}
}
