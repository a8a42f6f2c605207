package app

import (
	"context"

	"berth.dev/berth"
	"berth.dev/berth/arm"
	"berth.dev/berth/reconcile"
)

// resources lets deployments go through Resource Manager's own door: the two floors know nothing of each other.
type resources struct{ arm *arm.Server }

// preflight lets Resource Manager ask clusters, which only the engine talks to.
func (s *server) preflight(ctx context.Context, compute berth.ID, spec berth.ComputeSpec) []berth.Check {
	return s.engine.Preflight(ctx, compute, spec)
}

// Do implements reconcile.Resources.
func (r resources) Do(ctx context.Context, q reconcile.ResourceRequest) (reconcile.ResourceAnswer, error) {
	a, err := r.arm.Do(ctx, arm.Call{Caller: q.Caller, Method: q.Method, Path: q.ID, Version: q.Version, Body: q.Body})
	return reconcile.ResourceAnswer{Operation: a.Operation, Body: a.Body}, err
}
