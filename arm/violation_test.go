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
	const bad, conflict = http.StatusBadRequest, http.StatusConflict
	put := func(name, path string, body any, status int, code string, words ...string) refusal {
		return refusal{name: name, method: http.MethodPut, path: path, body: body, status: status, code: code, words: words}
	}
	pools := func(all ...object) object {
		return object{"location": "westeurope", "properties": object{"agentPoolProfiles": all}}
	}
	pool := object{"name": "a", "count": 1, "vmSize": "Standard_D3_v2", "mode": "System"}
	c, k, foreign := f.compute("gpu"), f.Cluster(group, "aks"), "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/x/providers/Microsoft.ContainerService/managedClusters/y"
	f.refuseAll([]refusal{
		put("a short name", f.compute("x"), apptest.AKS(nil), bad, "InvalidResourceName", `"target":"name"`, "3 to 24"),
		put("a name that begins with a digit", f.compute("1gpu"), apptest.AKS(nil), bad, "InvalidResourceName", "begin with a letter"),
		put("a reserved name", f.compute("Local"), apptest.AKS(nil), bad, "InvalidResourceName", "reserved"),
		put("a bad workspace name", f.Workspace(group, "a b"), object{"location": "westeurope"}, bad, "InvalidResourceName", "3 to 33"),
		put("a bad cluster name", f.Cluster(group, "-a"), apptest.ClusterOf(1, "Standard_D3_v2"), bad, "InvalidResourceName", "1 to 63"),
		put("an unknown size", c, apptest.AKS(object{"agentVmSize": "Standard_D3_v22"}), bad, "BadRequest", `"target":"properties.properties.agentVmSize"`, "Standard_D3_v2"),
		put("an unknown size of a cluster", k, apptest.ClusterOf(1, "Standard_Nonsense"), bad, "BadRequest", "agentPoolProfiles[0].vmSize", "Near it are"),
		put("too few vCPUs", c, apptest.AKS(object{"agentCount": 2}), bad, "BadRequest", `"target":"properties.properties.agentCount"`, "at least 12 vCPUs", "DevTest"),
		put("nodes below zero", c, apptest.AKS(object{"agentCount": -1}), bad, "BadRequest", "from 1 to 1000"),
		put("no nodes", k, apptest.ClusterOf(0, "Standard_D3_v2"), bad, "BadRequest", "agentPoolProfiles[0].count", "from 1 to 1000"),
		put("an unknown purpose", c, apptest.AKS(object{"clusterPurpose": "Fun"}), bad, "BadRequest", "clusterPurpose", "DevTest"),
		put("a type that is not served", c, object{"properties": object{"computeType": "Databricks"}}, bad, "InvalidRequestContent", "properties.computeType", "AKS and Kubernetes"),
		put("no type", c, object{"properties": object{}}, bad, "InvalidRequestContent", "properties.computeType"),
		put("an id that is none", c, apptest.AttachTo("not/an/id", "DevTest"), bad, "InvalidResourceId", `"target":"properties.resourceId"`, "expected /subscriptions/"),
		put("the id of something else", c, apptest.AttachTo(f.workspace, "DevTest"), bad, "InvalidResourceId", "managedClusters/{name}"),
		put("a cluster that is not there", c, apptest.AttachTo(f.Cluster(group, "nope"), "DevTest"), http.StatusNotFound, "ResourceNotFound", "'nope'"),
		put("a cluster of a foreign subscription", c, apptest.AttachTo(foreign, "DevTest"), bad, "InvalidResourceId", "11111111"),
		put("the wrong location", c, object{"location": "atlantis", "properties": object{"computeType": "AKS"}}, bad, "LocationNotAvailableForResourceType", "atlantis"),
		put("the wrong location of the cluster", c, object{"properties": object{"computeType": "AKS", "computeLocation": "atlantis"}}, bad, "LocationNotAvailableForResourceType", "properties.computeLocation"),
		put("a workspace that moves", f.workspace, object{"location": "westus"}, conflict, "InvalidResourceLocation", "westeurope", "westus"),
		put("a workspace nowhere", f.Workspace(group, "nowhere"), object{}, bad, "LocationRequired", `"target":"location"`),
		put("a workspace in no group", f.Workspace("nope", "www"), object{"location": "westeurope"}, http.StatusNotFound, "ResourceGroupNotFound", "'nope'"),
		put("a compute in no workspace", f.Workspace(group, "nope")+"/computes/gpu", apptest.AKS(nil), http.StatusNotFound, "ParentResourceNotFound", "workspaces/nope"),
		put("a compute in no group", f.Workspace("nope", "nope")+"/computes/gpu", apptest.AKS(nil), http.StatusNotFound, "ResourceGroupNotFound"),
		put("a cluster in no group", f.Cluster("nope", "aks"), apptest.ClusterOf(1, "Standard_D3_v2"), http.StatusNotFound, "ResourceGroupNotFound"),
		put("a pool of no cluster", f.Cluster(group, "nope")+"/agentPools/a", object{"properties": object{"count": 2}}, http.StatusNotFound, "ResourceNotFound"),
		put("two pools", k, pools(pool, pool), bad, "BadRequest", "secondary pools"),
		put("a user pool", k, pools(object{"name": "a", "count": 1, "vmSize": "Standard_D3_v2", "mode": "User"}), bad, "BadRequest", "mode", "System"),
		put("a Kubernetes that is none", k, object{"location": "westeurope", "properties": object{"kubernetesVersion": "1.12.4"}}, bad, "BadRequest", "1.12.4", "1.36"),
		put("too long a tag", f.workspace, object{"location": "westeurope", "tags": object{"a": strings.Repeat("x", 300)}}, bad, "BadRequest", "tags.a", "256"),
		put("a certificate without key", c, apptest.AKS(object{"sslConfiguration": object{"status": "Enabled", "cname": "a.example"}}), bad, "BadRequest", "ssl"),
	})
	if list := f.get(f.group + "/resources"); names(list) != workspace {
		t.Errorf("refused requests made %s", names(list))
	}
}

