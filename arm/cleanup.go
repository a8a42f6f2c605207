package arm

import (
	"strings"

	"berth.dev/berth"
	"berth.dev/berth/store"
	"berth.dev/berth/wire"
)

// listCleanups answers what detaches could not clean, because the cluster did not answer, and what is cleaned when it does.
func (s *Server) listCleanups(q *request) (*response, error) {
	all, err := s.Store.AllCleanups(q.Context())
	if err != nil {
		return nil, err
	}
	value := []any{}
	for _, r := range all {
		value = append(value, wire.Object{"clusterId": r.Cluster.String(), "computeId": r.Holder.String(), "since": wire.Time(r.Since)})
	}
	return ok(wire.Object{"value": value}), nil
}

// routerObjects answers what Azure ML's own router has left in a cluster. With ?clean=true it accepts their removal, as an
// operation of the cluster.
func (s *Server) routerObjects(q *request, id berth.ID) (*response, error) {
	r, err := s.load(q, id)
	if err != nil {
		return nil, err
	}
	if r.State != berth.StateSucceeded {
		return nil, berth.Errorf(berth.CodeConflict, "The cluster '%s' is %s. Wait until it is Succeeded.", id.Name(), r.State)
	}
	if strings.EqualFold(q.URL.Query().Get("clean"), "true") {
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
