package golang

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/containerservice/armcontainerservice/v6"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/machinelearning/armmachinelearning/v4"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resources/armresources"
)

// script answers with the name of its deployment.
const script = `import os

def init(): pass

def run(data): return os.environ["COLOUR"]
`

// serving are the clients of models, and what the tests below have made so far.
type serving struct {
	*azure
	codes       *armmachinelearning.CodeVersionsClient
	endpoints   *armmachinelearning.OnlineEndpointsClient
	deployments *armmachinelearning.OnlineDeploymentsClient
	templates   *armresources.DeploymentsClient

	code, environment *string
	key               string
}

func newServing(t *testing.T, a *azure) *serving {
	t.Helper()
	cred, sub := sign(t, os.Getenv("AZURE_CLIENT_SECRET")), os.Getenv("AZURE_SUBSCRIPTION_ID")
	o := &arm.ClientOptions{ClientOptions: options()}
	s := &serving{azure: a}
	var errs [4]error
	s.codes, errs[0] = armmachinelearning.NewCodeVersionsClient(sub, cred, o)
	s.endpoints, errs[1] = armmachinelearning.NewOnlineEndpointsClient(sub, cred, o)
	s.deployments, errs[2] = armmachinelearning.NewOnlineDeploymentsClient(sub, cred, o)
	s.templates, errs[3] = armresources.NewDeploymentsClient(sub, cred, o)
	must(t, errors.Join(errs[:]...))
	return s
}

// edge is a cluster whose node runs containers, attached as a KubernetesCompute, with an endpoint on it.
func (s *serving) edge(t *testing.T, ctx context.Context) {
	out, err := exec.Command("berth", "image", "build").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	p, err := s.clusters.BeginCreateOrUpdate(ctx, group, "edge", armcontainerservice.ManagedCluster{
		Location: to.Ptr("westus"), Tags: map[string]*string{"berth.dev/nodes": to.Ptr("real")},
		Properties: &armcontainerservice.ManagedClusterProperties{DNSPrefix: to.Ptr("edge"),
			AgentPoolProfiles: []*armcontainerservice.ManagedClusterAgentPoolProfile{{Name: to.Ptr("nodepool1"), Count: to.Ptr[int32](1),
				VMSize: to.Ptr("Standard_D3_v2"), Mode: to.Ptr(armcontainerservice.AgentPoolModeSystem)}}},
	}, nil)
	cluster := wait(t, p, err)
	made, err := s.computes.BeginCreateOrUpdate(ctx, group, workspace, "edge", armmachinelearning.ComputeResource{Location: to.Ptr("westus"),
		Properties: &armmachinelearning.Kubernetes{ComputeType: to.Ptr(armmachinelearning.ComputeTypeKubernetes), ResourceID: cluster.ID,
			Properties: &armmachinelearning.KubernetesProperties{Namespace: to.Ptr("ml")}}}, nil)
	compute := wait(t, made, err)
	e, err := s.endpoints.BeginCreateOrUpdate(ctx, group, workspace, "colours", armmachinelearning.OnlineEndpoint{Location: to.Ptr("westus"),
		Properties: &armmachinelearning.OnlineEndpointProperties{AuthMode: to.Ptr(armmachinelearning.EndpointAuthModeKey), Compute: compute.ID,
			Description: to.Ptr("by Go")}}, nil)
	if endpoint := wait(t, e, err); *endpoint.Properties.ProvisioningState != "Succeeded" {
		t.Errorf("%+v", *endpoint.Properties)
	}
	page, err := s.endpoints.NewListPager(group, workspace, nil).NextPage(ctx)
	must(t, err)
	if len(page.Value) != 1 || *page.Value[0].Name != "colours" {
		t.Errorf("%d endpoints", len(page.Value))
	}
	keys, err := s.endpoints.ListKeys(ctx, group, workspace, "colours", nil)
	must(t, err)
	s.key = *keys.PrimaryKey
}

