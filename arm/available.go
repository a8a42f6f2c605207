package arm

import (
	"net/http"
	"strings"

	"berth.dev/berth"
	"berth.dev/berth/store"
	"berth.dev/berth/wire"
)

// namedServices are the rows of checkNameAvailability, by which clients ask before they create what has a host name of its own.
func namedServices() (out []service) {
	for _, typ := range []string{berth.TypeStorage, berth.TypeVault, berth.TypeRegistry} {
		namespace, _, _ := strings.Cut(typ, "/")
		out = append(out, service{path: "subscriptions/{}/providers/" + namespace + "/checkNameAvailability", name: "checknameavailability",
			method: http.MethodPost, right: namespace + "/checkNameAvailability/read",
			serve: func(s *Server, q *request, _ target) (*response, error) { return s.nameAvailable(q, typ) }})
	}
	return out
}

func (s *Server) nameAvailable(q *request, typ string) (*response, error) {
	var in struct {
		Name string `json:"name"`
		Type string `json:"type"`
	}
	if err := wire.Decode(q.body, &in); err != nil {
		return nil, err
	}
	types := []string{typ}
	if typ == berth.TypeVault {
		types = append(types, berth.TypeDeletedVault) // it keeps its name until it is purged
	}
	for _, t := range types {
		taken, err := s.Store.All(q.Context(), store.Query{Type: t, Subscription: s.Subscription, Name: in.Name})
		if err != nil {
			return nil, err
		}
		if len(taken) > 0 {
			return ok(wire.Object{"nameAvailable": false, "reason": "AlreadyExists", "message": "The name '" + in.Name + "' is already taken."}), nil
		}
	}
	return ok(wire.Object{"nameAvailable": true, "reason": nil, "message": nil}), nil
}
