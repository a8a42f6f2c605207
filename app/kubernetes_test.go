package app_test

import (
	"context"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"berth.dev/berth/app/apptest"
	"berth.dev/berth/kube"
)

const size = "Standard_D3_v2" // 4 vCPUs

// site is a server with a workspace, in which each test has clusters of its own.
type site struct {
	*apptest.Server
	t         *testing.T
	ctx       context.Context
	workspace string
}

func (s *site) as(t *testing.T) *site {
	t.Parallel()
	other := *s
	other.t, other.ctx, other.Server = t, t.Context(), s.Server.As(t)
	return &other
}

func (s *site) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) compute(name string) string { return s.workspace + "/computes/" + name }

func (s *site) put(path string, body any) apptest.Object {
	s.t.Helper()
	return s.Succeed(s.Do(http.MethodPut, path, body))
}

func (s *site) get(path string) apptest.Object {
	s.t.Helper()
	return s.Want(http.StatusOK, s.Do(http.MethodGet, path, nil)).Body
}

func (s *site) equal(body any, path string, want any) {
	s.t.Helper()
	if got := apptest.At(body, path); got != want {
		s.t.Errorf("%s is %v, want %v", path, got, want)
	}
}

// inside connects to a cluster with credentials that the front door gave out.
func (s *site) inside(config []byte) *kube.Conn {
	s.t.Helper()
	conn, err := kube.Connect(config, kube.Options{})
	s.must(err)
	s.t.Cleanup(conn.Close)
	return conn
}

// nodes wants so many nodes, all ready and telling that they are simulated.
func (s *site) nodes(conn *kube.Conn, want int) {
	s.t.Helper()
	nodes, err := conn.Nodes(s.ctx)
	s.must(err)
	if len(nodes) != want {
		s.t.Errorf("there are %d nodes, want %d", len(nodes), want)
	}
	for _, n := range nodes {
		if !n.Ready || !n.Simulated || n.InstanceType != size || n.VCPUs != 4 || !strings.HasPrefix(n.Name, "aks-") {
			s.t.Errorf("a node is %+v", n)
		}
	}
}

// TestKubernetes is what Berth does inside real clusters, asked through the front door and seen in the clusters.
func TestKubernetes(t *testing.T) {
	s := &site{Server: apptest.New(t), t: t, ctx: t.Context()}
	s.workspace = s.MakeWorkspace(jobGroup, jobWorkspace)
	t.Run("all", func(t *testing.T) {
		t.Run("scale", func(t *testing.T) { scale(s.as(t)) })
		t.Run("attach", func(t *testing.T) { attach(s.as(t)) })
		t.Run("supersede", func(t *testing.T) { supersede(s.as(t)) })
	})
	noSecrets(s)
	s.Succeed(s.Do(http.MethodDelete, s.Group(jobGroup), nil))
	if left := apptest.ClusterFolders(t, s.Dir); len(left) != 0 {
		t.Errorf("after the group was deleted there are the folders %v", left)
	}
	if left := apptest.KubeProcesses(t, s.Dir); len(left) != 0 {
		t.Errorf("after the group was deleted there are the processes %v", left)
	}
}

// scale changes the number of nodes by each of the three ways there are, and nothing else by any.
func scale(s *site) {
	path := s.compute("scaled")
	s.put(path, apptest.AKS(apptest.Object{"agentCount": 3}))
	cluster := apptest.At(s.get(path), "properties.resourceId").(string)
	conn := s.inside(s.Keys(path))
	s.nodes(conn, 3)

	whole := s.get(cluster) // as az aks scale does it
	whole["properties"].(apptest.Object)["agentPoolProfiles"].([]any)[0].(apptest.Object)["count"] = 4
	s.put(cluster, whole)
	s.nodes(conn, 4)
	s.equal(s.get(path), "properties.properties.agentCount", 4.0)
	s.put(path, s.get(path)) // an update of what was read does not scale it back
	s.nodes(conn, 4)

	s.put(cluster+"/agentPools/agentpool", apptest.Object{"properties": apptest.Object{"count": 5}})
	s.nodes(conn, 5)
	s.equal(s.get(cluster+"/agentPools/agentpool"), "properties.count", 5.0)

	s.put(path, apptest.AKS(apptest.Object{"agentCount": 3}))
	s.nodes(conn, 3)
	s.equal(s.get(cluster), "properties.agentPoolProfiles.0.count", 3.0)
	etag := s.get(path)["etag"]
	s.put(path, apptest.AKS(apptest.Object{"agentCount": 3}))
	s.equal(s.get(path), "etag", etag)

	s.Refused(s.Do(http.MethodPut, path, apptest.AKS(apptest.Object{"agentVmSize": "Standard_D4_v2"})), http.StatusBadRequest, "ResourceExistsWithDifferentShape", size)
	s.Refused(s.Do(http.MethodPut, cluster+"/agentPools/second", apptest.Object{"properties": apptest.Object{"count": 1}}), http.StatusBadRequest, "BadRequest", "secondary pools")
	s.nodes(conn, 3)
	s.Succeed(s.Do(http.MethodDelete, path+"?underlyingResourceAction=Delete", nil))
	s.Want(http.StatusNotFound, s.Do(http.MethodGet, cluster, nil))
	if conn.Healthy(s.ctx) == nil {
		s.t.Error("the compute was deleted and its cluster still answers")
	}
}

