package access_test

import (
	"fmt"
	"slices"
	"testing"

	"berth.dev/berth/access"
	"berth.dev/berth/catalog"
)

const (
	subscription = "/subscriptions/S"
	groupA       = subscription + "/resourceGroups/A"
	cluster      = groupA + "/providers/Microsoft.ContainerService/managedClusters/c"
	read         = "Microsoft.ContainerService/managedClusters/read"
	credential   = "Microsoft.ContainerService/managedClusters/listClusterAdminCredential/action"
	assign       = "Microsoft.Authorization/roleAssignments/write"
)

// TestMay: the cases of Azure's documentation of role definitions and scopes.
func TestMay(t *testing.T) {
	owner := []catalog.Permissions{{Actions: []string{"*"}}}
	contributor := []catalog.Permissions{{Actions: []string{"*"}, NotActions: []string{"Microsoft.Authorization/*/Write"}}}
	reader := []catalog.Permissions{{Actions: []string{"*/read"}}}
	p := access.NewPolicy([]access.Assignment{
		{Principal: "OWNER", Scope: subscription, Role: owner},
		{Principal: "both", Scope: subscription, Role: contributor},
		{Principal: "both", Scope: groupA, Role: []catalog.Permissions{{Actions: []string{"Microsoft.Authorization/roleAssignments/*"}}}},
		{Principal: "contributor", Scope: groupA + "/", Role: contributor},
		{Principal: "reader", Scope: cluster, Role: reader},
		{Principal: "root", Scope: "/", Role: reader},
		{Principal: "middle", Scope: subscription, Role: []catalog.Permissions{{Actions: []string{"microsoft.*/managedclusters/list*/action"}}}},
		{Principal: "scientist", Scope: subscription, Role: access.BuiltIn("f6c7c914-8db3-469d-8ca1-694a8f32e121")},
		{Principal: "none", Scope: subscription, Role: []catalog.Permissions{{DataActions: []string{"*"}}}},
		{Principal: "TEAM", Scope: subscription, Role: reader},
		{Principal: "admins", Scope: groupA, Role: owner},
		{Principal: "member", Scope: groupA, Role: contributor},
	}, map[string][]string{"member": {"team", "admins", "nothing"}, "other": {"team"}, "lonely": {"nothing"}})
	for _, c := range []struct {
		who, action, scope string
		may                bool
	}{
		{"owner", assign, cluster, true},
		{"owner", read, "/subscriptions/S2", false},
		{"Contributor", credential, cluster, true},
		{"contributor", assign, cluster, false},
		{"contributor", read, subscription, false},
		{"contributor", read, subscription + "/resourceGroups/AB", false},
		{"contributor", read, "/SUBSCRIPTIONS/s/resourcegroups/a", true},
		{"both", assign, groupA, true}, // notActions take away from their own role only
		{"both", assign, subscription, false},
		{"reader", read, cluster, true},
		{"reader", credential, cluster, false},
		{"reader", read, cluster + "/agentPools/p", true},
		{"reader", read, cluster + "2", false},
		{"root", read, cluster, true},
		{"middle", credential, cluster, true},
		{"middle", read, cluster, false},
		{"scientist", "Microsoft.MachineLearningServices/workspaces/read", cluster, true},
		{"scientist", "Microsoft.MachineLearningServices/workspaces/models/write", cluster, true},
		{"scientist", "Microsoft.MachineLearningServices/workspaces/computes/write", cluster, false},
		{"none", read, cluster, false},
		{"nobody", read, cluster, false},
		{"Member", read, subscription, true}, // by a group
		{"member", assign, cluster, true},    // by another one
		{"member", assign, subscription, false},
		{"member", credential, subscription, false},
		{"other", read, cluster, true},
		{"other", credential, cluster, false},
		{"lonely", read, cluster, false},
		{"team", read, cluster, true},
	} {
		if got := p.May(c.who, c.action, c.scope); got != c.may {
			t.Errorf("%s may %s at %s: %t", c.who, c.action, c.scope, got)
		}
	}
	if !p.MayInside("reader", read, subscription) || p.MayInside("reader", credential, subscription) ||
		p.MayInside("reader", read, groupA+"b") {
		t.Error("what may be done inside a scope is wrong")
	}
	if !p.HasRole("reader", subscription) || p.HasRole("nobody", subscription) ||
		p.HasRole("contributor", subscription+"/resourceGroups/b") {
		t.Error("who has a role is wrong")
	}
	if got := p.Givers(groupA); slices.Contains(got, "member") || !slices.Contains(got, "admins") {
		t.Errorf("who is in a group that may give roles counts, or the group does not: %v", got)
	}
	if !p.HasRole("other", subscription) || !p.MayInside("member", assign, subscription) || len(p.Of("member", cluster)) != 3 {
		t.Error("the roles of groups do not count")
	}
	if got := p.Of("both", cluster); len(got) != 2 {
		t.Errorf("both has %v at the cluster", got)
	}
}

// groupsOf a thousand assignments, each to a group of its own, and a person in two thousand groups, all of them among these.
func groupsOf() ([]access.Assignment, map[string][]string) {
	var all []access.Assignment
	members := map[string][]string{}
	for i := range 2000 {
		group := fmt.Sprintf("g%d", i)
		members["p"] = append(members["p"], group)
		if i%2 == 0 {
			all = append(all, access.Assignment{Principal: group, Scope: subscription,
				Role: []catalog.Permissions{{Actions: []string{fmt.Sprintf("Microsoft.X/a%d/read", i%20)}}}})
		}
	}
	return append(all, access.Assignment{Principal: "g1999", Scope: groupA, Role: []catalog.Permissions{{Actions: []string{read}}}}), members
}

// BenchmarkMayByGroup: somebody in two thousand groups, half of which have roles.
func BenchmarkMayByGroup(b *testing.B) {
	p := access.NewPolicy(groupsOf())
	b.ReportAllocs()
	for b.Loop() {
		if !p.May("p", read, cluster) || p.May("p", assign, cluster) {
			b.Fatal("decided wrongly")
		}
	}
}

// BenchmarkNewPolicyOfGroups: what the first request after a change of groups pays.
func BenchmarkNewPolicyOfGroups(b *testing.B) {
	all, members := groupsOf()
	for b.Loop() {
		access.NewPolicy(all, members)
	}
}

// BenchmarkMay: a principal with a thousand assignments, the last of which decides.
func BenchmarkMay(b *testing.B) {
	all := make([]access.Assignment, 1000)
	for i := range all {
		all[i] = access.Assignment{Principal: "p", Scope: fmt.Sprintf("%s/resourceGroups/g%d", subscription, i),
			Role: []catalog.Permissions{{Actions: []string{"*/read"}}}}
	}
	all[999] = access.Assignment{Principal: "p", Scope: groupA, Role: []catalog.Permissions{{Actions: []string{"*/read"}}}}
	p := access.NewPolicy(all, nil)
	b.ReportAllocs()
	for b.Loop() {
		if !p.May("p", read, cluster) {
			b.Fatal("refused")
		}
	}
}
