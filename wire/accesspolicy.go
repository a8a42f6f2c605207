package wire

import (
	"encoding/json"
	"slices"
	"strings"

	"berth.dev/berth"
)

// AccessPolicy is what one principal may do with a vault.
type AccessPolicy struct {
	TenantID      string              `json:"tenantId"`
	ObjectID      string              `json:"objectId"`
	ApplicationID string              `json:"applicationId,omitempty"`
	Permissions   map[string][]string `json:"permissions"` // by what they are for: keys, secrets, certificates, storage
}

// SamePrincipal reports whether another policy is for the same principal.
func (p AccessPolicy) SamePrincipal(other AccessPolicy) bool {
	return strings.EqualFold(p.TenantID, other.TenantID) && strings.EqualFold(p.ObjectID, other.ObjectID) &&
		strings.EqualFold(p.ApplicationID, other.ApplicationID)
}

// With are the permissions of two policies together.
func (p AccessPolicy) With(other AccessPolicy) map[string][]string {
	out := p.Without(AccessPolicy{})
	for of, all := range other.Permissions {
		for _, one := range all {
			if !hasFold(out[of], one) {
				out[of] = append(out[of], one)
			}
		}
	}
	return out
}

// Without are the permissions of a policy that another one does not have.
func (p AccessPolicy) Without(other AccessPolicy) map[string][]string {
	out := map[string][]string{}
	for of, all := range p.Permissions {
		for _, one := range all {
			if !hasFold(other.Permissions[of], one) {
				out[of] = append(out[of], one)
			}
		}
	}
	return out
}

func hasFold(all []string, one string) bool {
	return slices.ContainsFunc(all, func(other string) bool { return strings.EqualFold(one, other) })
}

// StoredAccessPolicies are the policies of a vault. Those that cannot be read are left out.
func StoredAccessPolicies(r *berth.Resource) (out []AccessPolicy) {
	sent, _ := r.Body.(*berth.Record).Properties()["accessPolicies"].([]any)
	for _, v := range sent {
		var p AccessPolicy
		text, err := json.Marshal(v)
		if err == nil && json.Unmarshal(text, &p) == nil {
			out = append(out, p)
		}
	}
	return out
}

// PlainAccessPolicies are policies as a record stores them.
func PlainAccessPolicies(all []AccessPolicy) []any {
	plain, _ := Plain(Object{"all": append([]AccessPolicy{}, all...)})["all"].([]any)
	return plain
}

// AccessPolicies answers the policies of a vault by themselves.
func AccessPolicies(r *berth.Resource) Object {
	return Object{"id": r.ID.String() + "/accessPolicies/", "type": berth.TypeVault + "/accessPolicies", "location": r.Location,
		"properties": Object{"accessPolicies": PlainAccessPolicies(StoredAccessPolicies(r))}}
}
