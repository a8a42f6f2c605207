package arm

import (
	"strings"

	"berth.dev/berth"
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

// leftovers answers what Azure ML's own router has left in a cluster, and removes it when ?clean=true.
func (s *Server) leftovers(q *request, id berth.ID) (*response, error) {
	r, err := s.load(q, id)
	if err != nil {
		return nil, err
	}
	if r.State != berth.StateSucceeded || s.RouterObjects == nil {
		return nil, berth.Errorf(berth.CodeConflict, "The cluster '%s' is %s, and cannot be asked.", id.Name(), r.State)
	}
	clean := strings.EqualFold(q.URL.Query().Get("clean"), "true")
	found, err := s.RouterObjects(q.Context(), r.ID, clean)
	if err != nil {
		return nil, err
	}
	return ok(wire.Object{"found": append([]string{}, found...), "removed": clean}), nil
}
