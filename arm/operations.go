package arm

import (
	"errors"
	"strings"

	"berth.dev/berth"
	"berth.dev/berth/store"
	"berth.dev/berth/wire"
)

// manyOperations is how many a listing shows at the most.
const manyOperations = 200

// listOperations answers the latest operations of the subscription: of one resource with ?resourceId=, those under way with
// ?active=true. Azure has this as the activity log.
func (s *Server) listOperations(q *request) (*response, error) {
	var of berth.ID
	if text := q.URL.Query().Get("resourceId"); text != "" {
		var err error
		if of, err = berth.ParseID(text); err != nil {
			return nil, berth.Errorf(berth.CodeInvalidID, "%v.", err)
		}
	}
	limit, err := top(q)
	if err != nil {
		return nil, err
	}
	if limit == 0 || limit > manyOperations {
		limit = manyOperations
	}
	all, err := s.Store.Operations(q.Context(), of, strings.EqualFold(q.URL.Query().Get("active"), "true"), limit)
	if err != nil {
		return nil, err
	}
	value := []any{}
	for _, op := range all {
		id := "/subscriptions/" + s.Subscription + "/operations/" + op.ID
		one := wire.Operation(op, id, faultStatus(op.Err))
		one["properties"].(wire.Object)["steps"] = wire.Steps(op.Steps)
		value = append(value, one)
	}
	return ok(wire.Object{"value": value}), nil
}

// listNodes answers the nodes of a compute as its cluster shows them now.
func (s *Server) listNodes(q *request, id berth.ID) (*response, error) {
	r, err := s.Store.Get(q.Context(), id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, s.missing(q, id)
	}
	if err != nil {
		return nil, err
	}
	cluster := r.ID
	if c, isCompute := r.Body.(*berth.Compute); isCompute {
		cluster = c.Spec.ClusterID
	}
	if r.State == berth.StateDeleting {
		return nil, berth.Errorf(berth.CodeConflict, "'%s' is %s; its nodes cannot be asked for.", r.ID.Name(), r.State)
	}
	nodes, err := s.Clusters.Nodes(q.Context(), cluster)
	if err != nil {
		return nil, err
	}
	value := []any{}
	for _, n := range nodes {
		value = append(value, n)
	}
	return ok(wire.Object{"value": value}), nil
}
