package arm

import (
	"net/http"
	"strings"
)

// environment is what environment() returns in a template: the addresses of the metadata, in the form in which Azure has them there
// (https://learn.microsoft.com/azure/azure-resource-manager/templates/template-functions-deployment#environment). Templates compare
// the name and put suffixes straight after a name, so the name is AzureCloud and three suffixes begin with a dot.
func (s *Server) environment() map[string]any {
	from := cloud("AzureCloud", s.Endpoint)
	slash := func(key string) string { return strings.TrimSuffix(from[key].(string), "/") + "/" }
	suffixes := from["suffixes"].(map[string]string)
	dot := func(key string) string { return "." + suffixes[key] }
	return map[string]any{
		"name": from["name"], "resourceManager": slash("resourceManager"), "portal": from["portal"],
		"gallery": slash("gallery"), "graph": slash("graph"), "graphAudience": slash("graphAudience"), "batch": slash("batch"),
		"media": from["media"], "sqlManagement": slash("sqlManagement"), "vmImageAliasDoc": from["vmImageAliasDoc"],
		"activeDirectoryDataLake": slash("activeDirectoryDataLake"),
		"authentication": map[string]any{
			"loginEndpoint": s.Endpoint + "/", "audiences": []any{s.Endpoint, s.Endpoint + "/"}, "tenant": "common", "identityProvider": "AAD",
		},
		"suffixes": map[string]any{
			"acrLoginServer": dot("acrLoginServer"), "keyvaultDns": dot("keyVaultDns"), "sqlServerHostname": dot("sqlServerHostname"),
			"storage": suffixes["storage"], "azureFrontDoorEndpointSuffix": suffixes["azureFrontDoorEndpointSuffix"],
			"azureDatalakeStoreFileSystem":        suffixes["azureDataLakeStoreFileSystem"],
			"azureDatalakeAnalyticsCatalogAndJob": suffixes["azureDataLakeAnalyticsCatalogAndJob"],
		},
	}
}

// templateProvider asks for a resource provider as any caller does, for providers() in a template.
func (s *Server) templateProvider(q *request) func(string) (map[string]any, error) {
	return func(namespace string) (map[string]any, error) {
		a, err := s.Do(q.Context(), Call{Caller: q.caller.AppID, Method: http.MethodGet, Version: providerVersion,
			Path: s.root() + "/providers/" + namespace})
		return a.Body, err
	}
}

// providerVersion is the api-version of Microsoft.Resources for the listing of providers.
const providerVersion = "2021-04-01"

// deployer is what deployer() returns: who sent the request. An application has no user principal name.
func deployer(q *request) map[string]any {
	return map[string]any{"objectId": q.caller.ObjectID, "tenantId": q.caller.TenantID, "userPrincipalName": q.caller.UPN}
}
