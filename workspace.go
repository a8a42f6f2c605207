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
	OlderIdentity       string `json:"identity,omitempty"` // the type of the identity, of workspaces that are older than Kept
	PrincipalID         string `json:"principalId,omitempty"`
	Kept
	// Warnings are those that the rules reported for the last accepted request.
	Warnings []Error `json:"warnings,omitempty"`
}

// ResourceType implements Body.
func (*Workspace) ResourceType() string { return TypeWorkspace }
