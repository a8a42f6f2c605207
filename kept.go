package berth

// Kept is what was requested of a resource and has no field of its own, by JSON name and as it was sent. Only what differs from
// the answer without it is kept, so that a client can send an answer back without a change.
type Kept struct {
	Profile map[string]any `json:"profile,omitempty"` // of `properties`
	Top     map[string]any `json:"top,omitempty"`     // beside `properties`: sku, kind, …
	// Identity is the managed identity that was requested; nil for none.
	Identity *Identity `json:"managedIdentity,omitempty"`
}

// Identity is the managed identity of a resource, as ARM writes it.
type Identity struct {
	// Type is SystemAssigned, UserAssigned, both with a comma between them, or None; in the casing that was sent.
	Type string `json:"type"`
	// UserAssigned are the ids of identities, as they were sent.
	UserAssigned map[string]IdentityIDs `json:"userAssigned,omitempty"`
}

// IdentityIDs are the GUIDs by which a managed identity is known in the directory.
type IdentityIDs struct {
	PrincipalID string `json:"principalId"`
	ClientID    string `json:"clientId"`
}
