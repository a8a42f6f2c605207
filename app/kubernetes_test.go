package app_test

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"berth.dev/berth/app/apptest"
	"berth.dev/berth/kube"
)

const (
	jobGroup, jobWorkspace = "rg", "wspace"
	size                   = "Standard_D3_v2" // 4 vCPUs
)

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
	other.t, other.ctx = t, t.Context()
	other.Server = s.Server.As(t)
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

// unhurried are the options of a connection of a test itself: a busy machine does not break it off.
var unhurried = kube.Options{Timeout: time.Minute}

// inside connects to a cluster with credentials that the API returned.
func (s *site) inside(config []byte) *kube.Conn {
	s.t.Helper()
	conn, err := kube.Connect(config, unhurried)
	s.must(err)
	s.t.Cleanup(conn.Close)
	return conn
}

// nodes wants so many nodes, all ready and labelled as simulated, and returns their names.
func (s *site) nodes(conn *kube.Conn, want int) []string {
	s.t.Helper()
	nodes, err := conn.Nodes(s.ctx)
	s.must(err)
	var names []string
	if len(nodes) != want {
		s.t.Errorf("there are %d nodes, want %d", len(nodes), want)
	}
	for _, n := range nodes {
		if !n.Ready || !n.Simulated || n.InstanceType != size || n.VCPUs != 4 || !strings.HasPrefix(n.Name, "aks-") {
			s.t.Errorf("a node is %+v", n)
		}
		names = append(names, n.Name)
	}
	slices.Sort(names)
	return names
}

// TestKubernetes is what Berth does inside real clusters, requested through the API and observed in the clusters.
func TestKubernetes(t *testing.T) {
	s := &site{Server: apptest.In(t, filepath.Join(t.TempDir(), "data")), t: t, ctx: t.Context()} // a folder that Berth makes itself
	s.workspace = s.MakeWorkspace(jobGroup, jobWorkspace)
	t.Run("all", func(t *testing.T) {
		t.Run("seal", func(t *testing.T) { seal(s.as(t)) })
		t.Run("scale", func(t *testing.T) { scale(s.as(t)) })
		t.Run("attach", func(t *testing.T) { attach(s.as(t)) })
		t.Run("silent", func(t *testing.T) { silent(s.as(t)) })
		t.Run("supersede", func(t *testing.T) { supersede(s.as(t)) })
		t.Run("at once", func(t *testing.T) { atOnce(s.as(t)) })
	})
	s = restart(s)
	s.Succeed(s.Do(http.MethodDelete, s.Group(jobGroup), nil))
	if left := apptest.ClusterFolders(t, s.Dir); len(left) != 0 {
		t.Errorf("after the group was deleted there are the folders %v", left)
	}
	if left := apptest.KubeProcesses(t, s.Dir); len(left) != 0 {
		t.Errorf("after the group was deleted there are the processes %v", left)
	}
}

// seal makes a compute with a secret of the user's, for restart to find again.
func seal(s *site) {
	cert, key := apptest.Certificate(s.t, "scoring.example")
	sealed = strings.Split(key, "\n")[1]
	ssl := apptest.Object{"status": "Enabled", "cname": "scoring.example", "cert": cert, "key": key}
	s.put(s.compute("sealed"), apptest.AKS(apptest.Object{"clusterPurpose": "DevTest", "agentCount": 2, "sslConfiguration": ssl}))
}

// restart stops the server and starts another on the same folder: clusters come back as they were, and what must stay
// secret does, in both lives.
func restart(s *site) *site {
	path := s.compute("sealed")
	before := s.nodes(s.inside(s.Keys(path)), 2)
	s.Stop()
	again := *s
	again.Server = apptest.In(s.t, s.Dir)
	conn := again.inside(again.Keys(path))
	again.Until("the cluster to come back", func() bool { return conn.Healthy(s.ctx) == nil })
	if after := again.nodes(conn, 2); !slices.Equal(after, before) {
		s.t.Errorf("after a restart the nodes are %v, and were %v", after, before)
	}
	noSecrets(&again, path, s.Log.String())
	return &again
}

