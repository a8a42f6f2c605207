package arm

import (
	"errors"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"berth.dev/berth"
)

const (
	testSubscription = "0b1f6471-1bf0-4dda-aec3-cb9272f09590"
	testGroup        = "/subscriptions/" + testSubscription + "/resourceGroups/rg"
	testCluster      = testGroup + "/providers/Microsoft.ContainerService/managedClusters/aks"
	testWorkspace    = testGroup + "/providers/Microsoft.MachineLearningServices/workspaces/ws"
	testNamespaces   = "/subscriptions/" + testSubscription + "/providers"
)

// TestTarget: what addresses name, and which right a caller needs for it.
func TestTarget(t *testing.T) {
	for _, c := range []struct{ method, path, right, id, allow string }{
		{"GET", "/subscriptions", "Microsoft.Resources/subscriptions/read", "", "GET"},
		{"GET", "/SUBSCRIPTIONS/" + strings.ToUpper(testSubscription), "Microsoft.Resources/subscriptions/read", "", "GET"},
		{"GET", "/tenants", "Microsoft.Resources/tenants/read", "", "GET"},
		{"POST", testNamespaces + "/microsoft.resources/register", "Microsoft.Resources/subscriptions/providers/register/action", "", "POST"},
		{"GET", testNamespaces + "/Microsoft.ContainerService/locations/westus/orchestrators",
			"Microsoft.ContainerService/locations/orchestrators/read", "", "GET"},
		{"GET", "/subscriptions/" + testSubscription + "/resources", "Microsoft.Resources/subscriptions/resources/read", "", "GET"},
		{"GET", "/subscriptions/" + testSubscription + "/resourcegroups", "Microsoft.Resources/subscriptions/resourceGroups/read", "", "GET"},
		{"DELETE", testGroup, "Microsoft.Resources/subscriptions/resourceGroups/delete", testGroup, "GET, PUT, PATCH, DELETE"},
		{"GET", testGroup + "/resources", "Microsoft.Resources/subscriptions/resourceGroups/resources/read", testGroup, "GET"},
		{"PUT", testCluster, "Microsoft.ContainerService/managedClusters/write", testCluster, "GET, PUT, PATCH, DELETE"},
		{"HEAD", testCluster, "Microsoft.ContainerService/managedClusters/read", testCluster, "GET, PUT, PATCH, DELETE"},
		{"GET", strings.TrimSuffix(testCluster, "/aks"), "Microsoft.ContainerService/managedClusters/read", testGroup, "GET"},
		{"GET", testNamespaces + "/Microsoft.ContainerService/managedClusters", "Microsoft.ContainerService/managedClusters/read", "", "GET"},
		{"POST", testCluster + "/LISTCLUSTERUSERCREDENTIAL", "Microsoft.ContainerService/managedClusters/listClusterUserCredential/action",
			testCluster, "POST"},
		{"GET", testCluster + "/agentPools", "Microsoft.ContainerService/managedClusters/agentPools/read", testCluster, "GET"},
		{"PUT", testCluster + "/agentPools/a", "Microsoft.ContainerService/managedClusters/agentPools/write", testCluster + "/agentPools/a",
			"GET, PUT"},
		{"GET", testCluster + "/upgradeProfiles/default", "Microsoft.ContainerService/managedClusters/upgradeProfiles/read",
			testCluster + "/upgradeProfiles/default", "GET"},
		{"POST", testWorkspace + "/computes/gpu/listKeys", "Microsoft.MachineLearningServices/workspaces/computes/listKeys/action",
			testWorkspace + "/computes/gpu", "POST"},
		{"GET", testWorkspace + "/computes", "Microsoft.MachineLearningServices/workspaces/computes/read", testWorkspace, "GET"},
		{"GET", testGroup + "/deployments/d/operations", "Microsoft.Resources/deployments/operations/read",
			testGroup + "/providers/Microsoft.Resources/deployments/d", "GET"},
		{"POST", testNamespaces + "/Microsoft.Resources/deployments/d/whatIf", "Microsoft.Resources/deployments/whatIf/action",
			testNamespaces + "/Microsoft.Resources/deployments/d", "POST"},
		{"PUT", testCluster + "/providers/Microsoft.Authorization/roleAssignments/r", "Microsoft.Authorization/roleAssignments/write",
			testCluster + "/providers/Microsoft.Authorization/roleAssignments/r", "GET, PUT, PATCH, DELETE"},
		{"GET", testCluster + "/providers/Microsoft.Authorization/roleAssignments", "Microsoft.Authorization/roleAssignments/read",
			testCluster, "GET"},
		{"PUT", testGroup + "/providers/Microsoft.Insights/components/c/currentbillingfeatures",
			"Microsoft.Insights/components/currentBillingFeatures/write", testGroup + "/providers/Microsoft.Insights/components/c", "GET, PUT"},
		{"DELETE", testGroup + "/providers/Microsoft.Network/virtualNetworks/n/subnets/s", "Microsoft.Network/virtualNetworks/subnets/delete",
			testGroup + "/providers/Microsoft.Network/virtualNetworks/n/subnets/s", "GET, PUT, DELETE"},
	} {
		got, err := parse(c.method, c.path, testSubscription)
		if err != nil {
			t.Errorf("%s %s: %v", c.method, c.path, err)
			continue
		}
		id := ""
		if !got.id.IsZero() {
			id = got.id.String()
		}
		if right, allow := got.right(c.method), strings.Join(got.allowed(), ", "); right != c.right || id != c.id || allow != c.allow {
			t.Errorf("%s %s is %s of %q with %s", c.method, c.path, right, id, allow)
		}
	}
}

