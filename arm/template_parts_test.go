package arm_test

import (
	"net/http"
	"strings"
	"testing"
)

const (
	poolsOf   = managed + "/agentPools"
	networks  = "Microsoft.Network/virtualNetworks"
	subnetsOf = networks + "/subnets"
)

// TestValidateRunsTheRulesForParts: node pools and subnets that a template has as resources of their own are judged in advance too.
func TestValidateRunsTheRulesForParts(t *testing.T) {
	f := newFront(t)
	pool := object{"name": "pool", "count": 1, "vmSize": "Standard_D3_v2", "mode": "System"}
	cluster := item(managed, "c", object{"properties": object{"agentPoolProfiles": []any{pool}}})
	more := func(properties object) object { return object{"dependsOn": []any{"c"}, "properties": properties} }
	for name, c := range map[string]struct {
		last object
		word string
	}{
		"another size":   {item(poolsOf, "c/pool", more(object{"vmSize": "Standard_D4_v3"})), "vmSize"},
		"no such size":   {item(poolsOf, "c/pool", more(object{"vmSize": "Standard_Nothing"})), "Standard_Nothing"},
		"fewer than one": {item(poolsOf, "c/pool", more(object{"count": -1})), "count"},
	} {
		for _, action := range []string{"validate", "whatIf"} {
			r := f.Do(http.MethodPost, f.group+deployments+"d/"+action, deployed(cluster, c.last))
			if r.Status != http.StatusBadRequest || !strings.Contains(r.Text, c.word) || !strings.Contains(r.Text, "/agentPools/pool") {
				t.Errorf("%s, %s: %d %s", name, action, r.Status, r.Text)
			}
		}
	}
	subnet := func(properties any) object {
		return item(subnetsOf, "net/nodes", object{"dependsOn": []any{"net"}, "properties": properties})
	}
	net := item(networks, "net", object{"properties": object{"addressSpace": object{"addressPrefixes": []any{"10.0.0.0/16"}}}})
	f.Refused(f.Do(http.MethodPost, f.group+deployments+"d/validate", deployed(net, subnet("10.0.0.0/24"))),
		http.StatusBadRequest, "InvalidTemplate", "/subnets/nodes")

	// What is right passes: a subnet of the template, a cluster in it, and its pool. Right after the deployment, nothing changes.
	pool["vnetSubnetID"] = "[resourceId('" + subnetsOf + "', 'net', 'nodes')]"
	cluster["dependsOn"] = []any{"[resourceId('" + subnetsOf + "', 'net', 'nodes')]"}
	whole := deployed(net, subnet(object{"addressPrefix": "10.0.0.0/24"}), cluster, item(poolsOf, "c/pool", more(object{"count": 2})))
	f.Want(http.StatusOK, f.Do(http.MethodPost, f.group+deployments+"d/validate", whole))
	f.Succeed(f.Do(http.MethodPut, f.group+deployments+"d", whole))
	last := deployed(subnet(object{"addressPrefix": "10.0.0.0/24"}), item(poolsOf, "c/pool", object{"properties": object{"count": 2}}))
	last["properties"].(object)["template"].(object)["resources"].([]any)[0].(object)["dependsOn"] = []any{}
	r := f.Want(http.StatusOK, f.Do(http.MethodPost, f.group+deployments+"d/whatIf", last))
	if n := strings.Count(r.Text, "NoChange"); n != 2 {
		t.Errorf("%d of 2 do not change: %s", n, r.Text)
	}
}
