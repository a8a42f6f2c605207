package arm

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"berth.dev/berth"
	"berth.dev/berth/store"
	"berth.dev/berth/wire"
)

// accessPolicies are the policies of a vault, one for each principal. Besides a PUT of the vault, clients change single ones of them:
// PUT …/vaults/{vault}/accessPolicies/add, /replace or /remove.
func accessPolicies() part {
	return part{name: "accessPolicies", plan: (*Server).planPolicies, methods: methods{
		http.MethodGet: func(s *Server, q *request, t target) (*response, error) {
			r, err := s.load(q, t.id.Parent())
			if err != nil {
				return nil, err
			}
			return ok(wire.AccessPolicies(r)), nil
		},
		http.MethodPut: func(s *Server, q *request, t target) (*response, error) {
			k := *t.kind
			k.polled = false
			k.encode = func(_ *Server, _ *request, r *berth.Resource) wire.Object { return wire.AccessPolicies(r) }
			vault := t.id.Parent()
			return s.change(q, vault, func(old *berth.Resource) (*plan, error) {
				if old == nil {
					return nil, s.missing(q, vault)
				}
				return s.planPolicies(q, t.id, old)
			}, &k)
		},
	}}
}

// planPolicies plans a PUT of access policies as the change of their vault.
func (s *Server) planPolicies(q *request, id berth.ID, of *berth.Resource) (*plan, error) {
	var in struct {
		Properties struct {
			Policies []wire.AccessPolicy `json:"accessPolicies"`
		} `json:"properties"`
	}
	if err := wire.Decode(q.body, &in); err != nil {
		return nil, err
	}
	all := wire.StoredAccessPolicies(of)
	for _, p := range in.Properties.Policies {
		i := slices.IndexFunc(all, p.SamePrincipal)
		switch verb := strings.ToLower(id.Name()); {
		case verb != "add" && verb != "replace" && verb != "remove":
			return nil, berth.Errorf(berth.CodeInvalidRequest, "'%.40s' is no change of access policies. It is add, replace or remove.", id.Name())
		case i < 0 && verb == "remove":
		case i < 0:
			all = append(all, p)
		case verb == "replace":
			all[i] = p
		case verb == "add":
			all[i].Permissions = all[i].With(p)
		default:
			if all[i].Permissions = all[i].Without(p); len(all[i].Permissions) == 0 {
				all = slices.Delete(all, i, i+1)
			}
		}
	}
	body := *of.Body.(*berth.Record)
	properties := maps.Clone(body.Properties())
	properties["accessPolicies"] = wire.PlainAccessPolicies(all)
	body.Fields = maps.Clone(body.Fields)
	body.Fields["properties"] = properties
	r := *of
	r.Body = &body
	return &plan{change: store.Change{Resource: &r, Settled: true}}, nil
}
