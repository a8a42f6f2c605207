package arm

import (
	"maps"
	"slices"
	"strings"

	"berth.dev/berth"
	"berth.dev/berth/rules"
	"berth.dev/berth/store"
	"berth.dev/berth/wire"
)

func putRecord(q *request, typ string, id berth.ID, old *berth.Resource) (*plan, error) {
	sent, tags, fields, err := wire.RecordPut(q.body)
	if err != nil {
		return nil, err
	}
	otherwise := ""
	if typ == berth.TypePolicyAssignment { // it has a location only with an identity
		otherwise = "global"
	}
	where, err := location(sent, old, otherwise)
	if err != nil {
		return nil, err
	}
	body := &berth.Record{Type: typ, Fields: fields}
	if old != nil && typ == berth.TypeNetwork { // a PUT without subnets keeps the stored ones
		if sent, was := body.Properties(), old.Body.(*berth.Record).Properties()["subnets"]; sent["subnets"] == nil && was != nil {
			sent["subnets"], fields["properties"] = was, sent
		}
	}
	r := &berth.Resource{ID: id, Location: where, Tags: keepTags(tags, old), Body: body}
	return &plan{change: store.Change{Resource: r, Settled: true}, violations: rules.Tags(r.Tags)}, nil
}

// Subnets are parts of their network and not resources of their own: a change of a subnet is a change of its network.

func (s *Server) listSubnets(q *request, t target) (*response, error) {
	r, err := s.load(q, t.id)
	if err != nil {
		return nil, err
	}
	return ok(wire.Object{"value": wire.Subnets(r)}), nil
}

func (s *Server) getSubnet(q *request, t target) (*response, error) {
	r, err := s.load(q, t.id.Parent())
	if err != nil {
		return nil, err
	}
	if i := subnetIn(r, t.id.Name()); i >= 0 {
		return ok(wire.Subnets(r)[i]), nil
	}
	return nil, noSubnet(t.id)
}

func (s *Server) putSubnet(q *request, t target) (*response, error) {
	var in map[string]any
	if err := wire.Decode(q.body, &in); err != nil {
		return nil, err
	}
	return s.changeSubnets(q, t, func(all []any, i int) ([]any, error) {
		one := map[string]any{"name": t.id.Name(), "properties": in["properties"]}
		if i < 0 {
			return append(all, one), nil
		}
		all[i] = one
		return all, nil
	})
}

func (s *Server) removeSubnet(q *request, t target) (*response, error) {
	return s.changeSubnets(q, t, func(all []any, i int) ([]any, error) {
		if i < 0 {
			return nil, noSubnet(t.id)
		}
		return slices.Delete(all, i, i+1), nil
	})
}

func noSubnet(id berth.ID) error {
	return berth.Errorf(berth.CodeNotFound, "The virtual network '%s' has no subnet '%s'.", id.Parent().Name(), id.Name())
}

// subnetIn is the index of a subnet in its network; -1 when there is none with that name.
func subnetIn(network *berth.Resource, name string) int {
	return slices.IndexFunc(wire.Subnets(network), func(s any) bool {
		return strings.EqualFold(s.(wire.Object)["name"].(string), name)
	})
}

// changeSubnets stores a network with an edited list of subnets, and answers the requested subnet.
func (s *Server) changeSubnets(q *request, t target, edit func(all []any, i int) ([]any, error)) (*response, error) {
	id, network := t.id, t.id.Parent()
	k := *t.kind
	k.encode = func(_ *Server, _ *request, r *berth.Resource) wire.Object {
		if i := subnetIn(r, id.Name()); i >= 0 {
			return wire.Subnets(r)[i].(wire.Object)
		}
		return wire.Object{}
	}
	return s.change(q, network, func(old *berth.Resource) (*plan, error) {
		if old == nil {
			return nil, s.missing(q, network)
		}
		all, err := edit(wire.Subnets(old), subnetIn(old, id.Name()))
		if err != nil {
			return nil, err
		}
		body := *old.Body.(*berth.Record)
		properties := maps.Clone(body.Properties())
		properties["subnets"] = all
		body.Fields = maps.Clone(body.Fields)
		if body.Fields == nil {
			body.Fields = map[string]any{}
		}
		body.Fields["properties"] = properties
		r := *old
		r.Body = &body
		return &plan{change: store.Change{Resource: &r, Settled: true}}, nil
	}, &k)
}
