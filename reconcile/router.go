package reconcile

import (
	"context"
	"strings"

	"berth.dev/berth"
	"berth.dev/berth/kube"
)

// RouterObjects finds what Azure ML's own router has left in a cluster, and removes it when clean.
func (e *Engine) RouterObjects(ctx context.Context, cluster berth.ID, clean bool) (found []string, err error) {
	conn, err := e.adminConn(ctx, cluster)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if clean {
		found, err = conn.RemoveRouterObjects(ctx)
	} else {
		found, err = conn.RouterObjects(ctx)
	}
	if kube.Denied(err) {
		return found, berth.Errorf(berth.CodeForbidden, "The cluster does not let Berth do that: %s.", sentence(err))
	}
	if err != nil {
		return found, unreachable(cluster, err)
	}
	return found, nil
}

// offerCleaning tells of those leftovers at the end of a detach.
func (s *scope) offerCleaning(ctx context.Context, conn *kube.Conn) {
	found, err := conn.RouterObjects(ctx)
	if err != nil || len(found) == 0 {
		return // to look was a courtesy
	}
	s.notes = append(s.notes, "Azure ML's own router is still in the cluster ("+strings.Join(found, ", ")+"). To remove it: berth cluster leftovers --clean --id "+s.compute().Spec.ClusterID.String())
}

// conflictCheck tells beforehand what is in the cluster already.
func conflictCheck(ctx context.Context, conn *kube.Conn) berth.Check {
	found, err := conn.RouterObjects(ctx)
	switch {
	case err != nil:
		return berth.Check{Name: "conflicts", Detail: "The cluster does not say what is in it: " + sentence(err) + "."}
	case len(found) > 0:
		return berth.Check{Name: "conflicts", OK: true, Detail: "Azure ML's own router was left behind (" + strings.Join(found, ", ") + "). It does not hinder Berth; `berth cluster leftovers --clean` removes it."}
	}
	return berth.Check{Name: "conflicts", OK: true, Detail: "Nothing of an earlier attachment is in the way."}
}

// egressCheck: Berth runs nothing in the cluster, so it goes by what others meet there.
func egressCheck(ctx context.Context, conn *kube.Conn) berth.Check {
	stuck, err := conn.ImagesMissing(ctx)
	switch {
	case err != nil:
		return berth.Check{Name: "egress", Detail: "The cluster does not say how its pods are: " + sentence(err) + "."}
	case len(stuck) > 0:
		return berth.Check{Name: "egress", Detail: "Some pods cannot pull their images: " + strings.Join(stuck, ", ") + ". The cluster may not reach the outside; check its firewall and DNS."}
	}
	return berth.Check{Name: "egress", OK: true, Detail: "No pod there waits for an image in vain. Berth runs nothing in the cluster, so that is all it can tell."}
}
