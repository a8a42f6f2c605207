package wire

import "berth.dev/berth"

// WorkspacePut is the body of PUT and PATCH of a workspace.
type WorkspacePut struct {
	Location   *string             `json:"location"`
	Tags       map[string]string   `json:"tags"`
	Properties WorkspaceProperties `json:"properties"`
	SKU        *struct {
		Name string `json:"name"`
	} `json:"sku"`
	Identity *IdentityFields `json:"identity"`
}

// WorkspaceProperties are the settings that Berth stores.
type WorkspaceProperties struct {
	FriendlyName        *string `json:"friendlyName"`
	Description         *string `json:"description"`
	KeyVault            *string `json:"keyVault"`
	StorageAccount      *string `json:"storageAccount"`
	ApplicationInsights *string `json:"applicationInsights"`
	ContainerRegistry   *string `json:"containerRegistry"`
}

// Merge writes the fields that the request names over w.
func (p *WorkspacePut) Merge(w *berth.Workspace) {
	for _, f := range []struct {
		from *string
		to   *string
	}{
		{p.Properties.FriendlyName, &w.FriendlyName}, {p.Properties.Description, &w.Description},
		{p.Properties.KeyVault, &w.KeyVault}, {p.Properties.StorageAccount, &w.StorageAccount},
		{p.Properties.ApplicationInsights, &w.ApplicationInsights}, {p.Properties.ContainerRegistry, &w.ContainerRegistry},
	} {
		if f.from != nil {
			*f.to = *f.from
		}
	}
	if p.SKU != nil && (w.SKU != "" || p.SKU.Name != defaultSKU) { // the default is no request: clients send answers back
		w.SKU = p.SKU.Name
	}
}

const defaultSKU = "Basic"

var workspaceLaw = law{
	own: []string{
		"workspaceId", "friendlyName", "description", "discoveryUrl", "keyVault", "storageAccount", "applicationInsights",
		"containerRegistry", "creationTime", "mlFlowTrackingUri", "tenantId", "notebookInfo", "privateLinkCount", "storageHnsEnabled",
		"serviceProvisionedResourceGroup", "privateEndpointConnections",
	},
	effective: []string{"allowPublicAccessWhenBehindVnet"},
}

// KeepWorkspace sets what a workspace keeps of the body of a PUT, and returns the names of the properties that Berth keeps and does
// not act on.
func KeepWorkspace(body []byte, r *berth.Resource) ([]string, error) {
	return workspaceLaw.keep(body, &r.Body.(*berth.Workspace).Kept, func() Object { return Workspace(r, "", "") })
}

// Workspace answers a workspace. base is the address of this server; tenant is that of its identity.
func Workspace(r *berth.Resource, base, tenant string) Object {
	w := r.Body.(*berth.Workspace)
	properties := Object{
		"provisioningState": r.State, "workspaceId": w.WorkspaceID, "friendlyName": orNull(w.FriendlyName),
		"description": w.Description, "discoveryUrl": base + "/discovery/workspaces/" + w.WorkspaceID,
		"keyVault": orNull(w.KeyVault), "storageAccount": orNull(w.StorageAccount),
		"applicationInsights": orNull(w.ApplicationInsights), "containerRegistry": orNull(w.ContainerRegistry),
		"creationTime": Time(r.CreatedAt), "hbiWorkspace": false, "publicNetworkAccess": "Enabled", "v1LegacyMode": false,
		"systemDatastoresAuthMode": "AccessKey", "allowPublicAccessWhenBehindVnet": false, "imageBuildCompute": nil,
		"mlFlowTrackingUri": nil, "tenantId": tenant, "workspaceHubConfig": nil,
	}
	warnings(properties, w.Warnings)
	o := envelope(r, properties)
	sku := orDefault(w.SKU, defaultSKU)
	o["sku"] = Object{"name": sku, "tier": sku}
	o["kind"] = "Default"
	Lay(o, w.Kept)
	identity := w.Kept.Identity
	if identity == nil && w.OlderIdentity != "" {
		identity = &berth.Identity{Type: w.OlderIdentity}
	}
	if identity != nil {
		o["identity"] = identityOf(identity, w.PrincipalID, tenant)
	}
	return o
}

func orDefault(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
