package app

import (
	"context"

	"berth.dev/berth"
	"berth.dev/berth/arm"
	"berth.dev/berth/kube"
	"berth.dev/berth/reconcile"
)

// resources lets deployments go through Resource Manager's own door: the two floors know nothing of each other.
type resources struct{ arm *arm.Server }

// preflight lets Resource Manager ask clusters, which only the engine talks to.
func (s *server) preflight(ctx context.Context, compute berth.ID, spec berth.ComputeSpec) []berth.Check {
	return s.engine.Preflight(ctx, compute, spec)
}

// manifest is what a connection of this server makes in a cluster.
func (s *server) manifest(cluster berth.ID) string {
	return kube.Manifest(cluster.String(), s.engine.ServerID)
}

// leftovers lets Resource Manager ask a cluster for what Azure ML's router left there.
func (s *server) leftovers(ctx context.Context, cluster berth.ID, clean bool) ([]string, error) {
	return s.engine.RouterObjects(ctx, cluster, clean)
}

// nodes lets Resource Manager ask a cluster for its nodes.
func (s *server) nodes(ctx context.Context, cluster berth.ID) ([]berth.NodeFacts, error) {
	return s.engine.Nodes(ctx, cluster)
}

// Do implements reconcile.Resources.
func (r resources) Do(ctx context.Context, q reconcile.ResourceRequest) (reconcile.ResourceAnswer, error) {
	a, err := r.arm.Do(ctx, arm.Call{Caller: q.Caller, Method: q.Method, Path: q.ID, Version: q.Version, Body: q.Body})
	return reconcile.ResourceAnswer{Operation: a.Operation, Body: a.Body}, err
}
