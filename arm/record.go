package arm

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"berth.dev/berth"
	"berth.dev/berth/rules"
	"berth.dev/berth/store"
	"berth.dev/berth/wire"
)

// putRecord plans the PUT of a record of any type.
func (row *recordRow) putRecord(s *Server, q *request, id berth.ID, old *berth.Resource) (*plan, error) {
	sent, tags, fields, err := wire.RecordPut(q.body)
	if err != nil {
		return nil, err
	}
	where, err := row.location(s, q, id, old, sent)
	if err != nil {
		return nil, err
	}
	if fields == nil {
		fields = map[string]any{}
	}
	body := &berth.Record{Type: row.typ, Fields: fields}
	row.complete(body, old)
	if err := s.identities(q, fields, old); err != nil {
		return nil, err
	}
	if id.Scope != "" && old == nil {
		if err := s.extends(q, id); err != nil {
			return nil, err
		}
	}
	if row.check != nil {
		var was *berth.Record
		if old != nil {
			was = old.Body.(*berth.Record)
		}
		if err := row.check(s, q, id, body, was); err != nil {
			return nil, err
		}
	}
	switch {
	case old != nil:
		body.Values = old.Body.(*berth.Record).Values
	case row.made != nil:
		body.Values = row.made(s, q, id, body)
	}
	if err := s.keepPreset(q, id.Parent()); err != nil {
		return nil, err
	}
	r := &berth.Resource{ID: id, Location: where, Tags: keepTags(tags, old), Body: body}
	return &plan{change: store.Change{Resource: r, Settled: true}, violations: rules.Tags(r.Tags)}, nil
}

// patchRecord plans the PATCH of a record: the patch is laid over what is stored as JSON merge patch has it (RFC 7396), and what results
// is treated as a PUT. `tags` replace all others, as in Resource Manager.
func (row *recordRow) patchRecord(s *Server, q *request, old *berth.Resource) (*plan, error) {
	var patch map[string]any
	if err := wire.Decode(q.body, &patch); err != nil {
		return nil, err
	}
	whole := wire.Plain(old.Body.(*berth.Record).Fields)
	if whole == nil {
		whole = map[string]any{}
	}
	mergePatch(whole, patch)
	dropNulls(whole, patch)
	as, err := q.withBody(whole)
	if err != nil {
		return nil, err
	}
	return row.putRecord(s, as, old.ID, old)
}

// dropNulls removes what a patch sets to null.
func dropNulls(doc, patch map[string]any) {
	for key, v := range patch {
		inner, isObject := v.(map[string]any)
		below, hasObject := doc[key].(map[string]any)
		switch {
		case v == nil:
			delete(doc, key)
		case isObject && hasObject:
			dropNulls(below, inner)
		}
	}
}

// location is where a record is. A record inside another one is where that one is, unless its type has a location of its own.
func (row *recordRow) location(s *Server, q *request, id berth.ID, old *berth.Resource, sent *string) (string, error) {
	global := sent != nil && strings.EqualFold(*sent, "global")
	switch {
	case row.global && (global || sent == nil):
		return "global", nil
	case !row.untracked:
		return location(sent, old, "")
	case old != nil:
		return old.Location, nil
	}
	parent, err := s.Store.Get(q.Context(), id.Parent())
	switch {
	case id.Parent().IsZero(), errors.Is(err, store.ErrNotFound): // without a parent, the store refuses the change
		return "global", nil
	case err != nil:
		return "", err
	}
	return parent.Location, nil
}

// complete fills in the defaults of the type, for which null and 0 ask too, and the parts that an earlier PUT has stored and this one
// does not name.
func (row *recordRow) complete(body *berth.Record, old *berth.Resource) {
	properties := body.Properties()
	for k, v := range row.defaults {
		if sent := properties[k]; sent == nil || sent == 0.0 {
			properties[k] = v
		}
	}
	for _, typ := range row.parts {
		name := wire.PartsName(typ)
		if _, sent := properties[name]; !sent && old != nil {
			if was := old.Body.(*berth.Record).Properties()[name]; was != nil {
				properties[name] = was
			}
		}
	}
	if len(properties) > 0 {
		body.Fields["properties"] = properties
	}
}

