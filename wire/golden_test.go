package wire_test

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"berth.dev/berth"
	"berth.dev/berth/wire"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares an answer with a file. A difference is a change on the wire: review it before -update.
func golden(t *testing.T, name string, v any) {
	t.Helper()
	got, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	path := filepath.Join("testdata", name+".json")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("%s has changed; review it, then go test ./wire -update. It is now:\n%s", path, got)
	}
}

const sub = "0b1f6471-1bf0-4dda-aec3-cb9272f09590"

var (
	at        = time.Date(2026, 3, 1, 9, 0, 0, 123456789, time.UTC)
	workspace = berth.NewID(sub, "Team-RG", berth.TypeWorkspace, "Vision")
	cluster   = berth.NewID(sub, "Team-RG", berth.TypeCluster, "aks")
)

func resource(id berth.ID, state berth.State, body berth.Body) *berth.Resource {
	return &berth.Resource{
		ID: id, Location: "westeurope", Tags: map[string]string{"Env": "test"}, State: state, Generation: 31, Body: body, OperationID: "op",
		CreatedAt: at, ModifiedAt: at.Add(time.Minute), CreatedBy: "ann", ModifiedBy: "bob",
	}
}

func sample() *berth.Compute {
	return &berth.Compute{
		Spec: berth.ComputeSpec{
			Type: berth.ComputeAKS, Description: "for scoring", Location: "westeurope", ClusterID: cluster, AgentCount: 3,
			VMSize: "Standard_D3_v2", Purpose: berth.FastProd, LoadBalancerType: "InternalLoadBalancer", LoadBalancerNet: "aks-subnet",
			Network: &berth.NetworkSpec{SubnetID: "/subscriptions/s/subnets/a", ServiceCIDR: "10.0.0.0/16", DNSServiceIP: "10.0.0.10",
				DockerBridgeCIDR: "172.17.0.1/16"},
			SSL: &berth.SSLSpec{Status: "Enabled", CNAME: "scoring.example", Certificate: "PEM"},
		},
		Status: berth.ComputeStatus{ClusterFQDN: "aks-1.berth.internal", Nodes: 3, VMSize: "Standard_D3_v2", VCPUs: 12,
			Message: "not shown once settled"},
	}
}

func TestComputeGolden(t *testing.T) {
	id := workspace.Child("computes", "Gpu")
	golden(t, "compute-created", wire.Compute(resource(id, berth.StateSucceeded, sample()), 0, "tenant"))

	bare := resource(id, berth.StateCreating, &berth.Compute{
		Spec: berth.ComputeSpec{Type: berth.ComputeAKS, Attached: true, ClusterID: cluster, Purpose: berth.DevTest,
			LoadBalancerType: "PublicIp"},
		Status: berth.ComputeStatus{Message: "waiting for the cluster"},
	})
	bare.Tags = nil
	golden(t, "compute-attaching", wire.Compute(bare, 0, "tenant"))

	failed := resource(id, berth.StateFailed, &berth.Compute{
		Spec: berth.ComputeSpec{Type: berth.ComputeAKS, Attached: true, ClusterID: cluster, Purpose: berth.FastProd,
			LoadBalancerType: "PublicIp"},
		Status: berth.ComputeStatus{Nodes: 1, VMSize: "Standard_D3_v2"},
	})
	failed.Fault = &berth.Error{Code: berth.CodeBadRequest, Message: "Too small.",
		Details: []berth.Error{{Code: berth.CodeBadRequest, Message: "4 vCPUs.", Target: "properties"}}}
	golden(t, "compute-failed", wire.Compute(failed, 409, "tenant"))

	golden(t, "compute-kubernetes", wire.Compute(resource(id, berth.StateSucceeded, &berth.Compute{
		Spec: berth.ComputeSpec{Type: berth.ComputeKubernetes, Attached: true, ClusterID: cluster, Namespace: "ml", Location: "westeurope"},
	}), 0, "tenant"))
	golden(t, "compute-keys", wire.ComputeKeys([]byte("user"), []byte("admin")))
}