// TestNoTarget: addresses that name nothing, and the code of each refusal.
func TestNoTarget(t *testing.T) {
	for _, c := range []struct {
		method, path string
		code         berth.Code
	}{
		{"GET", "", berth.CodeInvalidResourceType},
		{"GET", "/", berth.CodeInvalidResourceType},
		{"GET", "//", berth.CodeInvalidResourceType},
		{"GET", "/subscriptions/other/resourceGroups", berth.CodeSubscriptionNotFound},
		{"GET", "/subscriptions/" + testSubscription + "/nothing", berth.CodeInvalidResourceType},
		{"GET", testGroup + "/nothing", berth.CodeInvalidResourceType},
		{"GET", testGroup + "/resources/a/b", berth.CodeInvalidResourceType},
		{"GET", testGroup + "/providers/Microsoft.ContainerService", berth.CodeInvalidResourceType},
		{"GET", testNamespaces + "/Microsoft.Sql", berth.CodeInvalidNamespace},
		{"GET", testNamespaces + "/Microsoft.Sql/locations/westus/orchestrators", berth.CodeInvalidNamespace},
		{"GET", testNamespaces + "/Microsoft.ContainerService/managedClusters/aks", berth.CodeInvalidResourceType},
		{"GET", testGroup + "/providers/Microsoft.Compute/virtualMachines/x", berth.CodeInvalidResourceType},
		{"GET", testGroup + "/providers/Microsoft.Sql/servers/x", berth.CodeInvalidNamespace},
		{"GET", testCluster + "/providers/Microsoft.Storage/storageAccounts/x", berth.CodeInvalidResourceType},
		{"GET", testCluster + "/providers/Microsoft.Authorization", berth.CodeInvalidID},
		{"GET", testGroup + "/providers/Microsoft.ContainerService/fleets/x", berth.CodeInvalidResourceType},
		{"GET", testGroup + "/providers/Microsoft.ContainerService/managedClusters/a%b", berth.CodeInvalidID},
		{"GET", testCluster + "/listNodes", berth.CodeInvalidResourceType},
		{"POST", testCluster + "/dance", berth.CodeInvalidResourceType},
		{"POST", testCluster + "/agentPools/a/dance", berth.CodeInvalidResourceType},
		{"GET", testCluster + "/upgradeProfiles", berth.CodeInvalidResourceType},
		{"GET", testCluster + "/agentPools/a/agentPools/b", berth.CodeInvalidResourceType},
		{"PUT", testGroup + "/providers/Microsoft.Resources/resourceGroups/inner", berth.CodeInvalidResourceType},
		{"GET", testGroup + "/providers/Microsoft.Resources/resourceGroups/inner/resources", berth.CodeInvalidResourceType},
	} {
		if got, err := parse(c.method, c.path, testSubscription); berth.ErrorCode(err) != c.code {
			t.Errorf("%s %s: %+v %v", c.method, c.path, got, err)
		}
	}
}

