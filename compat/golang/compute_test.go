// Package golang is the Azure SDK for Go against Berth. It is a module of its own, so that the product does not depend on it.
package golang

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/containerservice/armcontainerservice/v6"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/machinelearning/armmachinelearning/v4"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resources/armresources"
)

const group, workspace = "myresourcegroup", "myworkspace"

// azure is what a Go program of a user has: the cloud, a credential, and the clients.
type azure struct {
	groups     *armresources.ResourceGroupsClient
	workspaces *armmachinelearning.WorkspacesClient
	computes   *armmachinelearning.ComputeClient
	clusters   *armcontainerservice.ManagedClustersClient
	pools      *armcontainerservice.AgentPoolsClient

	environments *armmachinelearning.EnvironmentVersionsClient
	datastores   *armmachinelearning.DatastoresClient
}

func options() azcore.ClientOptions {
	at := os.Getenv("AZURE_AUTHORITY_HOST")
	return azcore.ClientOptions{Cloud: cloud.Configuration{ActiveDirectoryAuthorityHost: at,
		Services: map[cloud.ServiceName]cloud.ServiceConfiguration{
			cloud.ResourceManager: {Endpoint: at, Audience: at},
		}}}
}

func sign(t *testing.T, secret string) *azidentity.ClientSecretCredential {
	t.Helper()
	c, err := azidentity.NewClientSecretCredential(os.Getenv("AZURE_TENANT_ID"), os.Getenv("AZURE_CLIENT_ID"), secret,
		&azidentity.ClientSecretCredentialOptions{ClientOptions: options(), DisableInstanceDiscovery: true})
	must(t, err)
	return c
}

