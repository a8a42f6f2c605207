package arm

import (
	"strings"

	"berth.dev/berth"
	"berth.dev/berth/store"
	"berth.dev/berth/wire"
)

// routerObjects answers what Azure ML's own router has left in a cluster. With ?clean=true it accepts their removal, as an
// operation of the cluster.
func (s *Server) routerObjects(q *request, r *berth.Resource) (*response, error) {
	if r.State != berth.StateSucceeded {
		return nil, berth.Errorf(berth.CodeConflict, "The cluster '%s' is %s. Wait until it is Succeeded.", r.ID.Name(), r.State)
	}
	if strings.EqualFold(q.param("clean"), "true") {
		r, op, err := s.Store.Accept(q.Context(), store.Change{Verb: berth.VerbClean, Resource: r, Base: r.Generation, Caller: q.caller.AppID})
		if err != nil {
			return nil, err
		}
		return s.followed(q, r, op.ID), nil
	}
	found, err := s.Clusters.RouterObjects(q.Context(), r.ID)
	if err != nil {
		return nil, err
	}
	return ok(wire.Object{"found": append([]string{}, found...)}), nil
}
