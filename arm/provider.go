package arm

import (
	"sort"
	"strings"

	"berth.dev/berth"
	"berth.dev/berth/catalog"
	"berth.dev/berth/wire"
)

// served are the resource types of each namespace, as provider listings show them: derived from the routing table.
var served map[string][]string

// servedTypes are the kinds, their parts that can be written, and the services that listings show, in the order of the table.
func servedTypes(kinds []*kind) map[string][]string {
	out := map[string][]string{}
	add := func(typ string) {
		namespace, rest, _ := strings.Cut(typ, "/")
		out[namespace] = append(out[namespace], rest)
	}
	for _, k := range kinds {
		add(k.typ)
		for _, p := range k.parts {
			if typ := k.typ + "/" + p.name; canDeploy(typ) {
				add(typ)
			}
		}
	}
	for _, v := range services {
		if v.typ != "" {
			add(v.typ)
		}
	}
	return out
}

// listedVersions are the api-versions from which clients choose; Berth answers later ones too.
var listedVersions = []string{
	"2025-12-01", "2025-10-01", "2025-06-01", "2024-10-01", "2024-04-01", "2023-10-01", "2022-10-01", "2022-05-01", "2021-07-01",
	"2021-04-01", "2020-02-02", "2019-11-01", "2019-04-01",
}

func namespaces() []string {
	var out []string
	for ns := range served {
		out = append(out, ns)
	}
	sort.Strings(out)
	return out
}

func knownNamespace(ns string) bool {
	for n := range served {
		if strings.EqualFold(n, ns) {
			return true
		}
	}
	return false
}

func unknownNamespace(ns string) error {
	return berth.Errorf(berth.CodeInvalidNamespace, "The resource namespace '%.80s' is invalid: Berth does not serve it. Use one of %s.",
		ns, strings.Join(namespaces(), ", "))
}

func (s *Server) listProviders(*request, target) (*response, error) {
	value := []any{}
	for _, ns := range namespaces() {
		value = append(value, s.provider(ns))
	}
	return ok(wire.Object{"value": value}), nil
}

func (s *Server) getProvider(_ *request, t target) (*response, error) {
	for ns := range served {
		if strings.EqualFold(ns, t.words[0]) {
			return ok(s.provider(ns)), nil
		}
	}
	return nil, unknownNamespace(t.words[0])
}

func (s *Server) provider(ns string) wire.Object {
	var regions []string
	for _, l := range catalog.Locations() {
		regions = append(regions, l.DisplayName)
	}
	types := []any{}
	for _, t := range served[ns] {
		types = append(types, wire.Object{
			"resourceType": t, "locations": regions, "apiVersions": listedVersions, "defaultApiVersion": listedVersions[0],
			"capabilities": "SupportsTags, SupportsLocation",
		})
	}
	return wire.Object{
		"id": s.root() + "/providers/" + ns, "namespace": ns, "registrationState": "Registered",
		"registrationPolicy": "RegistrationFree", "resourceTypes": types,
	}
}
