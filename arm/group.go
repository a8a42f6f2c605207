package arm

import (
	"net/http"
	"strings"

	"github.com/google/uuid"

	"berth.dev/berth"
	"berth.dev/berth/catalog"
	"berth.dev/berth/rules"
	"berth.dev/berth/store"
	"berth.dev/berth/wire"
)

// codeInvalidGroupLocation is what ARM calls berth.CodeInvalidLocation when it is a group's.
const codeInvalidGroupLocation berth.Code = "InvalidResourceGroupLocation"

// location brings a location into its canonical form. Of an existing resource it cannot change.
func location(sent *string, old *berth.Resource, otherwise string) (string, error) {
	if old != nil {
		otherwise = old.Location
	}
	if sent == nil || *sent == "" {
		if otherwise == "" {
			return "", &berth.Error{Code: berth.CodeLocationRequired, Target: "location", Message: "The location property is required for this definition."}
		}
		return otherwise, nil
	}
	name, known := catalog.CanonicalLocation(*sent)
	switch {
	case !known:
		return "", &berth.Error{Code: berth.CodeLocationUnavailable, Target: "location", Message: "The location '" + *sent + "' is not known. List the known ones with GET /subscriptions/{id}/locations; an example is 'westeurope'."}
	case old != nil && name != old.Location:
		code := berth.CodeInvalidLocation
		if old.ID.IsGroup() {
			code = codeInvalidGroupLocation
		}
		return "", &berth.Error{Code: code, Target: "location", Message: "'" + old.ID.Name() + "' already exists in location '" + old.Location + "'; a resource cannot be made again or moved to '" + name + "'. Use another name, or delete it first."}
	}
	return name, nil
}

// keepTags are the tags of a PUT: those sent, or the old ones when none were.
func keepTags(sent map[string]string, old *berth.Resource) map[string]string {
	if sent == nil && old != nil {
		return old.Tags
	}
	return sent
}

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

// patchTags replaces the whole map of tags, as ARM does, and leaves all else.
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
	return &plan{change: store.Change{Resource: r, Settled: true}, violations: append(rules.WorkspaceName(id.Name()), rules.Tags(r.Tags)...)}, nil
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

// listResources answers …/resources: everything but the groups, filtered.
func (s *Server) listResources(q *request, group berth.ID) (*response, error) {
	f, err := parseFilter(q.URL.Query().Get("$filter"))
	if err != nil {
		return nil, err
	}
	if !group.IsZero() {
		f.group = group.Group
		if _, err := s.load(q, group); err != nil {
			return nil, err
		}
	}
	query := store.Query{Subscription: s.Subscription}
	if f.group != "" {
		query.Group = berth.GroupID(s.Subscription, f.group)
	}
	return s.pageOf(q, query, func(r *berth.Resource) bool { return !r.ID.IsGroup() && f.matches(r) })
}

func (s *Server) listSubscriptions(*request) (*response, error) {
	return ok(wire.Object{"value": []any{s.subscription()}, "count": wire.Object{"type": "Total", "value": 1}}), nil
}

func (s *Server) getSubscription(*request) (*response, error) { return ok(s.subscription()), nil }

func (s *Server) subscription() wire.Object {
	return wire.Object{
		"id": "/subscriptions/" + s.Subscription, "subscriptionId": s.Subscription, "tenantId": s.Authority.TenantID(), "displayName": "Berth", "state": "Enabled",
		"authorizationSource": "RoleBased", "managedByTenants": []any{}, "subscriptionPolicies": wire.Object{"locationPlacementId": "Public_2014-09-01", "quotaId": "PayAsYouGo_2014-09-01", "spendingLimit": "Off"},
	}
}

func (s *Server) listTenants(*request) (*response, error) {
	t := s.Authority.TenantID()
	return ok(wire.Object{"value": []any{wire.Object{"id": "/tenants/" + t, "tenantId": t, "displayName": "Berth", "tenantCategory": "Home", "countryCode": nil, "domains": []string{"berth.localhost"}}}}), nil
}

func (s *Server) listLocations(*request) (*response, error) {
	value := []any{}
	for _, l := range catalog.Locations() {
		o := wire.Object{
			"id": "/subscriptions/" + s.Subscription + "/locations/" + l.Name, "name": l.Name, "displayName": l.DisplayName, "regionalDisplayName": l.DisplayName, "type": "Region",
		}
		metadata := wire.Object{"regionType": "Physical", "regionCategory": "Recommended"}
		if l.Pair != "" {
			metadata["pairedRegion"] = []any{wire.Object{"name": l.Pair, "id": "/subscriptions/" + s.Subscription + "/locations/" + l.Pair}}
		}
		o["metadata"] = metadata
		value = append(value, o)
	}
	return ok(wire.Object{"value": value}), nil
}

// routeProvider routes what stands behind /subscriptions/{id}/providers.
func (s *Server) routeProvider(q *request, rest []string) (*response, error) {
	q.kindName = "providers"
	if len(rest) > 2 && berth.OfSubscription(rest[0]+"/"+rest[1]) {
		return s.routeResource(q, berth.ID{Subscription: s.Subscription}, rest)
	}
	switch len(rest) {
	case 0:
		return s.only(q, http.MethodGet, s.listProviders)
	case 1:
		return s.only(q, http.MethodGet, func(*request) (*response, error) { return s.getProvider(rest[0]) })
	case 2:
		if strings.EqualFold(rest[1], "register") || strings.EqualFold(rest[1], "unregister") {
			return s.only(q, http.MethodPost, func(*request) (*response, error) { return s.getProvider(rest[0]) })
		}
		k, err := s.kind(q, berth.ID{Subscription: s.Subscription, Namespace: rest[0], Types: rest[1:], Names: rest[1:]})
		if err != nil {
			return nil, err
		}
		return s.only(q, http.MethodGet, func(q *request) (*response, error) { return s.list(q, k, berth.ID{}) })
	case 4, 5:
		if strings.EqualFold(rest[1], "locations") {
			if !knownNamespace(rest[0]) {
				return nil, unknownNamespace(rest[0])
			}
			return s.routeLocation(q, rest[2], rest[3:])
		}
	}
	return nil, notThere(q.URL.Path)
}

// routeLocation routes what stands behind …/providers/{namespace}/locations/{location}.
func (s *Server) routeLocation(q *request, where string, rest []string) (*response, error) {
	q.kindName = "locations/" + strings.ToLower(rest[0])
	switch {
	case len(rest) == 2 && (strings.EqualFold(rest[0], "operationsStatuses") || strings.EqualFold(rest[0], "operations")):
		return s.only(q, http.MethodGet, func(q *request) (*response, error) { return s.operationStatus(q, rest[1]) })
	case len(rest) == 2 && strings.EqualFold(rest[0], "operationResults"):
		return s.only(q, http.MethodGet, func(q *request) (*response, error) { return s.operationResult(q, rest[1]) })
	case len(rest) == 1 && strings.EqualFold(rest[0], "orchestrators"), len(rest) == 1 && strings.EqualFold(rest[0], "kubernetesVersions"):
		if _, err := location(&where, nil, ""); err != nil {
			return nil, err
		}
		return s.only(q, http.MethodGet, func(q *request) (*response, error) {
			if strings.EqualFold(rest[0], "orchestrators") {
				return ok(wire.Orchestrators(cleanPath(q.URL.Path))), nil
			}
			return ok(wire.KubernetesVersions()), nil
		})
	}
	q.kindName = "unknown"
	return nil, notThere(q.URL.Path)
}
