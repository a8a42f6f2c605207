package arm_test

import (
	"net/http"
	"strings"
	"testing"

	"berth.dev/berth/app/apptest"
)

// TestViolations: what the rules forbid is told at once, all of it, before anything is made.
func TestViolations(t *testing.T) {
	f := newFront(t)
	const bad = http.StatusBadRequest
	put := func(name, path string, body any, status int, code string, words ...string) refusal {
		return refusal{name: name, method: http.MethodPut, path: path, body: body, status: status, code: code, words: words}
	}
	pools := func(all ...object) object {
		return object{"location": "westeurope", "properties": object{"agentPoolProfiles": all}}
	}
	pool := object{"name": "a", "count": 1, "vmSize": "Standard_D3_v2", "mode": "System"}
	const foreign = "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/x" +
		"/providers/Microsoft.ContainerService/managedClusters/y"
	c, k := f.compute("gpu"), f.Cluster(group, "aks")
	f.refuseAll([]refusal{
		put("an unknown size", c, apptest.AKS(object{"agentVmSize": "Standard_D3_v22"}), bad, "BadRequest",
			`"target":"properties.properties.agentVmSize"`, "Standard_D3_v2"),
		put("an unknown size of a cluster", k, apptest.ClusterOf(1, "Standard_Nonsense"), bad, "BadRequest", "agentPoolProfiles[0].vmSize",
			"Similar sizes:"),
		put("too few vCPUs", c, apptest.AKS(object{"agentCount": 2}), bad, "BadRequest", `"target":"properties.properties.agentCount"`,
			"at least 12 vCPUs", "DevTest"),
		put("nodes below zero", c, apptest.AKS(object{"agentCount": -1}), bad, "BadRequest", "from 1 to 1000"),
		put("no nodes", k, apptest.ClusterOf(0, "Standard_D3_v2"), bad, "BadRequest", "agentPoolProfiles[0].count", "from 1 to 1000"),
		put("an unknown purpose", c, apptest.AKS(object{"clusterPurpose": "Fun"}), bad, "BadRequest", "clusterPurpose", "DevTest"),
		put("a type that is not served", c, object{"properties": object{"computeType": "Databricks"}}, bad, "InvalidRequestContent",
			"properties.computeType", "AKS or Kubernetes"),
		put("no type", c, object{"properties": object{}}, bad, "InvalidRequestContent", "properties.computeType"),
		put("an id that is none", c, apptest.AttachTo("not/an/id", "DevTest"), bad, "InvalidResourceId", `"target":"properties.resourceId"`,
			"expected /subscriptions/"),
		put("the id of something else", c, apptest.AttachTo(f.workspace, "DevTest"), bad, "InvalidResourceId", "managedClusters/{name}"),
		put("a cluster that is not there", c, apptest.AttachTo(f.Cluster(group, "nope"), "DevTest"), http.StatusNotFound, "ResourceNotFound",
			"'nope'"),
		put("a cluster of a foreign subscription", c, apptest.AttachTo(foreign, "DevTest"), bad, "InvalidResourceId", "11111111"),
		put("the wrong location", c, object{"location": "atlantis", "properties": object{"computeType": "AKS"}}, bad,
			"LocationNotAvailableForResourceType", "atlantis"),
		put("the wrong location of the cluster", c, object{"properties": object{"computeType": "AKS", "computeLocation": "atlantis"}}, bad,
			"LocationNotAvailableForResourceType", "properties.computeLocation"),
		put("a workspace in no group", f.Workspace("nope", "www"), object{"location": "westeurope"}, http.StatusNotFound,
			"ResourceGroupNotFound", "'nope'"),
		put("a compute in no workspace", f.Workspace(group, "nope")+"/computes/gpu", apptest.AKS(nil), http.StatusNotFound,
			"ParentResourceNotFound", "workspaces/nope"),
		put("a compute in no group", f.Workspace("nope", "nope")+"/computes/gpu", apptest.AKS(nil), http.StatusNotFound, "ResourceGroupNotFound"),
		put("a cluster in no group", f.Cluster("nope", "aks"), apptest.ClusterOf(1, "Standard_D3_v2"), http.StatusNotFound,
			"ResourceGroupNotFound"),
		put("a pool of no cluster", f.Cluster(group, "nope")+"/agentPools/a", object{"properties": object{"count": 2}}, http.StatusNotFound,
			"ResourceNotFound"),
		put("two pools", k, pools(pool, pool), bad, "BadRequest", "secondary pools"),
		put("a user pool", k, pools(object{"name": "a", "count": 1, "vmSize": "Standard_D3_v2", "mode": "User"}), bad, "BadRequest", "mode",
			"System"),
		put("a Kubernetes that is none", k, object{"location": "westeurope", "properties": object{"kubernetesVersion": "1.12.4"}}, bad,
			"BadRequest", "1.12.4", "1.36"),
		put("too long a tag", f.workspace, object{"location": "westeurope", "tags": object{"a": strings.Repeat("x", 300)}}, bad, "BadRequest",
			"tags.a", "256"),
		put("a certificate without key", c, apptest.AKS(object{"sslConfiguration": object{"status": "Enabled", "cname": "a.example"}}), bad,
			"BadRequest", "ssl"),
	})
	if list := f.get(f.group + "/resources"); names(list) != workspace {
		t.Errorf("refused requests made %s", names(list))
	}
}

// TestBadNamesAndPlaces: how things may be called, and where they may be.
func TestBadNamesAndPlaces(t *testing.T) {
	f := newFront(t)
	const bad, name = http.StatusBadRequest, "InvalidResourceName"
	put := func(what, path string, body any, code string, words ...string) refusal {
		status := bad
		if code == "InvalidResourceLocation" {
			status = http.StatusConflict
		}
		return refusal{name: what, method: http.MethodPut, path: path, body: body, status: status, code: code, words: words}
	}
	f.refuseAll([]refusal{
		put("a group nowhere", f.Group("third"), object{}, "LocationRequired", "location"),
		put("a group at a place that is none", f.Group("third"), object{"location": "atlantis"}, "LocationNotAvailableForResourceType",
			"atlantis", "/locations"),
		put("a group that ends with a period", f.Group("ends."), object{"location": "eastus"}, name, "period"),
		put("a group of too long a name", f.Group(strings.Repeat("x", 91)), object{"location": "eastus"}, name, "90"),
		put("a short name", f.compute("x"), apptest.AKS(nil), name, `"target":"name"`, "3 to 24"),
		put("a name that begins with a digit", f.compute("1gpu"), apptest.AKS(nil), name, "begin with a letter"),
		put("a reserved name", f.compute("Local"), apptest.AKS(nil), name, "reserved"),
		put("a bad workspace name", f.Workspace(group, "a b"), object{"location": "westeurope"}, name, "3 to 33"),
		put("a bad cluster name", f.Cluster(group, "-a"), apptest.ClusterOf(1, "Standard_D3_v2"), name, "1 to 63"),
		put("a workspace that moves", f.workspace, object{"location": "westus"}, "InvalidResourceLocation", "westeurope", "westus"),
		put("a workspace nowhere", f.Workspace(group, "nowhere"), object{}, "LocationRequired", `"target":"location"`),
	})
	if list := f.get(f.group + "/resources"); names(list) != workspace {
		t.Errorf("refused requests made %s", names(list))
	}
}
