package apptest

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
)

// Location is where test resources are.
const Location = "westeurope"

// Group is the id of a resource group.
func (s *Server) Group(group string) string {
	return "/subscriptions/" + s.SubscriptionID + "/resourceGroups/" + group
}

// Workspace is the id of a workspace.
func (s *Server) Workspace(group, workspace string) string {
	return s.Group(group) + "/providers/Microsoft.MachineLearningServices/workspaces/" + workspace
}

// Cluster is the id of a managed cluster.
func (s *Server) Cluster(group, cluster string) string {
	return s.Group(group) + "/providers/Microsoft.ContainerService/managedClusters/" + cluster
}

// MakeWorkspace makes a resource group and a workspace in it, and returns the workspace's id.
func (s *Server) MakeWorkspace(group, workspace string) string {
	s.t.Helper()
	if r := s.Do(http.MethodPut, s.Group(group), Object{"location": Location}); r.Status/100 != 2 {
		s.t.Fatalf("no group: %d %s", r.Status, r.Text)
	}
	id := s.Workspace(group, workspace)
	s.Want(http.StatusOK, s.Do(http.MethodPut, id, Object{"location": Location}))
	return id
}

// AKS is the body of a compute without resourceId: one that is created.
func AKS(inner Object) Object {
	return Object{"location": Location, "properties": Object{"computeType": "AKS", "properties": inner}}
}

// AttachTo is the body of a compute that attaches a cluster.
func AttachTo(cluster, purpose string) Object {
	return Object{
		"location":   Location,
		"properties": Object{"computeType": "AKS", "resourceId": cluster, "properties": Object{"clusterPurpose": purpose}},
	}
}

// ClusterOf is the body of a managed cluster with one pool.
func ClusterOf(count int, size string) Object {
	return Object{
		"location":   Location,
		"properties": Object{"agentPoolProfiles": []Object{{"name": "pool", "count": count, "vmSize": size, "mode": "System"}}},
	}
}

// Keys are the credentials of a compute's cluster: kubeconfig YAML.
func (s *Server) Keys(compute string) []byte {
	s.t.Helper()
	r := s.Want(http.StatusOK, s.Do(http.MethodPost, compute+"/listKeys", nil))
	text, _ := r.Body["userKubeConfig"].(string)
	return []byte(text)
}

// ClusterKeys are the administrator's credentials of a cluster.
func (s *Server) ClusterKeys(cluster string) []byte {
	s.t.Helper()
	r := s.Want(http.StatusOK, s.Do(http.MethodPost, cluster+"/listClusterAdminCredential", nil))
	return Kubeconfig(s.t, r)
}

// Kubeconfig is the one in an answer with credentials.
func Kubeconfig(t testing.TB, r *Response) []byte {
	t.Helper()
	coded, _ := At(r.Body, "kubeconfigs.0.value").(string)
	text, err := base64.StdEncoding.DecodeString(coded)
	if err != nil || coded == "" {
		t.Fatalf("no kubeconfig: %v %s", err, r.Text)
	}
	return text
}

// At reads a value by its path in a JSON document: "properties.agentPoolProfiles.0.count". Nil when it is not there.
func At(v any, path string) any {
	for part := range strings.SplitSeq(path, ".") {
		switch have := v.(type) {
		case Object:
			v = have[part]
		case []any:
			i := int(part[0] - '0')
			if len(part) != 1 || i < 0 || i >= len(have) {
				return nil
			}
			v = have[i]
		default:
			return nil
		}
	}
	return v
}
