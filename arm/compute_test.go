package arm_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"berth.dev/berth/app/apptest"
)

// sdkKeys are those that azureml-core reads without asking whether they are there.
var sdkKeys = map[string][]string{
	"":                      {"name", "location", "id", "tags", "type"},
	"properties":            {"properties", "provisioningErrors", "description", "provisioningState", "resourceId", "isAttachedCompute", "computeType", "createdOn", "modifiedOn", "computeLocation"},
	"properties.properties": {"agentVmSize", "agentCount", "clusterPurpose", "clusterFqdn", "systemServices", "loadBalancerType", "loadBalancerSubnet", "sslConfiguration", "aksNetworkingConfiguration"},
}

func (f *front) sdkCanRead(compute any) {
	f.t.Helper()
	for path, keys := range sdkKeys {
		have, _ := compute.(object)
		if path != "" {
			have, _ = apptest.At(compute, path).(object)
		}
		for _, key := range keys {
			if _, there := have[key]; !there {
				f.t.Errorf("azureml-core dies without %s.%s: %v", path, key, have)
			}
		}
	}
}

// TestCompute follows one compute on the wire, from the first answer to after the end, while its cluster is made.
func TestCompute(t *testing.T) {
	f := newFront(t)
	path := f.compute("Gpu")
	made := f.Want(http.StatusCreated, f.Do(http.MethodPut, path, apptest.AKS(object{"clusterPurpose": "devtest", "agentVmSize": "standard_d3_V2"})))
	f.sdkCanRead(made.Body)
	f.equal(made.Body, "properties.provisioningState", "Creating")
	f.equal(made.Body, "properties.properties.agentCount", 1.0)
	f.equal(made.Body, "properties.properties.agentVmSize", "Standard_D3_v2")
	f.equal(made.Body, "properties.isAttachedCompute", false)
	f.operationAddress(made)
	f.whileBusy(path)

	f.Succeed(made)
	seen := f.get("/rp/workspaces" + path)
	f.sdkCanRead(seen)
	f.sdkCanRead(apptest.At(f.get(f.workspace+"/computes"), "value.0"))
	f.equal(seen, "properties.provisioningState", "Succeeded")
	f.equal(seen, "properties.computeType", "AKS")
	f.equal(seen, "name", "Gpu")
	cluster, _ := apptest.At(seen, "properties.resourceId").(string)
	if short := strings.TrimPrefix(cluster, f.Cluster(group, "gpu")); len(short) != 10 {
		t.Errorf("the cluster is called %s", cluster)
	}
	f.echoed(path, seen)
	f.credentials(path, cluster)
	f.pool(cluster)

	gone := f.Want(http.StatusAccepted, f.Do(http.MethodDelete, strings.ToLower(path)+"?underlyingResourceAction=delete", nil))
	f.operationAddress(gone)
	result := gone.Header.Get("Location")
	if r := f.Do(http.MethodGet, result, nil); r.Status != http.StatusAccepted || r.Header.Get("Location") != result || r.Text != "" {
		t.Errorf("while it is deleted %s answers %d %s", result, r.Status, r.Text)
	}
	twice := f.Want(http.StatusAccepted, f.Do(http.MethodDelete, path+"?underlyingResourceAction=Delete", nil))
	if twice.Header.Get("Azure-AsyncOperation") != gone.Header.Get("Azure-AsyncOperation") {
		t.Error("a delete that was asked twice has two operations")
	}
	f.Succeed(gone)
	f.Succeed(made)
	f.Want(http.StatusNoContent, f.Do(http.MethodGet, result, nil))
	f.Want(http.StatusNotFound, f.Do(http.MethodGet, path, nil))
	f.Want(http.StatusNotFound, f.Do(http.MethodGet, cluster, nil))
}

// operationAddress checks how the operation is announced: complete, on this host, and outside of the resource.
func (f *front) operationAddress(r *apptest.Response) {
	f.t.Helper()
	u, err := url.Parse(r.Header.Get("Azure-AsyncOperation"))
	if err != nil || !strings.HasPrefix(u.String(), f.Endpoint+"/subscriptions/"+f.SubscriptionID+"/providers/") || u.Query().Get("api-version") == "" || r.Header.Get("Retry-After") == "" {
		f.t.Errorf("the operation is announced by %v", r.Header)
	}
	if strings.Contains(u.Path, "workspaces") {
		f.t.Errorf("the operation goes with its resource: %s", u)
	}
}

