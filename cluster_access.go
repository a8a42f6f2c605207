package berth

import "strings"

// KubernetesApplication is the application of AKS in every tenant of Microsoft Entra ID. It is the audience of the tokens with which
// people and programs sign in to clusters.
const KubernetesApplication = "6dae42f8-4368-4678-94ff-3960e28e3630"

// ClusterAccess is who may sign in to a managed cluster, and by what it is decided what they may do.
type ClusterAccess struct {
	Entra     bool // the callers of Berth sign in to it (aadProfile)
	AzureRBAC bool // their roles at Berth decide, and not the RBAC of the cluster
	// AdminGroups are the object ids of groups whose members may do everything there, in lower case.
	AdminGroups []string
	// NoLocal is true when the certificates and tokens of its administrator do not sign in.
	NoLocal bool
	// Tenant is the one that the request names; empty for the server's own.
	Tenant string
}

// Access is who may sign in to the cluster, as it was requested.
func (s *ClusterSpec) Access() ClusterAccess {
	profile, _ := field(s.Profile, "aadProfile").(map[string]any)
	a := ClusterAccess{NoLocal: field(s.Profile, "disableLocalAccounts") == true, AzureRBAC: field(profile, "enableAzureRBAC") == true}
	a.Entra = a.AzureRBAC || field(profile, "managed") == true // a profile with applications of one's own (the legacy one) is not acted on
	a.Tenant, _ = field(profile, "tenantID").(string)
	groups, _ := field(profile, "adminGroupObjectIDs").([]any)
	for _, g := range groups {
		if id, isText := g.(string); isText && a.Entra {
			a.AdminGroups = append(a.AdminGroups, strings.ToLower(id))
		}
	}
	return a
}

// field is a property by its name, in any casing.
func field(of map[string]any, name string) any {
	for key, v := range of {
		if strings.EqualFold(key, name) {
			return v
		}
	}
	return nil
}
