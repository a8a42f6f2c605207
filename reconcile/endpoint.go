package reconcile

import (
	"context"

	"berth.dev/berth"
)

// endpointLifecycle is that of an endpoint: its pods are those of its deployments.
func endpointLifecycle() lifecycle {
	return lifecycle{apply: []phase{endpointRekeyed, versioned, ledByVersion, surplusVersionsGone},
		remove: []phase{unrouted, childrenRemoved, containerGone}, check: []phase{stillLed}}
}

// deploymentLifecycle is that of a deployment of an endpoint.
func deploymentLifecycle() lifecycle {
	return lifecycle{apply: []phase{served, routed, swept}, remove: []phase{unrouted, podsGone}, check: []phase{stillServed}}
}

// stillLed keeps the address of an endpoint up to date: it changes with the certificate of the compute.
func stillLed(ctx context.Context, s *scope) (verdict, error) {
	if s.claim.Resource.State != berth.StateSucceeded && s.endpoint().Status.Led == nil { // it was never led to, or not as requested
		return s.unchanged(), nil
	}
	conn, compute, err := s.atCompute(ctx)
	if err != nil {
		s.Log.Info("an endpoint could not be checked", "endpoint", s.id(), "error", err)
		return s.checkAgain(s.CheckEvery), nil
	}
	defer conn.Close()
	address, err := s.Serving.Address(ctx, conn)
	if err == nil && address.Host == "" { // somebody has deleted the router
		_, err = s.giveRoutes(ctx, conn, compute)
	}
	if err != nil {
		s.Log.Info("an endpoint could not be checked", "endpoint", s.id(), "error", err)
	} else if address.Host != "" {
		s.addressed(address, compute)
	}
	return s.checkAgain(s.CheckEvery), nil
}
