package arm

import (
	"berth.dev/berth"
	"berth.dev/berth/rules"
	"berth.dev/berth/store"
	"berth.dev/berth/wire"
)

func encodeGroup(_ *Server, _ *request, r *berth.Resource) wire.Object { return wire.Group(r) }

func putGroup(_ *Server, q *request, id berth.ID, old *berth.Resource) (*plan, error) {
	var in wire.GroupPut
	if err := wire.Decode(q.body, &in); err != nil {
		return nil, err
	}
	where, err := location(in.Location, old, "")
	if err != nil {
		return nil, err
	}
	body := &berth.Group{}
	if in.ManagedBy != nil {
		body.ManagedBy = *in.ManagedBy
	}
	r := &berth.Resource{ID: id, Location: where, Tags: keepTags(in.Tags, old), Body: body}
	return &plan{change: store.Change{Resource: r, Settled: true}, violations: append(rules.GroupName(id.Group), rules.Tags(r.Tags)...)}, nil
}

// listResources answers …/resources of the subscription or of a group: all resources but the groups, filtered.
func (s *Server) listResources(q *request, t target) (*response, error) {
	f, err := parseFilter(q.param("$filter"))
	if err != nil {
		return nil, err
	}
	if !t.id.IsZero() {
		f.group = t.id.Group
		if _, err := s.load(q, t.id); err != nil {
			return nil, err
		}
	}
	query := store.Query{Subscription: s.Subscription}
	if f.group != "" {
		query.Group = berth.GroupID(s.Subscription, f.group)
	}
	return s.pageOf(q, query, func(r *berth.Resource) bool { return !r.ID.IsGroup() && isTracked(r) && f.matches(r) })
}

// isTracked reports whether lists of all resources show a resource: not the records that are inside others or extend them.
func isTracked(r *berth.Resource) bool {
	k := kindOf(r.ID.Type())
	return k == nil || k.record == nil || !k.record.untracked
}