func TestClusterGolden(t *testing.T) {
	pool := berth.NodePool{Name: "agentpool", Count: 3, VMSize: "Standard_D3_v2", Mode: "System", OSType: "Linux", MaxPods: 110}
	c := &berth.Cluster{
		Spec: berth.ClusterSpec{Version: "1.36.0", DNSPrefix: "aks", Pools: []berth.NodePool{pool}, OwnedBy: workspace.Child("computes", "Gpu"),
			Kept: berth.Kept{Profile: map[string]any{"linuxProfile": map[string]any{"adminUsername": "azureuser"}, "nodeResourceGroup": "mine"}}},
		Status: berth.ClusterStatus{FQDN: "aks-1.berth.internal", Endpoint: "https://127.0.0.1:40001", Version: "1.36.0", ReadyNodes: 3,
			Simulated: true},
	}
	golden(t, "cluster", wire.Cluster(resource(cluster, berth.StateSucceeded, c), "tenant"))
	golden(t, "nodepool", wire.NodePool(resource(cluster, berth.StateSucceeded, c), pool))
	golden(t, "upgrade-profile", wire.UpgradeProfile(resource(cluster, berth.StateSucceeded, c)))
	starting := &berth.Cluster{Spec: berth.ClusterSpec{Version: "1.36.0", DNSPrefix: "aks", Pools: []berth.NodePool{pool}},
		Status: berth.ClusterStatus{Message: "0 of 3 nodes are ready"}}
	golden(t, "cluster-creating", wire.Cluster(resource(cluster, berth.StateCreating, starting), "tenant"))
	golden(t, "kubeconfigs", wire.Kubeconfigs("clusterUser", []byte("kubeconfig")))
	golden(t, "orchestrators", wire.Orchestrators("/subscriptions/s/orchestrators"))
	golden(t, "kubernetes-versions", wire.KubernetesVersions())
}

func TestContainerGolden(t *testing.T) {
	golden(t, "group", wire.Group(resource(berth.GroupID(sub, "Team-RG"), berth.StateSucceeded, &berth.Group{ManagedBy: "somebody"})))
	golden(t, "generic", wire.Generic(resource(workspace, berth.StateSucceeded, &berth.Workspace{})))
	golden(t, "workspace", wire.Workspace(resource(workspace, berth.StateSucceeded, &berth.Workspace{
		WorkspaceID: "1c9c1a29-8abd-4e06-9e2e-c0e4a42d1f5a", FriendlyName: "Eyes", Description: "sees",
		KeyVault: "/vault", StorageAccount: "/storage", ApplicationInsights: "/insights", ContainerRegistry: "/registry",
		SKU: "Enterprise", OlderIdentity: "SystemAssigned", PrincipalID: "2c9c1a29-8abd-4e06-9e2e-c0e4a42d1f5a",
	}), "https://berth.example", "tenant"))
	golden(t, "workspace-bare", wire.Workspace(resource(workspace, berth.StateSucceeded,
		&berth.Workspace{WorkspaceID: "1c9c1a29-8abd-4e06-9e2e-c0e4a42d1f5a"}), "https://berth.example", "tenant"))
}

func TestOperationGolden(t *testing.T) {
	op := &berth.Operation{ID: "op", ResourceID: cluster, Verb: berth.VerbCreate, Location: "westeurope", State: berth.StateAccepted,
		Message: "starting", StartedAt: at}
	golden(t, "operation-running", wire.Operation(op, "/operations/op", 0))
	op.State, op.Message = berth.StateSucceeded, ""
	op.EndedAt, op.Notes = at.Add(time.Minute), []string{"The namespace was kept."}
	golden(t, "operation-succeeded", wire.Operation(op, "/operations/op", 0))
	op.State, op.Err = berth.StateFailed, &berth.Error{Code: berth.CodeBadRequest, Message: "Too small.", Target: "properties",
		Details: []berth.Error{{Code: berth.CodeBadRequest, Message: "4 vCPUs."}}}
	golden(t, "operation-failed", wire.Operation(op, "/operations/op", 400))
}
