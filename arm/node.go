package arm

import (
	"berth.dev/berth"
	"berth.dev/berth/wire"
)

// listNodes answers the nodes of a cluster, or of the cluster behind a compute, as the cluster reports them now.
func (s *Server) listNodes(q *request, r *berth.Resource) (*response, error) {
	cluster := clusterOf(r)
	if r.State == berth.StateDeleting {
		return nil, berth.Errorf(berth.CodeConflict, "'%s' is %s, so its nodes cannot be listed.", r.ID.Name(), r.State)
	}
	nodes, err := s.Clusters.Nodes(q.Context(), cluster)
	if err != nil {
		return nil, err
	}
	value := []any{}
	for _, n := range nodes {
		value = append(value, n)
	}
	return ok(wire.Object{"value": value, "nodes": value}), nil // the SDKs for computes read "nodes"
}

// clusterOf is the id of a cluster, or of the one behind a compute.
func clusterOf(r *berth.Resource) berth.ID {
	if c, isCompute := r.Body.(*berth.Compute); isCompute {
		return c.Spec.ClusterID
	}
	return r.ID
}