// encode answers a record with its parts.
func (row *recordRow) encode(_ *Server, q *request, r *berth.Resource) wire.Object {
	computed := wire.Object{}
	if row.computed != nil {
		computed = row.computed(q.base, r)
	}
	for _, typ := range row.parts {
		computed[wire.PartsName(typ)] = wire.Parts(r, typ)
	}
	o := wire.Record(r, computed)
	if row.completed != nil {
		row.completed(o)
	}
	if row.untracked {
		return wire.Untracked(o)
	}
	return o
}

// extends refuses an extension of what does not exist: a resource, or a part of one such as a subnet.
// A namespace of a cluster need not be there yet: roles in it are given before it is made, as in Azure.
func (s *Server) extends(q *request, id berth.ID) error {
	of := id.Extended()
	if of.Is(berth.TypeClusterNamespace) || of.Is(berth.TypeConnectedNamespace) {
		of = of.Parent()
	}
	if err := s.exists(q, of); err != nil {
		if berth.ErrorCode(err) == berth.CodeNotFound {
			return berth.Errorf(berth.CodeParentNotFound, "'%s' cannot be created, because what it extends could not be found: %s. "+
				"Create that first.", id.Name(), of)
		}
		return err
	}
	return nil
}

// exists is the error of a GET of a resource or of a part; nil for the subscription, and when the GET succeeds.
func (s *Server) exists(q *request, id berth.ID) error {
	if id.Group == "" && id.IsGroup() || id.IsZero() {
		return nil
	}
	at, err := parse("GET", id.String(), s.Subscription)
	if err != nil {
		return err
	}
	_, err = at.methods()["GET"](s, q.at(id.String()), at)
	return err
}

// at is the same request for another path.
func (q *request) at(path string) *request {
	other := *q
	other.path = path
	return &other
}

// A part, such as a subnet, is no resource of its own: a change of a part is a change of its record.

// partsOf are the parts of the types, as rows of the routing table.
func partsOf(types []string) (out []part) {
	for _, typ := range types {
		out = append(out, part{
			name: wire.PartsName(typ),
			plan: func(_ *Server, q *request, id berth.ID, of *berth.Resource) (*plan, error) {
				return planPart(q, id, of, typ)
			},
			list: func(s *Server, q *request, t target) (*response, error) { return s.listParts(q, t, typ) },
			methods: methods{
				"GET":    func(s *Server, q *request, t target) (*response, error) { return s.getPart(q, t, typ) },
				"PUT":    func(s *Server, q *request, t target) (*response, error) { return s.putPart(q, t, typ) },
				"DELETE": func(s *Server, q *request, t target) (*response, error) { return s.removePart(q, t, typ) },
			},
		})
	}
	return out
}

func (s *Server) listParts(q *request, t target, typ string) (*response, error) {
	r, err := s.load(q, t.id)
	if err != nil {
		return nil, err
	}
	return ok(wire.Object{"value": wire.Parts(r, typ)}), nil
}

func (s *Server) getPart(q *request, t target, typ string) (*response, error) {
	r, err := s.load(q, t.id.Parent())
	if err != nil {
		return nil, err
	}
	if i := partIn(r, typ, t.id.Name()); i >= 0 {
		return ok(wire.Parts(r, typ)[i]), nil
	}
	return nil, noPart(t.id)
}

func (s *Server) putPart(q *request, t target, typ string) (*response, error) {
	return s.changeParts(q, t, typ, func(of *berth.Resource) (*plan, error) { return planPart(q, t.id, of, typ) })
}

