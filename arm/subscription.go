package arm

import (
	"berth.dev/berth/catalog"
	"berth.dev/berth/wire"
)

// listSubscriptions answers the subscription, to those that have a role in it.
func (s *Server) listSubscriptions(q *request, _ target) (*response, error) {
	if !q.policy.HasRole(q.caller.ObjectID, s.root()) {
		return ok(wire.Object{"value": []any{}, "count": wire.Object{"type": "Total", "value": 0}}), nil
	}
	return ok(wire.Object{"value": []any{s.subscription()}, "count": wire.Object{"type": "Total", "value": 1}}), nil
}

func (s *Server) getSubscription(*request, target) (*response, error) {
	return ok(s.subscription()), nil
}

func (s *Server) subscription() wire.Object {
	return wire.Object{
		"id": s.root(), "subscriptionId": s.Subscription, "tenantId": s.Authority.TenantID(),
		"displayName": "Berth", "state": "Enabled", "authorizationSource": "RoleBased", "managedByTenants": []any{},
		"subscriptionPolicies": wire.Object{
			"locationPlacementId": "Public_2014-09-01", "quotaId": "PayAsYouGo_2014-09-01", "spendingLimit": "Off",
		},
	}
}

func (s *Server) listTenants(*request, target) (*response, error) {
	t := s.Authority.TenantID()
	return ok(wire.Object{"value": []any{wire.Object{
		"id": "/tenants/" + t, "tenantId": t, "displayName": "Berth", "tenantCategory": "Home", "countryCode": nil,
		"domains": []string{"berth.localhost"},
	}}}), nil
}

func (s *Server) listLocations(*request, target) (*response, error) {
	value := []any{}
	for _, l := range catalog.Locations() {
		o := wire.Object{
			"id": s.root() + "/locations/" + l.Name, "name": l.Name, "type": "Region",
			"displayName": l.DisplayName, "regionalDisplayName": l.DisplayName,
		}
		metadata := wire.Object{"regionType": "Physical", "regionCategory": "Recommended"}
		if l.Pair != "" {
			pair := wire.Object{"name": l.Pair, "id": s.root() + "/locations/" + l.Pair}
			metadata["pairedRegion"] = []any{pair}
		}
		o["metadata"] = metadata
		value = append(value, o)
	}
	return ok(wire.Object{"value": value}), nil
}

// orchestrators answers …/locations/{location}/orchestrators, the older list of Kubernetes versions.
func (s *Server) orchestrators(q *request, t target) (*response, error) {
	if _, err := location(&t.words[1], nil, ""); err != nil {
		return nil, err
	}
	return ok(wire.Orchestrators(cleanPath(q.URL.Path))), nil
}

// kubernetesVersions answers …/locations/{location}/kubernetesVersions.
func (s *Server) kubernetesVersions(_ *request, t target) (*response, error) {
	if _, err := location(&t.words[1], nil, ""); err != nil {
		return nil, err
	}
	return ok(wire.KubernetesVersions()), nil
}
