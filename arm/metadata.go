package arm

import (
	"net/http"
	"net/url"
	"strings"

	"berth.dev/berth"
	"berth.dev/berth/catalog"
	"berth.dev/berth/identity"
)

// metadata answers /metadata/endpoints, by which clients find all other addresses: it is the only one in their configuration. It has
// had four shapes, and each client requires one of them. Without a version it is the newest.
func (s *Server) metadata(q *request) *response {
	base := q.base
	if q.Method != http.MethodGet && q.Method != http.MethodHead {
		return nil
	}
	switch version := q.param("api-version"); {
	case version == "1.0", version != "" && version < "2018-01-01": // az cloud register
		return ok(metadata2015(base))
	case version != "" && version < "2019-05-01": // azurerm reads the regions
		return ok(metadata2018(s.CloudName, base))
	case version != "" && version < "2022-09-01": // az, azureml-core and azure-ai-ml: a list of clouds
		return ok(s.clouds(base))
	}
	return ok(cloud(s.CloudName, base)) // azurerm, azidentity
}

// clouds is the list of clouds. A server that calls itself otherwise stays known under its own name too: azureml-core signs in at
// Microsoft when the cloud is called AzureCloud, so `berth env` sends it to the cloud Berth.
func (s *Server) clouds(base string) []map[string]any {
	all := []map[string]any{cloud(identity.CloudName, base)}
	if s.CloudName != identity.CloudName {
		all = append(all, cloud(s.CloudName, base))
	}
	if s.Models != nil {
		for _, c := range all { // azure-ai-ml puts "account.blob." before it; Terraform, which reads the other form, wants no port
			c["suffixes"].(map[string]string)["storage"] = s.Models.FilesSuffix()
		}
	}
	return all
}

func metadata2015(base string) map[string]any {
	return map[string]any{
		"galleryEndpoint": base + "/", "graphEndpoint": base + identity.GraphPath, "portalEndpoint": portal(base),
		"authentication": map[string]any{"loginEndpoint": base + "/", "audiences": []string{base + "/", base}},
	}
}

func metadata2018(name, base string) map[string]any {
	var regions []string
	for _, l := range catalog.Locations() {
		regions = append(regions, l.Name)
	}
	host := strings.TrimPrefix(base, "https://")
	return map[string]any{"cloudEndpoint": map[string]any{name: map[string]any{"endpoint": host, "locations": regions}}}
}

// cloud describes this Berth as a cloud of its own. Addresses have no trailing slash: azureml-core appends a path to
// resourceManager, and azure-ai-ml searches for it in the address of this document. Services that Berth does not have also get
// addresses here, so that clients get a 404 and no answer from the real services.
func cloud(name, base string) map[string]any {
	return map[string]any{
		"name": name, "portal": portal(base), "resourceManager": base,
		"authentication": map[string]any{
			// azurerm takes every other tenant than common for Azure Stack, and refuses it.
			"loginEndpoint": base, "audiences": []string{base, base + "/"}, "tenant": "common", "identityProvider": "AAD",
		},
		// az takes the last of these for Graph's address and for the audience of its tokens.
		"graph": base + identity.GraphPath, "graphAudience": base + identity.GraphPath, "microsoftGraphResourceId": base + identity.GraphPath,
		"gallery": base + "/", "batch": base + "/", "media": base, "sqlManagement": base + "/", "activeDirectoryDataLake": base + "/",
		"vmImageAliasDoc": base + "/metadata/aliases.json", "appInsightsResourceId": base, "logAnalyticsResourceId": base,
		"appInsightsTelemetryChannelResourceId": base, "attestationResourceId": base, "synapseAnalyticsResourceId": base,
		"ossrDbmsResourceId": base,
		"suffixes": map[string]string{
			"storage": berth.CloudSuffix, "storageSyncEndpointSuffix": berth.CloudSuffix, "keyVaultDns": "vault." + berth.CloudSuffix,
			"mhsmDns":        "managedhsm." + berth.CloudSuffix,
			"acrLoginServer": "registry." + berth.CloudSuffix, "sqlServerHostname": "database." + berth.CloudSuffix,
			"mysqlServerEndpoint": "mysql." + berth.CloudSuffix, "postgresqlServerEndpoint": "postgres." + berth.CloudSuffix,
			"mariadbServerEndpoint": "mariadb." + berth.CloudSuffix, "azureFrontDoorEndpointSuffix": "edge." + berth.CloudSuffix,
			"azureDataLakeStoreFileSystem": "datalake." + berth.CloudSuffix, "azureDataLakeAnalyticsCatalogAndJob": "analytics." + berth.CloudSuffix,
			"synapseAnalytics": "synapse." + berth.CloudSuffix, "attestationEndpoint": "attest." + berth.CloudSuffix,
		},
	}
}

// portal is the address of the portal. azure-ai-ml uses the parts of its host from the third on, so it must have three; another name
// replaces a host with fewer, such as localhost.
func portal(base string) string {
	if u, err := url.Parse(base); err == nil && strings.Count(u.Hostname(), ".") >= 2 {
		return base
	}
	return "https://portal." + berth.CloudSuffix
}