// assets uploads the script, and registers it and its environment.
func (s *serving) assets(t *testing.T, ctx context.Context) {
	pending, err := s.codes.CreateOrGetStartPendingUpload(ctx, group, workspace, "colour", "1", armmachinelearning.PendingUploadRequestDto{
		PendingUploadType: to.Ptr(armmachinelearning.PendingUploadTypeTemporaryBlobReference)}, nil)
	must(t, err)
	reference := pending.BlobReferenceForConsumption
	at, err := url.Parse(*reference.Credential.(*armmachinelearning.SASCredentialDto).SasURI)
	must(t, err)
	at.Path += "/score.py"
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, at.String(), strings.NewReader(script))
	must(t, err)
	req.Header.Set("x-ms-blob-type", "BlockBlob")
	answer, err := named(t).Do(req)
	must(t, err)
	must(t, answer.Body.Close())
	if answer.StatusCode != http.StatusCreated {
		t.Fatal(answer.Status)
	}
	code, err := s.codes.CreateOrUpdate(ctx, group, workspace, "colour", "1", armmachinelearning.CodeVersion{
		Properties: &armmachinelearning.CodeVersionProperties{CodeURI: reference.BlobURI}}, nil)
	must(t, err)
	environment, err := s.environments.CreateOrUpdate(ctx, group, workspace, "plain", "1", armmachinelearning.EnvironmentVersion{
		Properties: &armmachinelearning.EnvironmentVersionProperties{
			Image:     to.Ptr("mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04"),
			CondaFile: to.Ptr("dependencies: [python=3.11, {pip: [azureml-inference-server-http]}]")}}, nil)
	must(t, err)
	s.code, s.environment = code.ID, environment.ID
}

// named is a client that finds every name at the server's address, as with a line in the hosts file.
func named(t *testing.T) *http.Client {
	t.Helper()
	server, err := url.Parse(os.Getenv("AZURE_AUTHORITY_HOST"))
	must(t, err)
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, server.Host)
	}
	transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	return &http.Client{Transport: transport}
}

// deploy makes the deployment "blue", moves the traffic to it, scores it, and reads its log.
func (s *serving) deploy(t *testing.T, ctx context.Context) {
	p, err := s.deployments.BeginCreateOrUpdate(ctx, group, workspace, "colours", "blue", armmachinelearning.OnlineDeployment{
		Location: to.Ptr("westus"), SKU: &armmachinelearning.SKU{Name: to.Ptr("Default"), Capacity: to.Ptr[int32](1)},
		Properties: &armmachinelearning.KubernetesOnlineDeployment{
			EndpointComputeType: to.Ptr(armmachinelearning.EndpointComputeTypeKubernetes), EnvironmentID: s.environment,
			CodeConfiguration:    &armmachinelearning.CodeConfiguration{CodeID: s.code, ScoringScript: to.Ptr("score.py")},
			EnvironmentVariables: map[string]*string{"COLOUR": to.Ptr("blue")},
			ContainerResourceRequirements: &armmachinelearning.ContainerResourceRequirements{
				ContainerResourceRequests: &armmachinelearning.ContainerResourceSettings{CPU: to.Ptr("0.1"), Memory: to.Ptr("0.5Gi")}},
		}}, nil)
	if made := wait(t, p, err); *made.Properties.GetOnlineDeploymentProperties().ProvisioningState != "Succeeded" {
		t.Errorf("%+v", made.Properties)
	}
	got, err := s.endpoints.Get(ctx, group, workspace, "colours", nil)
	must(t, err)
	got.Properties.Traffic = map[string]*int32{"blue": to.Ptr[int32](100)}
	moved, err := s.endpoints.BeginCreateOrUpdate(ctx, group, workspace, "colours", got.OnlineEndpoint, nil)
	wait(t, moved, err)
	if answer := s.score(t, ctx, *got.Properties.ScoringURI, ""); answer != `"blue"` {
		t.Errorf("it answers %s", answer)
	}
	logs, err := s.deployments.GetLogs(ctx, group, workspace, "colours", "blue",
		armmachinelearning.DeploymentLogsRequest{ContainerType: to.Ptr(armmachinelearning.ContainerTypeInferenceServer),
			Tail: to.Ptr[int32](50)}, nil)
	must(t, err)
	if !strings.Contains(*logs.Content, "score") {
		t.Errorf("the log is %q", *logs.Content)
	}
}