func TestAllViolationsAtOnce(t *testing.T) {
	f := newFront(t)
	body := apptest.AKS(object{"agentCount": -5, "agentVmSize": "Standard_Nonsense", "clusterPurpose": "Fun", "loadBalancerType": "None"})
	body["tags"] = object{"a&": "b"}
	r := f.Do(http.MethodPut, f.compute("1"), body)
	f.Refused(r, http.StatusBadRequest, "BadRequest", "nothing was changed")
	details, _ := apptest.At(r.Body, "error.details").([]any)
	targets := map[string]bool{}
	for _, d := range details {
		targets[apptest.At(d, "target").(string)] = true
		if message, _ := apptest.At(d, "message").(string); len(message) < 20 || apptest.At(d, "code") == nil {
			t.Errorf("a detail says too little: %v", d)
		}
	}
	for _, want := range []string{"name", "tags", "properties.properties.agentCount", "properties.properties.agentVmSize", "properties.properties.clusterPurpose", "properties.properties.loadBalancerType"} {
		if !targets[want] {
			t.Errorf("nothing is told of %s: %s", want, r.Text)
		}
	}
}

// TestWorkspace: a PUT answers 200 and never 201, and what SDKs need is there.
func TestWorkspace(t *testing.T) {
	f := newFront(t)
	path := f.Workspace(group, "third")
	body := object{"location": "West Europe", "tags": object{"a": "b"}, "sku": object{"name": "Basic"}, "identity": object{"type": "SystemAssigned"},
		"properties": object{"friendlyName": "Third", "keyVault": "/subscriptions/x/vault", "unknown": []int{1}}}
	made := f.Want(http.StatusOK, f.Do(http.MethodPut, path, body)).Body
	again := f.Want(http.StatusOK, f.Do(http.MethodPut, path, body)).Body
	for _, key := range []string{"properties.workspaceId", "etag", "identity.principalId", "systemData.createdAt", "properties.discoveryUrl"} {
		if v := apptest.At(made, key); v == nil || v != apptest.At(again, key) {
			t.Errorf("%s is %v and then %v", key, v, apptest.At(again, key))
		}
	}
	f.equal(made, "location", "westeurope")
	f.equal(made, "sku.name", "Basic")
	f.equal(made, "properties.keyVault", "/subscriptions/x/vault")
	f.equal(made, "properties.provisioningState", "Succeeded")
	f.equal(made, "systemData.createdBy", f.ClientID)
	f.Succeed(f.Want(http.StatusAccepted, f.Do(http.MethodDelete, path, nil)))
	f.Want(http.StatusNotFound, f.Do(http.MethodGet, path, nil))
	if f.Want(http.StatusOK, f.Do(http.MethodPut, path, body)).Body["etag"] == nil {
		t.Error("a name that was deleted cannot be used again")
	}
}