// scale changes the number of nodes by each of the three ways there are, and nothing else by any.
func scale(s *site) {
	path := s.compute("scaled")
	s.put(path, apptest.AKS(nil)) // three nodes by default
	cluster := apptest.At(s.get(path), "properties.resourceId").(string)
	conn := s.inside(s.Keys(path))
	first := s.nodes(conn, 3)
	seen := s.Want(http.StatusOK, s.Do(http.MethodPost, path+"/listWorkloads", nil)) // of the cluster behind the compute
	s.equal(seen.Body, "nodes.2.name", first[2])
	s.equal(seen.Body, "unseen", nil)

	whole := s.get(cluster) // as az aks scale does it
	whole["properties"].(apptest.Object)["agentPoolProfiles"].([]any)[0].(apptest.Object)["count"] = 4
	s.put(cluster, whole)
	if grown := s.nodes(conn, 4); !slices.Equal(grown[:3], first) {
		s.t.Errorf("scaling from %v to four nodes made %v", first, grown)
	}
	s.equal(s.get(path), "properties.properties.agentCount", 4.0)
	s.put(path, s.get(path)) // an update of what was read does not scale it back
	s.nodes(conn, 4)

	s.put(cluster+"/agentPools/agentpool", apptest.Object{"properties": apptest.Object{"count": 5}})
	s.nodes(conn, 5)
	s.equal(s.get(cluster+"/agentPools/agentpool"), "properties.count", 5.0)

	s.put(path, apptest.AKS(apptest.Object{"agentCount": 3}))
	s.nodes(conn, 3)
	s.equal(s.get(cluster), "properties.agentPoolProfiles.0.count", 3.0)
	s.Succeed(s.Do(http.MethodDelete, path+"?underlyingResourceAction=Delete", nil))
	s.Want(http.StatusNotFound, s.Do(http.MethodGet, cluster, nil))
	if conn.Healthy(s.ctx) == nil {
		s.t.Error("the compute was deleted and its cluster still answers")
	}
}

// attach attaches a cluster and detaches it: in order, and when another compute has it.
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
	s.equal(s.get(path), "properties.properties.agentCount", 2.0) // counted in the cluster: the request has no count
	s.owned(conn, path)
	rights(s, conn, admin)
	s.Succeed(s.Do(http.MethodDelete, path+"?underlyingResourceAction=Detach", nil))
	s.owned(conn, "")
	asKubernetes(s, conn, cluster)
	s.nodes(conn, 2)
	s.equal(s.get(cluster), "properties.provisioningState", "Succeeded")
}

// atOnce does what scripts of SDK v1 do, whose detach and delete do not wait: attach again, and create again, on the next line.
func atOnce(s *site) {
	cluster := s.Cluster(jobGroup, "again")
	first, second := s.compute("first"), s.compute("second")
	s.put(cluster, apptest.ClusterOf(1, size))
	s.put(first, apptest.AttachTo(cluster, "DevTest"))
	s.Want(http.StatusAccepted, s.Do(http.MethodDelete, first+"?underlyingResourceAction=Detach", nil))
	s.put(second, apptest.AttachTo(cluster, "DevTest"))
	s.owned(s.inside(s.ClusterKeys(cluster)), second)
	s.Want(http.StatusAccepted, s.Do(http.MethodDelete, second+"?underlyingResourceAction=Detach", nil))
	s.put(second, apptest.AttachTo(cluster, "DevTest"))
	s.Want(http.StatusAccepted, s.Do(http.MethodDelete, cluster, nil))
	s.put(cluster, apptest.ClusterOf(1, size))
}

// owned reads the ownership record in the cluster: it names the compute with this id, or there is none.
func (s *site) owned(conn *kube.Conn, compute string) {
	s.t.Helper()
	owner, err := conn.Owner(s.ctx)
	s.must(err)
	have := ""
	if owner != nil {
		have = owner.ComputeID
	}
	if !strings.EqualFold(have, compute) {
		s.t.Errorf("the ownership record in the cluster names %q, want %q", have, compute)
	}
}

// asKubernetes attaches the cluster as a compute of type Kubernetes, in a namespace that was there before.
func asKubernetes(s *site, conn *kube.Conn, cluster string) {
	path := s.compute("k8s")
	s.put(path, apptest.Object{
		"properties": apptest.Object{"computeType": "Kubernetes", "resourceId": cluster, "properties": apptest.Object{"namespace": "default"}},
	})
	s.equal(s.get(path), "properties.properties.namespace", "default")
	s.owned(conn, path)
	op := s.Succeed(s.Do(http.MethodDelete, path+"?underlyingResourceAction=Detach", nil))
	s.equal(op, "properties.notes", nil) // the namespace was not Berth's, so no note reports it
	s.owned(conn, "")
}

