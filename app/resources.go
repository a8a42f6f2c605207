package app

import (
	"context"

	"berth.dev/berth/arm"
	"berth.dev/berth/reconcile"
)

// resources lets template deployments go through Resource Manager's own door: the two floors know nothing of each other.
type resources struct{ arm *arm.Server }

// Do implements reconcile.Resources.
func (r resources) Do(ctx context.Context, q reconcile.ResourceRequest) (reconcile.ResourceAnswer, error) {
	a, err := r.arm.Do(ctx, arm.Call{Caller: q.Caller, Method: q.Method, Path: q.ID, Version: q.Version, Body: q.Body})
	return reconcile.ResourceAnswer{Operation: a.Operation, Body: a.Body}, err
}