// TestTable: each row of the routing table is complete, and none hides another.
func TestTable(t *testing.T) {
	right := regexp.MustCompile(`^Microsoft\.[A-Za-z]+(/[A-Za-z]+)+/(read|write|delete|action)$`)
	for typ, r := range rows {
		one := target{kind: r.kind, part: r.part}
		if strings.ToLower(one.typ()) != typ || kindOf(r.kind.typ) != r.kind {
			t.Errorf("%s leads to %s", typ, one.typ())
		}
		if k := r.kind; k.put == nil || k.patch == nil || k.remove == nil || k.encode == nil || k.created == 0 {
			t.Errorf("the row of %s lacks something", typ)
		}
		for i := range r.kind.actions {
			a := target{kind: r.kind, action: &r.kind.actions[i]}
			if a.action.serve == nil || !right.MatchString(a.right(http.MethodPost)) {
				t.Errorf("the action %s of %s lacks something", a.action.name, typ)
			}
		}
		if r.part != nil && r.part.list == nil && r.part.methods == nil && r.part.single == nil {
			t.Errorf("%s has no address", typ)
		}
	}
	for _, v := range services {
		path := strings.Replace("/"+v.path, "{}", testSubscription, 1)
		path = strings.ReplaceAll(path, "{}", "Microsoft.ContainerService")
		got, err := parse(v.method, path, testSubscription)
		if err != nil || got.service == nil || got.service.path != v.path || v.serve == nil || !right.MatchString(v.right) {
			t.Errorf("%s leads to %+v (%v), with the right %q", v.path, got, err, v.right)
		}
	}
}

// FuzzTarget: every address gives exactly one target with a handler, or one error for users.
func FuzzTarget(f *testing.F) {
	for _, path := range []string{"", "/", testGroup, testCluster, testCluster + "/agentPools/a", testWorkspace + "/computes/gpu/listKeys",
		testNamespaces + "/Microsoft.Resources/deployments/d", testNamespaces + "/Microsoft.ContainerService/locations/x/operations/y",
		testGroup + "/deployments/d/operations/1", "//rp//workspaces" + testGroup} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			f.Add(method, path)
		}
	}
	f.Fuzz(func(t *testing.T, method, path string) {
		path = cleanPath(path)
		got, err := parse(method, path, testSubscription)
		if err != nil {
			if _, ours := errors.AsType[*berth.Error](err); !ours || got.kind != nil || got.service != nil {
				t.Fatalf("%s %q gives %+v and %v", method, path, got, err)
			}
			return
		}
		if (got.kind == nil) == (got.service == nil) || got.part != nil && got.action != nil || len(got.allowed()) == 0 {
			t.Fatalf("%s %q gives %+v", method, path, got)
		}
		for _, h := range got.methods() {
			if h == nil {
				t.Fatalf("%s %q has no handler", method, path)
			}
		}
		if got.kind != nil && !got.id.IsZero() {
			if _, err := berth.ParseID(got.id.String()); err != nil {
				t.Fatalf("%s %q names the id %s: %v", method, path, got.id, err)
			}
		}
		if got.typ() == "" || !strings.Contains(got.right(method), "/") {
			t.Fatalf("%s %q has no name or right", method, path)
		}
	})
}
