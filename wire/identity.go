package wire

import (
	"maps"
	"slices"
	"strings"

	"berth.dev/berth"
)

// IdentityFields is `identity` in a body: the managed identity of a resource.
type IdentityFields struct {
	Type         string         `json:"type"`
	UserAssigned map[string]any `json:"userAssignedIdentities"`
}

// IDs are the user-assigned identities that are requested, sorted.
func (f *IdentityFields) IDs() []string {
	if !strings.Contains(strings.ToLower(f.Type), "userassigned") {
		return nil
	}
	return slices.Sorted(maps.Keys(f.UserAssigned))
}

// identityOf answers the identity of a resource. Without one that was requested it is SystemAssigned.
func identityOf(i *berth.Identity, principal, tenant string) any {
	if i == nil {
		i = &berth.Identity{Type: "SystemAssigned"}
	}
	if strings.EqualFold(i.Type, "None") {
		return Object{"type": "None"}
	}
	o := Object{"type": i.Type}
	if strings.Contains(strings.ToLower(i.Type), "systemassigned") {
		o["principalId"], o["tenantId"] = principal, tenant
	}
	if len(i.UserAssigned) > 0 {
		ids := Object{}
		for id, known := range i.UserAssigned {
			ids[id] = Object{"principalId": known.PrincipalID, "clientId": known.ClientID}
		}
		o["userAssignedIdentities"] = ids
	}
	return o
}

// DefaultIdentity reports whether an identity is what a managed cluster has when none is requested.
func DefaultIdentity(i *berth.Identity) bool {
	return i != nil && strings.EqualFold(i.Type, "SystemAssigned")
}

// warnings adds those that the rules reported for the last accepted request.
func warnings(properties Object, all []berth.Error) {
	if len(all) > 0 {
		properties["warnings"] = all
	}
}
