package arm

import (
	"net/http"
	"strings"

	"berth.dev/berth"
	"berth.dev/berth/rules"
	"berth.dev/berth/store"
	"berth.dev/berth/wire"
)

// Node pools are no rows of their own: they are part of their cluster, and a change of one is a change of it.

func (s *Server) listNodePools(q *request, cluster berth.ID) (*response, error) {
	r, err := s.load(q, cluster)
	if err != nil {
		return nil, err
	}
	value := []any{}
	for _, p := range r.Body.(*berth.Cluster).Spec.Pools {
		value = append(value, wire.NodePool(r, p))
	}
	return ok(wire.Object{"value": value}), nil
}

func (s *Server) nodePool(q *request, id berth.ID) (*response, error) {
	switch q.Method {
	case http.MethodGet, http.MethodHead:
		r, pool, err := s.loadPool(q, id)
		if err != nil {
			return nil, err
		}
		return ok(wire.NodePool(r, *pool)), nil
	case http.MethodPut:
		return s.putNodePool(q, id)
	case http.MethodDelete:
		_, pool, err := s.loadPool(q, id)
		if err != nil {
			return nil, err
		}
		return nil, berth.Errorf(berth.CodeConflict, "'%s' is the only pool of its cluster, and a cluster must have one System pool. Delete the cluster instead.", pool.Name)
	}
	return nil, q.notAllowed(http.MethodGet, http.MethodPut)
}

// loadPool finds a pool in its cluster.
func (s *Server) loadPool(q *request, id berth.ID) (*berth.Resource, *berth.NodePool, error) {
	r, err := s.load(q, id.Parent())
	if err != nil {
		return nil, nil, err
	}
	for _, p := range r.Body.(*berth.Cluster).Spec.Pools {
		if strings.EqualFold(p.Name, id.Name()) {
			return r, &p, nil
		}
	}
	return nil, nil, berth.Errorf(berth.CodeNotFound, "The cluster '%s' has no node pool '%s'.", id.Parent().Name(), id.Name())
}

// putNodePool scales the one pool; a second one is refused by the rules.
func (s *Server) putNodePool(q *request, id berth.ID) (*response, error) {
	var in struct {
		Properties wire.NodePoolFields `json:"properties"`
	}
	if err := wire.Decode(q.body, &in); err != nil {
		return nil, err
	}
	k := *kindOf(berth.TypeCluster)
	k.encode = func(_ *Server, _ *request, r *berth.Resource) wire.Object {
		for _, p := range r.Body.(*berth.Cluster).Spec.Pools {
			if strings.EqualFold(p.Name, id.Name()) {
				return wire.NodePool(r, p)
			}
		}
		return nil
	}
	cluster := id.Parent()
	return s.change(q, cluster, func(old *berth.Resource) (*plan, error) {
		if old == nil {
			return nil, s.missing(q, cluster)
		}
		return planNodePool(id.Name(), in.Properties, old)
	}, &k)
}

func planNodePool(name string, fields wire.NodePoolFields, old *berth.Resource) (*plan, error) {
	was := old.Body.(*berth.Cluster)
	body := *was
	body.Spec.Pools = append([]berth.NodePool{}, was.Spec.Pools...)
	found := false
	for i := range body.Spec.Pools {
		if strings.EqualFold(body.Spec.Pools[i].Name, name) {
			fields.Name = ""
			fields.Merge(&body.Spec.Pools[i])
			found = true
		}
	}
	if !found {
		pool := defaultPool()
		fields.Merge(&pool)
		pool.Name = name
		body.Spec.Pools = append(body.Spec.Pools, pool)
	}
	r := *old
	r.Body = &body
	return &plan{change: store.Change{Resource: &r}, violations: rules.Cluster(old.ID.Name(), body.Spec, rules.ClusterFacts{Old: &was.Spec, Asked: body.Spec.Version})}, nil
}
