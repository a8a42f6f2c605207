package arm

import (
	"berth.dev/berth/wire"
)

// listCleanups answers the cleanups: what detaches could not remove because the cluster did not answer. Berth removes it when the
// cluster answers again.
func (s *Server) listCleanups(q *request, _ target) (*response, error) {
	all, err := s.Store.AllCleanups(q.Context())
	if err != nil {
		return nil, err
	}
	value := []any{}
	for _, r := range all {
		if !q.mayRead(r.Cluster) {
			continue
		}
		value = append(value, wire.Object{"clusterId": r.Cluster.String(), "computeId": r.Holder.String(), "since": wire.Time(r.Since)})
	}
	return ok(wire.Object{"value": value}), nil
}