// takenByOthers: another Berth's record in the cluster refuses the attachment, which that record survives.
func takenByOthers(s *site, conn *kube.Conn, cluster string) {
	const foreign = "/subscriptions/x/resourceGroups/theirs/providers/Microsoft.MachineLearningServices/workspaces/hearing/computes/ear"
	s.must(conn.TakeOwnership(s.ctx, kube.Owner{ComputeID: foreign, Server: "far away", Since: "2026-01-02T03:04:05Z"}))
	path := s.compute("refused")
	op := s.WaitOperation(s.Do(http.MethodPut, path, apptest.AttachTo(cluster, "DevTest")))
	s.equal(op, "status", "Failed")
	s.equal(op, "error.code", "ClusterAlreadyAttached")
	s.equal(op, "error.statusCode", 409.0)
	if text, _ := apptest.At(op, "error.message").(string); !strings.Contains(text, "'ear' of workspace 'hearing'") {
		s.t.Errorf("the refusal does not name the compute that has the cluster: %s", text)
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
	s.must(conn.DropOwnership(s.ctx, foreign))
}

// rights asks the cluster what the account that attach made may do, and may not.
func rights(s *site, conn *kube.Conn, admin []byte) {
	token, _, err := conn.Token(s.ctx, "azureml-"+jobWorkspace, 3600e9)
	s.must(err)
	config, err := tokenKubeconfig(admin, token, "azureml-"+jobWorkspace)
	s.must(err)
	account := s.inside(config)
	for _, c := range []struct {
		verb, resource, namespace string
		want                      bool
	}{
		{"list", "nodes", "", true}, {"delete", "nodes", "", false}, {"list", "secrets", "", false}, {"create", "pods", "default", false},
		{"get", "serviceaccounts", "kube-system", false}, {"create", "clusterroles", "", false},
	} {
		asked := fmt.Sprintf("Berth's account may %s %s in %q: %v", c.verb, c.resource, c.namespace, c.want)
		s.Until(asked, func() bool { // a role is known a moment after it was written
			can, err := account.Can(s.ctx, c.verb, c.resource, c.namespace)
			return err == nil && can == c.want
		})
	}
	s.nodes(account, 2)
}

// silent detaches while the cluster's process stands still, and attaches again when it goes on.
func silent(s *site) {
	cluster, path := s.Cluster(jobGroup, "quiet"), s.compute("heard")
	s.put(cluster, apptest.ClusterOf(1, size))
	conn := s.inside(s.ClusterKeys(cluster))
	s.put(path, apptest.AttachTo(cluster, "DevTest"))
	pid := 0
	for name, p := range apptest.ClusterFolders(s.t, s.Dir) {
		if strings.HasPrefix(name, "quiet-") {
			pid = p
		}
	}
	s.must(syscall.Kill(pid, syscall.SIGSTOP))
	goOn := func() { _ = syscall.Kill(pid, syscall.SIGCONT) }
	s.t.Cleanup(goOn)
	op := s.Succeed(s.Do(http.MethodDelete, path+"?underlyingResourceAction=Detach", nil))
	if note, _ := apptest.At(op, "properties.notes.0").(string); !strings.Contains(note, "'quiet' did not answer") ||
		!strings.Contains(note, "azureml-"+jobWorkspace) {
		s.t.Errorf("the notes do not name what is left: %v", op)
	}
	s.Want(http.StatusNotFound, s.Do(http.MethodGet, path, nil))
	goOn()
	s.Until("the cluster to answer again", func() bool { return conn.Healthy(s.ctx) == nil })
	s.put(path, apptest.AttachTo(cluster, "DevTest"))
	s.owned(conn, path)
}

// supersede deletes a compute that is being made: the later request counts, and nothing of the earlier one remains.
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

// tokenKubeconfig is a kubeconfig for the same cluster that signs in with a token.
func tokenKubeconfig(admin []byte, token, namespace string) ([]byte, error) {
	k, err := kube.ParseKubeconfig(admin)
	if err != nil {
		return nil, err
	}
	return k.WithToken(token, namespace).Bytes()
}