// attach takes a cluster up and lets go of it: in order, when it belongs to somebody else, and when it is silent.
func attach(s *site) {
	cluster, path := s.Cluster(jobGroup, "own"), s.compute("taken")
	body := apptest.ClusterOf(2, size)
	body["properties"].(apptest.Object)["kubernetesVersion"] = "1.34"
	s.put(cluster, body)
	admin := s.ClusterKeys(cluster)
	conn := s.inside(admin)
	if version, err := conn.Version(s.ctx); err != nil || !strings.HasPrefix(version, "1.34.") {
		s.t.Errorf("asked for 1.34, it is %s, %v", version, err)
	}
	takenByOthers(s, conn, cluster)
	s.put(path, apptest.AttachTo(cluster, "DevTest"))
	seen := s.get(path)
	s.equal(seen, "properties.isAttachedCompute", true)
	s.equal(seen, "properties.properties.agentCount", 2.0)
	s.Refused(s.Do(http.MethodPut, s.compute("second"), apptest.AttachTo(cluster, "DevTest")), http.StatusConflict, "ClusterAlreadyAttached", "'taken'", jobWorkspace)
	s.Refused(s.Do(http.MethodDelete, path+"?underlyingResourceAction=Delete", nil), http.StatusConflict, "AttachedComputeCannotBeDeleted", "Detach")
	s.equal(s.get(path), "etag", seen["etag"])
	rights(s, conn, admin)
	silent(s, conn, cluster, path)

	s.Succeed(s.Do(http.MethodDelete, path+"?underlyingResourceAction=Detach", nil))
	if owner, err := conn.Owner(s.ctx); err != nil || owner != nil {
		s.t.Errorf("after the detach it is owned by %+v, %v", owner, err)
	}
	s.nodes(conn, 2)
	s.equal(s.get(cluster), "properties.provisioningState", "Succeeded")
}

// takenByOthers: another Berth's record in the cluster refuses the attachment, which that record survives.
func takenByOthers(s *site, conn *kube.Conn, cluster string) {
	const foreign = "/subscriptions/x/resourceGroups/theirs/providers/Microsoft.MachineLearningServices/workspaces/hearing/computes/ear"
	s.must(conn.Claim(s.ctx, kube.Owner{ComputeID: foreign, Server: "far away", Since: "2026-01-02T03:04:05Z"}))
	path := s.compute("refused")
	op := s.WaitOperation(s.Do(http.MethodPut, path, apptest.AttachTo(cluster, "DevTest")))
	s.equal(op, "status", "Failed")
	s.equal(op, "error.code", "ClusterAlreadyAttached")
	s.equal(op, "error.statusCode", 409.0)
	if text, _ := apptest.At(op, "error.message").(string); !strings.Contains(text, "'ear' of workspace 'hearing'") {
		s.t.Errorf("it is not said where the cluster is attached: %s", text)
	}
	s.equal(s.get(path), "properties.provisioningState", "Failed")
	s.equal(s.get(path), "properties.provisioningErrors.0.error.code", "ClusterAlreadyAttached")
	s.equal(s.get(path), "properties.provisioningErrors.0.error.statusCode", 409.0)
	s.Succeed(s.Do(http.MethodDelete, path+"?underlyingResourceAction=Detach", nil))
	owner, err := conn.Owner(s.ctx)
	s.must(err)
	if owner == nil || owner.Server != "far away" {
		s.t.Fatalf("the other's record is now %+v", owner)
	}
	s.must(conn.Release(s.ctx, foreign))
}