func newAzure(t *testing.T) *azure {
	t.Helper()
	cred := sign(t, os.Getenv("AZURE_CLIENT_SECRET"))
	sub := os.Getenv("AZURE_SUBSCRIPTION_ID")
	o := &arm.ClientOptions{ClientOptions: options()}
	var a azure
	var errs [7]error
	a.groups, errs[0] = armresources.NewResourceGroupsClient(sub, cred, o)
	a.workspaces, errs[1] = armmachinelearning.NewWorkspacesClient(sub, cred, o)
	a.computes, errs[2] = armmachinelearning.NewComputeClient(sub, cred, o)
	a.clusters, errs[3] = armcontainerservice.NewManagedClustersClient(sub, cred, o)
	a.pools, errs[4] = armcontainerservice.NewAgentPoolsClient(sub, cred, o)
	a.environments, errs[5] = armmachinelearning.NewEnvironmentVersionsClient(sub, cred, o)
	a.datastores, errs[6] = armmachinelearning.NewDatastoresClient(sub, cred, o)
	must(t, errors.Join(errs[:]...))
	return &a
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// operation is one test, and a row in docs/compatibility.md.
func operation(t *testing.T, name string, f func(t *testing.T, ctx context.Context)) {
	t.Helper()
	start := time.Now()
	ok := t.Run(name, func(t *testing.T) { f(t, t.Context()) })
	line, err := json.Marshal(map[string]any{"operation": name, "ok": ok, "seconds": time.Since(start).Seconds()})
	must(t, err)
	file, err := os.OpenFile(os.Getenv("COMPAT_REPORT"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	must(t, err)
	_, err = file.Write(append(line, '\n'))
	must(t, errors.Join(err, file.Close()))
}

// wait follows an operation as the SDK does, with its own rhythm from Retry-After.
func wait[T any](t *testing.T, p *runtime.Poller[T], err error) T {
	t.Helper()
	must(t, err)
	out, err := p.PollUntilDone(t.Context(), nil)
	must(t, err)
	return out
}

func status(err error) int {
	if e, ok := errors.AsType[*azcore.ResponseError](err); ok {
		return e.StatusCode
	}
	return 0
}

func TestGo(t *testing.T) {
	a := newAzure(t)
	operation(t, "resource groups and workspaces: CreateOrUpdate, Get, CheckExistence", a.containers)
	operation(t, "EnvironmentVersionsClient: CreateOrUpdate, Get, list, Delete; DatastoresClient.ListSecrets", a.assets)
	operation(t, "ComputeClient.BeginCreateOrUpdate (AKS): create; Get, list, ListKeys", a.create)
	operation(t, "ComputeClient.BeginCreateOrUpdate (AKS): scale", a.scale)
	operation(t, "ComputeClient.BeginDelete (Delete)", a.remove)
	operation(t, "ManagedClustersClient: BeginCreateOrUpdate, Get, list, versions, credentials: kubectl works with them", a.cluster)
	operation(t, "AgentPoolsClient: list, Get, BeginCreateOrUpdate (scale)", a.pool)
	operation(t, "ComputeClient.BeginCreateOrUpdate (AKS): attach; a second attach is refused; BeginDelete (Detach)", a.attach)
	operation(t, "ManagedClustersClient.BeginDelete", a.removeCluster)
	s := newServing(t, a)
	operation(t, "OnlineEndpointsClient: BeginCreateOrUpdate on real nodes, list, ListKeys", s.edge)
	operation(t, "CodeVersionsClient: CreateOrGetStartPendingUpload, CreateOrUpdate; the file by its SAS", s.assets)
	operation(t, "OnlineDeploymentsClient.BeginCreateOrUpdate: traffic, a score, GetLogs", s.deploy)
	operation(t, "DeploymentsClient.BeginCreateOrUpdate: a template with a deployment of the endpoint, scored", s.template)
	operation(t, "OnlineEndpointsClient.BeginDelete with its deployments", s.removeEndpoint)
	operation(t, "ClientCertificateCredential: a sign-in with a certificate", byCertificate)
	operation(t, "reports a wrong secret", func(t *testing.T, ctx context.Context) {
		_, err := sign(t, "not-the-secret").GetToken(ctx,
			policy.TokenRequestOptions{Scopes: []string{os.Getenv("AZURE_AUTHORITY_HOST") + "/.default"}})
		if err == nil || !strings.Contains(err.Error(), "AADSTS7000215") {
			t.Errorf("%v", err)
		}
	})
}

func (a *azure) containers(t *testing.T, ctx context.Context) {
	_, err := a.groups.CreateOrUpdate(ctx, group, armresources.ResourceGroup{Location: to.Ptr("westus")}, nil)
	must(t, err)
	there, err := a.groups.CheckExistence(ctx, group, nil)
	must(t, err)
	p, err := a.workspaces.BeginCreateOrUpdate(ctx, group, workspace, armmachinelearning.Workspace{Location: to.Ptr("westus")}, nil)
	wait(t, p, err)
	got, err := a.workspaces.Get(ctx, group, workspace, nil)
	must(t, err)
	if !there.Success || *got.Location != "westus" {
		t.Errorf("%v %+v", there, got)
	}
}

func (a *azure) put(t *testing.T, name string, aks *armmachinelearning.AKS) armmachinelearning.ComputeClientCreateOrUpdateResponse {
	t.Helper()
	p, err := a.computes.BeginCreateOrUpdate(t.Context(), group, workspace, name,
		armmachinelearning.ComputeResource{Location: to.Ptr("westus"), Properties: aks}, nil)
	return wait(t, p, err)
}

func devTest(count int32) *armmachinelearning.AKS {
	return &armmachinelearning.AKS{ComputeType: to.Ptr(armmachinelearning.ComputeTypeAKS), Properties: &armmachinelearning.AKSSchemaProperties{
		AgentCount: to.Ptr(count), AgentVMSize: to.Ptr("Standard_D3_v2"), ClusterPurpose: to.Ptr(armmachinelearning.ClusterPurposeDevTest)}}
}

func (a *azure) create(t *testing.T, ctx context.Context) {
	made := a.put(t, "made", devTest(1))
	if s := made.Properties.GetCompute().ProvisioningState; *s != armmachinelearning.ProvisioningStateSucceeded {
		t.Errorf("state %s", *s)
	}
	got, err := a.computes.Get(ctx, group, workspace, "made", nil)
	must(t, err)
	if n := *got.Properties.(*armmachinelearning.AKS).Properties.AgentCount; n != 1 {
		t.Errorf("%d nodes", n)
	}
	page, err := a.computes.NewListPager(group, workspace, nil).NextPage(ctx)
	must(t, err)
	keys, err := a.computes.ListKeys(ctx, group, workspace, "made", nil)
	must(t, err)
	if secrets := keys.ComputeSecretsClassification.(*armmachinelearning.AksComputeSecrets); len(page.Value) != 1 ||
		!strings.Contains(*secrets.AdminKubeConfig, "client-key-data") {
		t.Errorf("%d computes", len(page.Value))
	}
}

func (a *azure) scale(t *testing.T, _ context.Context) {
	if n := *a.put(t, "made", devTest(2)).Properties.(*armmachinelearning.AKS).Properties.AgentCount; n != 2 {
		t.Errorf("%d nodes", n)
	}
}

func (a *azure) remove(t *testing.T, ctx context.Context) {
	p, err := a.computes.BeginDelete(ctx, group, workspace, "made", armmachinelearning.UnderlyingResourceActionDelete, nil)
	wait(t, p, err)
	if _, err := a.computes.Get(ctx, group, workspace, "made", nil); status(err) != http.StatusNotFound {
		t.Errorf("%v", err)
	}
}

func (a *azure) cluster(t *testing.T, ctx context.Context) {
	p, err := a.clusters.BeginCreateOrUpdate(ctx, group, "mine",
		armcontainerservice.ManagedCluster{Location: to.Ptr("westus"), Properties: &armcontainerservice.ManagedClusterProperties{
			DNSPrefix: to.Ptr("mine"), AgentPoolProfiles: []*armcontainerservice.ManagedClusterAgentPoolProfile{{
				Name: to.Ptr("nodepool1"), Count: to.Ptr[int32](1), VMSize: to.Ptr("Standard_D3_v2"),
				Mode: to.Ptr(armcontainerservice.AgentPoolModeSystem)}},
		}}, nil)
	if made := wait(t, p, err); *made.Properties.ProvisioningState != "Succeeded" {
		t.Errorf("state %s", *made.Properties.ProvisioningState)
	}
	page, err := a.clusters.NewListPager(nil).NextPage(ctx)
	must(t, err)
	user, err := a.clusters.ListClusterUserCredentials(ctx, group, "mine", nil)
	must(t, err)
	admin, err := a.clusters.ListClusterAdminCredentials(ctx, group, "mine", nil)
	must(t, err)
	versions, err := a.clusters.ListKubernetesVersions(ctx, "westus", nil)
	must(t, err)
	if len(page.Value) != 1 || len(user.Kubeconfigs) != 1 || len(admin.Kubeconfigs) != 1 || len(versions.Values) < 3 {
		t.Errorf("%d clusters, %d and %d credentials, %d versions", len(page.Value), len(user.Kubeconfigs),
			len(admin.Kubeconfigs), len(versions.Values))
	}
	for _, config := range [][]byte{user.Kubeconfigs[0].Value, admin.Kubeconfigs[0].Value} {
		file := filepath.Join(t.TempDir(), "config")
		must(t, os.WriteFile(file, config, 0o600))
		out, err := exec.Command("kubectl", "--kubeconfig", file, "get", "nodes", "-o", "name").CombinedOutput()
		if err != nil || strings.Count(string(out), "node/") != 1 {
			t.Errorf("kubectl: %v\n%s", err, out)
		}
	}
}

func (a *azure) pool(t *testing.T, ctx context.Context) {
	page, err := a.pools.NewListPager(group, "mine", nil).NextPage(ctx)
	must(t, err)
	if !slices.Equal([]string{*page.Value[0].Name}, []string{"nodepool1"}) {
		t.Errorf("%v", *page.Value[0].Name)
	}
	pool, err := a.pools.Get(ctx, group, "mine", "nodepool1", nil)
	must(t, err)
	pool.Properties.Count = to.Ptr[int32](3)
	p, err := a.pools.BeginCreateOrUpdate(ctx, group, "mine", "nodepool1", pool.AgentPool, nil)
	if now := wait(t, p, err); *now.Properties.Count != 3 {
		t.Errorf("%d nodes", *now.Properties.Count)
	}
}

func (a *azure) attach(t *testing.T, ctx context.Context) {
	cluster, err := a.clusters.Get(ctx, group, "mine", nil)
	must(t, err)
	attach := func() *armmachinelearning.AKS {
		return &armmachinelearning.AKS{ComputeType: to.Ptr(armmachinelearning.ComputeTypeAKS), ResourceID: cluster.ID}
	}
	if made := a.put(t, "attached", attach()); !*made.Properties.GetCompute().IsAttachedCompute {
		t.Error("it does not say that it is attached")
	}
	_, err = a.computes.BeginCreateOrUpdate(ctx, group, workspace, "again",
		armmachinelearning.ComputeResource{Location: to.Ptr("westus"), Properties: attach()}, nil)
	if status(err) != http.StatusConflict || !strings.Contains(err.Error(), "already attached") {
		t.Errorf("%v", err)
	}
	p, err := a.computes.BeginDelete(ctx, group, workspace, "attached", armmachinelearning.UnderlyingResourceActionDetach, nil)
	wait(t, p, err)
}

func (a *azure) removeCluster(t *testing.T, ctx context.Context) {
	p, err := a.clusters.BeginDelete(ctx, group, "mine", nil)
	wait(t, p, err)
	if _, err := a.clusters.Get(ctx, group, "mine", nil); status(err) != http.StatusNotFound {
		t.Errorf("%v", err)
	}
}

func byCertificate(t *testing.T, ctx context.Context) {
	create := exec.Command("berth", "ad", "sp", "create-for-rbac", "-n", "by-certificate", "--create-cert")
	create.Dir = t.TempDir()
	out, err := create.Output()
	must(t, err)
	var made struct{ AppID, FileWithCertAndPrivateKey string }
	must(t, json.Unmarshal(out, &made))
	data, err := os.ReadFile(made.FileWithCertAndPrivateKey)
	must(t, err)
	certs, key, err := azidentity.ParseCertificates(data, nil)
	must(t, err)
	c, err := azidentity.NewClientCertificateCredential(os.Getenv("AZURE_TENANT_ID"), made.AppID, certs, key,
		&azidentity.ClientCertificateCredentialOptions{ClientOptions: options(), DisableInstanceDiscovery: true})
	must(t, err)
	_, err = c.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{os.Getenv("AZURE_AUTHORITY_HOST") + "/.default"}})
	must(t, err)
}