// score asks the endpoint, or one of its deployments.
func (s *serving) score(t *testing.T, ctx context.Context, at, deployment string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, at, strings.NewReader("{}"))
	must(t, err)
	req.Header.Set("Authorization", "Bearer "+s.key)
	if deployment != "" {
		req.Header.Set("azureml-model-deployment", deployment)
	}
	answer, err := http.DefaultClient.Do(req)
	must(t, err)
	text, err := io.ReadAll(answer.Body)
	must(t, errors.Join(err, answer.Body.Close()))
	if answer.StatusCode != http.StatusOK {
		t.Errorf("%s: %s", answer.Status, text)
	}
	return string(text)
}

// template makes a second deployment of the endpoint by a template.
func (s *serving) template(t *testing.T, ctx context.Context) {
	const api, ml = "2024-04-01", "Microsoft.MachineLearningServices/workspaces"
	p, err := s.templates.BeginCreateOrUpdate(ctx, group, "green", armresources.Deployment{Properties: &armresources.DeploymentProperties{
		Mode:       to.Ptr(armresources.DeploymentModeIncremental),
		Parameters: map[string]any{"code": map[string]any{"value": *s.code}, "environment": map[string]any{"value": *s.environment}},
		Template: map[string]any{
			"$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#", "contentVersion": "1.0.0.0",
			"parameters": map[string]any{"code": map[string]any{"type": "string"}, "environment": map[string]any{"type": "string"}},
			"resources": []any{map[string]any{"type": ml + "/onlineEndpoints/deployments", "apiVersion": api, "location": "westus",
				"name": "[concat('" + workspace + "', '/colours/green')]", "sku": map[string]any{"name": "Default", "capacity": 1},
				"properties": map[string]any{"endpointComputeType": "Kubernetes", "environmentId": "[parameters('environment')]",
					"codeConfiguration":    map[string]any{"codeId": "[parameters('code')]", "scoringScript": "score.py"},
					"environmentVariables": map[string]any{"COLOUR": "green"},
					"containerResourceRequirements": map[string]any{
						"containerResourceRequests": map[string]any{"cpu": "0.1", "memory": "0.5Gi"}}},
			}},
			"outputs": map[string]any{"at": map[string]any{"type": "string", "value": "[reference(resourceId('" + ml + "/onlineEndpoints', '" +
				workspace + "', 'colours'), '" + api + "').scoringUri]"}},
		}}}, nil)
	made := wait(t, p, err)
	at := made.Properties.Outputs.(map[string]any)["at"].(map[string]any)["value"].(string)
	if answer := s.score(t, ctx, at, "green"); answer != `"green"` {
		t.Errorf("it answers %s", answer)
	}
	names := map[string]bool{}
	for pager := s.deployments.NewListPager(group, workspace, "colours", nil); pager.More(); {
		page, err := pager.NextPage(ctx)
		must(t, err)
		for _, d := range page.Value {
			names[*d.Name] = true
		}
	}
	if len(names) != 2 || !names["blue"] || !names["green"] {
		t.Errorf("%v", names)
	}
}

// removeEndpoint deletes the endpoint with its deployments, and the cluster.
func (s *serving) removeEndpoint(t *testing.T, ctx context.Context) {
	p, err := s.endpoints.BeginDelete(ctx, group, workspace, "colours", nil)
	wait(t, p, err)
	if _, err := s.deployments.Get(ctx, group, workspace, "colours", "blue", nil); status(err) != http.StatusNotFound {
		t.Errorf("%v", err)
	}
	detached, err := s.computes.BeginDelete(ctx, group, workspace, "edge", armmachinelearning.UnderlyingResourceActionDetach, nil)
	wait(t, detached, err)
	deleted, err := s.clusters.BeginDelete(ctx, group, "edge", nil)
	wait(t, deleted, err)
}