// rights asks the cluster what the account that attach made may do, and may not.
func rights(s *site, conn *kube.Conn, admin []byte) {
	token, _, err := conn.Token(s.ctx, "azureml-"+jobWorkspace, 3600e9)
	s.must(err)
	config, err := kube.TokenKubeconfig(admin, token, "azureml-"+jobWorkspace)
	s.must(err)
	account := s.inside(config)
	for _, c := range []struct {
		verb, resource, namespace string
		want                      bool
	}{
		{"list", "nodes", "", true}, {"delete", "nodes", "", false}, {"list", "secrets", "", false}, {"create", "pods", "default", false},
		{"get", "serviceaccounts", "kube-system", false}, {"create", "clusterroles", "", false},
	} {
		if can, err := account.Can(s.ctx, c.verb, c.resource, c.namespace); err != nil || can != c.want {
			s.t.Errorf("may Berth's account %s %s in %q? %v, %v; want %v", c.verb, c.resource, c.namespace, can, err, c.want)
		}
	}
	s.nodes(account, 2)
}

// silent detaches while the cluster's process stands still, and attaches again when it goes on.
func silent(s *site, conn *kube.Conn, cluster, path string) {
	pid := 0
	for name, p := range apptest.ClusterFolders(s.t, s.Dir) {
		if strings.HasPrefix(name, "own-") {
			pid = p
		}
	}
	s.must(syscall.Kill(pid, syscall.SIGSTOP))
	goOn := func() { _ = syscall.Kill(pid, syscall.SIGCONT) }
	s.t.Cleanup(goOn)
	op := s.Succeed(s.Do(http.MethodDelete, path+"?underlyingResourceAction=Detach", nil))
	if note, _ := apptest.At(op, "properties.notes.0").(string); !strings.Contains(note, "'own' did not answer") || !strings.Contains(note, "azureml-"+jobWorkspace) {
		s.t.Errorf("the notes do not name what is left: %v", op)
	}
	s.Want(http.StatusNotFound, s.Do(http.MethodGet, path, nil))
	goOn()
	s.Until("the cluster to answer again", func() bool { return conn.Healthy(s.ctx) == nil })
	s.put(path, apptest.AttachTo(cluster, "DevTest"))
}

// supersede deletes a compute that is being made: the later wish counts, and nothing is left of the earlier.
func supersede(s *site) {
	path := s.compute("brief")
	made := s.Want(http.StatusCreated, s.Do(http.MethodPut, path, apptest.AKS(nil)))
	var cluster string
	s.Until("its cluster to be begun", func() bool {
		cluster = apptest.At(s.get(path), "properties.resourceId").(string)
		return s.Do(http.MethodGet, cluster, nil).Status == http.StatusOK
	})
	gone := s.Want(http.StatusAccepted, s.Do(http.MethodDelete, path+"?underlyingResourceAction=Delete", nil))
	s.equal(s.WaitOperation(made), "status", "Canceled")
	s.equal(s.WaitOperation(made), "error.code", "OperationCanceled")
	s.Succeed(gone)
	s.Want(http.StatusNotFound, s.Do(http.MethodGet, path, nil))
	s.Want(http.StatusNotFound, s.Do(http.MethodGet, cluster, nil))
	for name := range apptest.ClusterFolders(s.t, s.Dir) {
		if strings.HasPrefix(name, "brief") {
			s.t.Errorf("the folder %s is left", name)
		}
	}
	newest := s.Cluster(jobGroup, "newest")
	body := apptest.ClusterOf(1, size)
	body["properties"].(apptest.Object)["kubernetesVersion"] = "1.37.2"
	s.put(newest, body)
	if version, err := s.inside(s.ClusterKeys(newest)).Version(s.ctx); err != nil || !strings.HasPrefix(version, "1.37.") {
		s.t.Errorf("asked for 1.37, it is %s, %v", version, err)
	}
	s.Succeed(s.Do(http.MethodDelete, newest, nil))
}
