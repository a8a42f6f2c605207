package arm

import (
	"slices"

	"github.com/google/uuid"

	"berth.dev/berth"
	"berth.dev/berth/rules"
	"berth.dev/berth/store"
	"berth.dev/berth/wire"
)

func encodeWorkspace(s *Server, q *request, r *berth.Resource) wire.Object {
	return wire.Workspace(r, q.base, s.Authority.TenantID())
}

func putWorkspace(s *Server, q *request, id berth.ID, old *berth.Resource) (*plan, error) {
	var in wire.WorkspacePut
	if err := wire.Decode(q.body, &in); err != nil {
		return nil, err
	}
	where, err := location(in.Location, old, "")
	if err != nil {
		return nil, err
	}
	body := &berth.Workspace{WorkspaceID: uuid.NewString(), PrincipalID: uuid.NewString()}
	if old != nil {
		*body = *old.Body.(*berth.Workspace)
	}
	in.Merge(body)
	identity, violations, err := s.identity(q, in.Identity, body.Identity)
	if err != nil {
		return nil, err
	}
	body.Identity = identity
	r := &berth.Resource{ID: id, Location: where, Tags: keepTags(in.Tags, old), Body: body}
	names, err := wire.KeepWorkspace(q.body, r)
	if err != nil {
		return nil, err
	}
	violations = slices.Concat(violations, rules.WorkspaceName(id.Name()), rules.Tags(r.Tags), rules.NotActedOn(names))
	body.Warnings = rules.Reported(violations, true)
	return &plan{change: store.Change{Resource: r, Settled: true}, violations: violations}, nil
}
