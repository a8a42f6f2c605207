package arm

import (
	"net/http"
	"slices"
	"strings"

	"berth.dev/berth"
)

// service is one row of the routing table: an address that is not a resource.
type service struct {
	path   string // {} stands for any word
	name   string // in metrics
	method string
	right  string // the ARM action that a caller needs
	typ    string // as provider listings show it; empty for what they do not show
	serve  handler
	words  []string // the words of path
}

var services []service

// serviceRows are the rows. The first {} behind /subscriptions/ is the subscription, which parse has checked.
func serviceRows() []service {
	const subscription, locations = "subscriptions/{}", "subscriptions/{}/providers/{}/locations/{}/"
	const rights, get = "Microsoft.Resources/subscriptions", http.MethodGet
	all := []service{
		{path: "subscriptions", name: "subscriptions", right: rights + "/read", typ: rights, serve: (*Server).listSubscriptions},
		{path: subscription, name: "subscriptions", right: rights + "/read", serve: (*Server).getSubscription},
		{path: "tenants", name: "tenants", right: "Microsoft.Resources/tenants/read", typ: "Microsoft.Resources/tenants",
			serve: (*Server).listTenants},
		{path: "providers", name: "providers", right: "Microsoft.Resources/providers/read", serve: (*Server).listProviders},
		{path: subscription + "/locations", name: "locations", right: rights + "/locations/read", serve: (*Server).listLocations},
		{path: subscription + "/operations", name: "operations", right: rights + "/operations/read", serve: (*Server).listOperations},
		{path: subscription + "/residues", name: "residues", right: rights + "/residues/read", serve: (*Server).listCleanups},
		{path: subscription + "/resources", name: "resources", right: rights + "/resources/read", serve: (*Server).listResources},
		{path: subscription + "/providers", name: "providers", right: rights + "/providers/read", serve: (*Server).listProviders},
		{path: subscription + "/providers/{}", name: "providers", right: rights + "/providers/read", serve: (*Server).getProvider},
		{path: subscription + "/providers/{}/register", name: "providers", method: http.MethodPost,
			right: rights + "/providers/register/action", serve: (*Server).getProvider},
		{path: subscription + "/providers/{}/unregister", name: "providers", method: http.MethodPost,
			right: rights + "/providers/unregister/action", serve: (*Server).getProvider},
		{path: locations + "operationsStatuses/{}", name: "locations/operationsstatuses", right: rights + "/operationResults/read",
			typ: "Microsoft.MachineLearningServices/locations/operationsStatuses", serve: (*Server).operationStatus},
		{path: locations + "operations/{}", name: "locations/operations", right: rights + "/operationResults/read",
			serve: (*Server).operationStatus},
		{path: locations + "operationResults/{}", name: "locations/operationresults", right: rights + "/operationResults/read",
			serve: (*Server).operationResult},
		{path: locations + "orchestrators", name: "locations/orchestrators", right: "Microsoft.ContainerService/locations/orchestrators/read",
			typ: "Microsoft.ContainerService/locations/orchestrators", serve: (*Server).orchestrators},
		{path: locations + "kubernetesVersions", name: "locations/kubernetesversions",
			right: "Microsoft.ContainerService/locations/kubernetesVersions/read",
			typ:   "Microsoft.ContainerService/locations/kubernetesVersions", serve: (*Server).kubernetesVersions},
	}
	all = slices.Concat(all, []service{vmSizesRow, datastoreSecretsRow, activityRow}, recordServices(), namedServices())
	for i := range all {
		all[i].words = strings.Split(all[i].path, "/")
		if all[i].method == "" {
			all[i].method = get
		}
	}
	return all
}

// recordServices are the rows of the services around records.
func recordServices() []service {
	const providers, features = "subscriptions/{}/providers/", "subscriptions/{}/providers/Microsoft.Features/providers/{}/features"
	const deleted = providers + "Microsoft.KeyVault/locations/{}/deletedVaults/{}"
	const roles, noWorkspaces = berth.TypeRoleDefinition + "/read", "Microsoft.OperationalInsights/deletedWorkspaces"
	return []service{
		{path: "providers/" + berth.TypeRoleDefinition, name: "roledefinitions", right: roles, serve: (*Server).listRoles},
		{path: "providers/" + berth.TypeRoleDefinition + "/{}", name: "roledefinitions", right: roles, serve: (*Server).getRole},
		{path: providers + "Microsoft.Features/features", name: "features", right: "Microsoft.Features/features/read",
			serve: (*Server).listFeatures},
		{path: features, name: "features", right: "Microsoft.Features/providers/features/read", serve: (*Server).listFeatures},
		{path: features + "/{}", name: "features", right: "Microsoft.Features/providers/features/read", serve: (*Server).getFeature},
		{path: features + "/{}/register", name: "features", method: http.MethodPost,
			right: "Microsoft.Features/providers/features/register/action", serve: (*Server).registerFeature},
		{path: features + "/{}/unregister", name: "features", method: http.MethodPost,
			right: "Microsoft.Features/providers/features/unregister/action", serve: (*Server).unregisterFeature},
		{path: providers + "Microsoft.KeyVault/deletedVaults", name: "deletedvaults", right: "Microsoft.KeyVault/deletedVaults/read",
			serve: (*Server).listDeletedVaults},
		{path: deleted, name: "deletedvaults", right: "Microsoft.KeyVault/locations/deletedVaults/read", serve: (*Server).getDeletedVault},
		{path: deleted + "/purge", name: "deletedvaults", method: http.MethodPost,
			right: "Microsoft.KeyVault/locations/deletedVaults/purge/action", serve: (*Server).purgeVault},
		{path: providers + noWorkspaces, name: "deletedworkspaces", right: noWorkspaces + "/read", serve: (*Server).none},
		{path: "subscriptions/{}/resourceGroups/{}/providers/" + noWorkspaces, name: "deletedworkspaces", right: noWorkspaces + "/read",
			serve: (*Server).none},
	}
}

// match reports whether a path is that of the service, and returns the words in the places of its {} after the subscription.
func (v *service) match(words []string) (into []string, fits bool) {
	if len(words) != len(v.words) {
		return nil, false
	}
	for i, want := range v.words {
		switch {
		case want != "{}":
			if !strings.EqualFold(want, words[i]) {
				return nil, false
			}
		case i > 1:
			into = append(into, words[i])
		}
	}
	return into, true
}
