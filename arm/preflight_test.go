package arm_test

import (
	"net/http"
	"strings"
	"testing"

	"berth.dev/berth"
	"berth.dev/berth/kube"
)

// TestPreflightWithoutNodes: a cluster without a ready node does not pass the pre-flight, whatever the purpose.
func TestPreflightWithoutNodes(t *testing.T) {
	s := newStage(t)
	id := berth.NewID(subscriptionID, group, berth.TypeCluster, "empty")
	s.issued(id, false)
	config, err := s.provider.Kubeconfig(t.Context(), id)
	s.must(err)
	conn, err := kube.Connect(config, kube.Options{})
	s.must(err)
	defer conn.Close()
	nodes, err := conn.Nodes(t.Context())
	s.must(err)
	for _, n := range nodes {
		s.must(conn.DeleteNode(t.Context(), n.Name))
	}
	got := s.send("POST", s.workspace()+"/computes/c/validate?preflight=true", nil, `{"location":"westeurope",
		"properties":{"computeType":"AKS","resourceId":"`+id.String()+`","properties":{"clusterPurpose":"DevTest"}}}`)
	if got.status != http.StatusOK || !strings.Contains(got.text, "0 of 0 nodes are ready, so nothing can run there.") {
		t.Errorf("%d %s", got.status, got.text)
	}
}