// whileBusy: as long as a compute is being made, nothing else can be wished of it but to be gone.
func (f *front) whileBusy(path string) {
	f.t.Helper()
	r := f.Do(http.MethodPut, path, apptest.AKS(object{"agentCount": 2}))
	f.Refused(r, http.StatusConflict, "OperationNotAllowed", "Creating")
	if r.Header.Get("Retry-After") == "" {
		f.t.Error("busy, and no word about when to come again")
	}
	f.Refused(f.Do(http.MethodPatch, path, object{"tags": object{"a": "b"}}), http.StatusConflict, "OperationNotAllowed")
	f.Refused(f.Do(http.MethodPost, path+"/listKeys", nil), http.StatusConflict, "Conflict", "Creating")
	f.Refused(f.Do(http.MethodDelete, path, nil), http.StatusBadRequest, "InvalidRequestContent", "underlyingResourceAction=Delete")
	f.Refused(f.Do(http.MethodDelete, path+"?underlyingResourceAction=Burn", nil), http.StatusBadRequest, "InvalidRequestContent", "Delete or Detach")
}

// echoed: a PUT of what a GET answered changes nothing, as azureml-core's update sends it.
func (f *front) echoed(path string, seen object) {
	f.t.Helper()
	r := f.Want(http.StatusOK, f.Do(http.MethodPut, path, seen))
	f.equal(r.Body, "etag", seen["etag"])
	f.operationAddress(r)
	f.Succeed(r)
	inner := seen["properties"].(object)["properties"].(object)
	delete(inner, "sslConfiguration")
	delete(inner, "loadBalancerType")
	delete(inner, "loadBalancerSubnet")
	f.equal(f.Want(http.StatusOK, f.Do(http.MethodPut, path, seen)).Body, "etag", seen["etag"])
	patched := f.Want(http.StatusOK, f.Do(http.MethodPatch, path, object{"tags": object{"a": "b"}}))
	f.equal(patched.Body, "tags.a", "b")
	f.equal(patched.Body, "properties.provisioningState", "Succeeded")
}

func (f *front) credentials(compute, cluster string) {
	f.t.Helper()
	keys := f.Want(http.StatusOK, f.Do(http.MethodPost, compute+"/LISTKEYS", nil))
	f.equal(keys.Body, "computeType", "AKS")
	for _, key := range []string{"userKubeConfig", "adminKubeConfig", "imagePullSecretName"} {
		if _, there := keys.Body[key]; !there {
			f.t.Errorf("listKeys is without %s", key)
		}
	}
	if keys.Header.Get("Cache-Control") != "no-store" {
		f.t.Error("credentials may be cached")
	}
	for action, name := range map[string]string{"listClusterUserCredential": "clusterUser", "listClusterAdminCredential": "clusterAdmin"} {
		f.equal(f.Want(http.StatusOK, f.Do(http.MethodPost, cluster+"/"+action, nil)).Body, "kubeconfigs.0.name", name)
	}
	if text := string(f.ClusterKeys(cluster)); !strings.Contains(text, "client-key-data:") {
		f.t.Error("the administrator's kubeconfig has no key")
	}
}

func (f *front) pool(cluster string) {
	f.t.Helper()
	seen := f.get(cluster)
	f.equal(seen, "properties.servicePrincipalProfile.clientId", "msi") // az aks show dies without
	f.equal(f.get(cluster+"/agentPools"), "value.0.name", "agentpool")
	one := f.get(cluster + "/agentPools/AgentPool")
	f.equal(one, "properties.vmSize", "Standard_D3_v2")
	f.equal(one, "type", "Microsoft.ContainerService/managedClusters/agentPools")
	f.Refused(f.Do(http.MethodGet, cluster+"/agentPools/other", nil), http.StatusNotFound, "ResourceNotFound", "'other'")
	f.Refused(f.Do(http.MethodPut, cluster+"/agentPools/other", object{"properties": object{"count": 1}}), http.StatusBadRequest, "BadRequest", "secondary pools")
	f.Refused(f.Do(http.MethodPut, cluster+"/agentPools/agentpool", object{"properties": object{"count": "x"}}), http.StatusBadRequest, "InvalidRequestContent", "properties.count")
	f.Refused(f.Do(http.MethodPut, cluster+"/agentPools/agentpool", object{"properties": object{"vmSize": "Standard_D4_v2"}}), http.StatusBadRequest, "ResourceExistsWithDifferentShape", "Standard_D3_v2")
	f.Refused(f.Do(http.MethodDelete, cluster+"/agentPools/agentpool", nil), http.StatusConflict, "Conflict", "only pool")
	f.Refused(f.Do(http.MethodPatch, cluster+"/agentPools/agentpool", object{}), http.StatusMethodNotAllowed, "MethodNotAllowed")
	f.equal(f.get(cluster+"/upgradeProfiles/default"), "properties.controlPlaneProfile.kubernetesVersion", "1.36.0")
	f.equal(f.get(cluster+"/upgradeProfiles/default"), "properties.agentPoolProfiles.0.name", "agentpool")
}
