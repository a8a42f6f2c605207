package berth

// Workspace is a machine-learning workspace. Computes are its children.
type Workspace struct {
	WorkspaceID         string `json:"workspaceId"` // a GUID, created once
	FriendlyName        string `json:"friendlyName,omitempty"`
	Description         string `json:"description,omitempty"`
	KeyVault            string `json:"keyVault,omitempty"` // ids of companion resources, stored as sent
	StorageAccount      string `json:"storageAccount,omitempty"`
	ApplicationInsights string `json:"applicationInsights,omitempty"`
	ContainerRegistry   string `json:"containerRegistry,omitempty"`
	SKU                 string `json:"sku,omitempty"`
	Identity            string `json:"identity,omitempty"` // "SystemAssigned", …; empty for none
	PrincipalID         string `json:"principalId,omitempty"`
}

// ResourceType implements Body.
func (*Workspace) ResourceType() string { return TypeWorkspace }
