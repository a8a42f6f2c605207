package reconcile

import (
	"context"
	"strings"

	"berth.dev/berth/clusters"
	"berth.dev/berth/kube"
)

// routerRemoved removes from a cluster what Azure ML's own router has left there. It may be repeated.
func routerRemoved(ctx context.Context, s *scope) (verdict, error) {
	conn, err := s.Clusters.Connect(ctx, s.id())
	if err != nil {
		return verdict{}, err
	}
	defer conn.Close()
	removed, err := conn.RemoveRouterObjects(ctx)
	if err != nil {
		return verdict{}, clusters.RouterError(s.id(), err)
	}
	if len(removed) == 0 {
		s.notes = append(s.notes, "Azure ML's router has left nothing in the cluster '"+s.id().Name()+"'.")
	} else {
		s.notes = append(s.notes, "Removed from the cluster '"+s.id().Name()+"': "+strings.Join(removed, ", ")+".")
	}
	return verdict{}, nil
}

// offerCleaning names the router objects of the cluster in a note at the end of a detach.
func (s *scope) offerCleaning(ctx context.Context, conn *kube.Conn) {
	found, err := conn.RouterObjects(ctx)
	if err != nil || len(found) == 0 {
		return // the detach does not depend on it
	}
	s.notes = append(s.notes, "Azure ML's own router is still in the cluster ("+strings.Join(found, ", ")+
		"). To remove it: berth cluster router --remove --id "+s.compute().Spec.ClusterID.String())
}