// planPart plans the PUT of a part.
func planPart(q *request, id berth.ID, of *berth.Resource, typ string) (*plan, error) {
	var in struct {
		Properties map[string]any `json:"properties"`
	}
	if err := wire.Decode(q.body, &in); err != nil {
		return nil, err
	}
	delete(in.Properties, "provisioningState")
	delete(in.Properties, "berthNote")
	all, i := wire.StoredParts(of, typ), partIn(of, typ, id.Name())
	one := map[string]any{"name": id.Name(), "properties": in.Properties}
	if i < 0 {
		return withParts(of, typ, append(all, one)), nil
	}
	all[i] = one
	return withParts(of, typ, all), nil
}

// removePart removes a part with what extends it, such as its role assignments.
func (s *Server) removePart(q *request, t target, typ string) (*response, error) {
	res, err := s.changeParts(q, t, typ, func(of *berth.Resource) (*plan, error) {
		i := partIn(of, typ, t.id.Name())
		if i < 0 {
			return nil, noPart(t.id)
		}
		return withParts(of, typ, slices.Delete(wire.StoredParts(of, typ), i, i+1)), nil
	})
	if err != nil {
		return nil, err
	}
	inside, err := s.Store.All(q.Context(), store.Query{Parent: t.id.Parent()})
	if err != nil {
		return nil, err
	}
	for _, r := range inside {
		if r.ID.Scope != "" && r.ID.Extended().Key() == t.id.Key() {
			if err := s.drop(q, r.ID); err != nil {
				return nil, err
			}
		}
	}
	return res, nil
}

// partWords are what messages call a record and its part.
var partWords = map[string][2]string{
	berth.TypeSubnet: {"virtual network", "subnet"}, berth.TypeSecurityRule: {"network security group", "rule"},
	berth.TypeRoute: {"route table", "route"},
}

func noPart(id berth.ID) error {
	for typ, words := range partWords {
		if id.Is(typ) {
			return berth.Errorf(berth.CodeNotFound, "The %s '%s' has no %s '%s'.", words[0], id.Parent().Name(), words[1], id.Name())
		}
	}
	return berth.Errorf(berth.CodeNotFound, "'%s' could not be found.", id)
}

// partIn is the index of a part in its record; -1 when there is none with that name.
func partIn(r *berth.Resource, typ, name string) int {
	return slices.IndexFunc(wire.StoredParts(r, typ), func(s any) bool {
		text, _ := s.(wire.Object)["name"].(string)
		return strings.EqualFold(text, name)
	})
}

// subnetIn is the index of a subnet in its network; -1 when there is none with that name.
func subnetIn(network *berth.Resource, name string) int {
	return partIn(network, berth.TypeSubnet, name)
}

// changeParts stores a record with changed parts, and answers the requested part.
func (s *Server) changeParts(q *request, t target, typ string, decide func(of *berth.Resource) (*plan, error)) (*response, error) {
	id, of := t.id, t.id.Parent()
	k := *t.kind
	k.encode = func(_ *Server, _ *request, r *berth.Resource) wire.Object {
		if i := partIn(r, typ, id.Name()); i >= 0 {
			return wire.Parts(r, typ)[i].(wire.Object)
		}
		return wire.Object{}
	}
	return s.change(q, of, func(old *berth.Resource) (*plan, error) {
		if old == nil {
			return nil, s.missing(q, of)
		}
		return decide(old)
	}, &k)
}

// withParts is the change of a record to other parts of a type.
func withParts(of *berth.Resource, typ string, all []any) *plan {
	body := *of.Body.(*berth.Record)
	properties := maps.Clone(body.Properties())
	properties[wire.PartsName(typ)] = all
	body.Fields = maps.Clone(body.Fields)
	if body.Fields == nil {
		body.Fields = map[string]any{}
	}
	body.Fields["properties"] = properties
	r := *of
	r.Body = &body
	return &plan{change: store.Change{Resource: &r, Settled: true}}
}
