package arm

import (
	"slices"
	"strings"

	"berth.dev/berth"
	"berth.dev/berth/rules"
	"berth.dev/berth/store"
	"berth.dev/berth/wire"
)

// Node pools are parts of their cluster and not resources of their own: a change of a pool is a change of its cluster.

func (s *Server) listNodePools(q *request, t target) (*response, error) {
	r, err := s.load(q, t.id)
	if err != nil {
		return nil, err
	}
	value := []any{}
	for _, p := range r.Body.(*berth.Cluster).Spec.Pools {
		value = append(value, wire.NodePool(r, p))
	}
	return ok(wire.Object{"value": value}), nil
}

func (s *Server) getNodePool(q *request, t target) (*response, error) {
	r, pool, err := s.loadPool(q, t.id)
	if err != nil {
		return nil, err
	}
	return ok(wire.NodePool(r, *pool)), nil
}

// removeNodePool always refuses: a cluster has one pool.
func (s *Server) removeNodePool(q *request, t target) (*response, error) {
	_, pool, err := s.loadPool(q, t.id)
	if err != nil {
		return nil, err
	}
	return nil, berth.Errorf(berth.CodeConflict, "'%s' is the only pool of its cluster, and a cluster must have one System pool. "+
		"Delete the cluster instead.", pool.Name)
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

// putNodePool changes the one pool; a second one is refused by the rules.
func (s *Server) putNodePool(q *request, t target) (*response, error) {
	id := t.id
	k := *t.kind
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
		return s.planNodePool(q, id, old)
	}, &k)
}

func (s *Server) planNodePool(q *request, id berth.ID, old *berth.Resource) (*plan, error) {
	fields, err := wire.DecodeNodePool(q.body)
	if err != nil {
		return nil, err
	}
	fields.Name = id.Name()
	was := old.Body.(*berth.Cluster)
	if was.Spec.Connected {
		return nil, berth.Errorf(berth.CodeConflict, "'%s' was connected by a kubeconfig, and Berth does not change its nodes.", old.ID.Name())
	}
	body := *was
	body.Spec.Pools = slices.Clone(was.Spec.Pools)
	i := slices.IndexFunc(body.Spec.Pools, func(p berth.NodePool) bool { return strings.EqualFold(p.Name, fields.Name) })
	if i < 0 {
		i = len(body.Spec.Pools)
		body.Spec.Pools = append(body.Spec.Pools, defaultPool())
	} else {
		fields.Name = body.Spec.Pools[i].Name
	}
	fields.Merge(&body.Spec.Pools[i])
	names := wire.KeepPool(fields.Sent, &body, &body.Spec.Pools[i])
	facts := rules.ClusterFacts{Old: &was.Spec, Asked: body.Spec.Version}
	if err := s.poolFacts(q, fields, &facts); err != nil {
		return nil, err
	}
	r := *old
	r.Body = &body
	violations := slices.Concat(rules.Cluster(old.ID.Name(), body.Spec, facts), rules.NotActedOn(names))
	body.Warnings = rules.Reported(violations, true)
	return &plan{change: store.Change{Resource: &r}, violations: violations}, nil
}
