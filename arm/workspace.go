package arm

import (
	"github.com/google/uuid"

	"berth.dev/berth"
	"berth.dev/berth/rules"
	"berth.dev/berth/store"
	"berth.dev/berth/wire"
)

func encodeWorkspace(s *Server, q *request, r *berth.Resource) wire.Object {
	return wire.Workspace(r, q.base, s.Authority.TenantID())
}

func putWorkspace(_ *Server, q *request, id berth.ID, old *berth.Resource) (*plan, error) {
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
	r := &berth.Resource{ID: id, Location: where, Tags: keepTags(in.Tags, old), Body: body}
	return &plan{change: store.Change{Resource: r, Settled: true},
		violations: append(rules.WorkspaceName(id.Name()), rules.Tags(r.Tags)...)}, nil
}

func patchWorkspace(s *Server, q *request, old *berth.Resource) (*plan, error) {
	p, err := patchTags(s, q, old)
	if err != nil {
		return nil, err
	}
	var in wire.WorkspacePut
	if err := wire.Decode(q.body, &in); err != nil {
		return nil, err
	}
	body := *old.Body.(*berth.Workspace)
	in.Merge(&body)
	p.change.Resource.Body = &body
	return p, nil
}
