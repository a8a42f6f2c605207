package catalog_test

import (
	"regexp"
	"testing"

	"berth.dev/berth/catalog"
)

// TestRoles: the ids of the roles that templates for clusters and workspaces assign, as Azure documents them.
func TestRoles(t *testing.T) {
	known := map[string]string{
		"Owner": "8e3af657-a8ff-443c-a75c-2fe8c4bcb635", "Contributor": "b24988ac-6180-42a0-ab88-20f7382dd24c",
		"Reader": "acdd72a7-3385-48ef-bd42-f606fba81ae7", "AcrPull": "7f951dda-4ed3-4680-a7ca-43fe172d538d",
		"Network Contributor":                         "4d97b98b-1d4f-4787-a291-c67834d212e7",
		"Azure Kubernetes Service Cluster User Role":  "4abbcc35-e782-43d8-92c5-2d3f1bd2253f",
		"Azure Kubernetes Service RBAC Cluster Admin": "b1ff04bb-8a4e-4dc4-8eb5-8693973ce19b",
		"AzureML Data Scientist":                      "f6c7c914-8db3-469d-8ca1-694a8f32e121",
		"Managed Identity Operator":                   "f1a07417-d97a-45cb-824c-7a7467783830",
		"Storage Blob Data Contributor":               "ba92f5b4-2d11-453d-a403-e96b0029c9fe",
		"Key Vault Secrets User":                      "4633458b-17de-408a-b874-0445c86b69e6",
		"Role Based Access Control Administrator":     "f58310d9-a9f6-439a-9e8d-f62e7b41a168",
	}
	guid := regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
	seen := map[string]bool{}
	for _, r := range catalog.Roles() {
		if !guid.MatchString(r.ID) || seen[r.ID] || r.Name == "" {
			t.Errorf("%+v", r)
		}
		seen[r.ID] = true
		if want, named := known[r.Name]; named && want != r.ID {
			t.Errorf("%s has the id %s", r.Name, r.ID)
		}
		delete(known, r.Name)
	}
	if len(known) > 0 {
		t.Errorf("not in the list: %v", known)
	}
}
