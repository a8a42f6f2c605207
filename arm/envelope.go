package arm

import (
	"errors"

	"berth.dev/berth"
	"berth.dev/berth/catalog"
	"berth.dev/berth/rules"
	"berth.dev/berth/store"
	"berth.dev/berth/wire"
)

// The part of a request that all kinds share: location and tags.

// codeInvalidGroupLocation is the code that ARM uses instead of berth.CodeInvalidLocation for a group.
const codeInvalidGroupLocation berth.Code = "InvalidResourceGroupLocation"

// location is the canonical form of the location that was sent, or otherwise. The location of an existing resource cannot change.
func location(sent *string, old *berth.Resource, otherwise string) (string, error) {
	if old != nil {
		otherwise = old.Location
	}
	if sent == nil || *sent == "" {
		if otherwise == "" {
			return "", &berth.Error{Code: berth.CodeLocationRequired, Target: "location",
				Message: "The location property is required for this definition."}
		}
		return otherwise, nil
	}
	name, known := catalog.CanonicalLocation(*sent)
	switch {
	case !known:
		return "", &berth.Error{Code: berth.CodeLocationUnavailable, Target: "location",
			Message: "The location '" + *sent + "' is not known. Use one from GET /subscriptions/{id}/locations, such as 'westeurope'."}
	case old != nil && name != old.Location:
		code := berth.CodeInvalidLocation
		if old.ID.IsGroup() {
			code = codeInvalidGroupLocation
		}
		return "", &berth.Error{Code: code, Target: "location",
			Message: "'" + old.ID.Name() + "' already exists in location '" + old.Location + "'; a resource cannot be moved or created again in '" +
				name + "'. Use another name, or delete it first."}
	}
	return name, nil
}

// groupLocation is the location of a resource whose request names none: that of its group. It is empty when there is no such
// group, which the store refuses when it accepts the change.
func (s *Server) groupLocation(q *request, id berth.ID) (string, error) {
	group, err := s.stored(q, berth.GroupID(id.Subscription, id.Group))
	if errors.Is(err, store.ErrNotFound) {
		return "", nil
	}
	switch {
	case err != nil:
		return "", err
	case group.Unreadable:
		return "", group.Fault
	}
	return group.Location, nil
}

// keepTags are the tags of a PUT: those sent, or the old ones when none were.
func keepTags(sent map[string]string, old *berth.Resource) map[string]string {
	if sent == nil && old != nil {
		return old.Tags
	}
	return sent
}

// patchTags replaces the whole map of tags, as ARM does, and changes nothing else.
func patchTags(_ *Server, q *request, old *berth.Resource) (*plan, error) {
	var in struct {
		Tags map[string]string `json:"tags"`
	}
	if err := wire.Decode(q.body, &in); err != nil {
		return nil, err
	}
	r := *old
	r.Tags = keepTags(in.Tags, old)
	return &plan{change: store.Change{Resource: &r, Settled: true}, violations: rules.Tags(r.Tags)}, nil
}
