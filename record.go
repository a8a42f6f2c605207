package berth

import "strings"

// RecordTypes are the types that Berth stores as records and for which it provides no service: workspaces, templates and networks
// refer to them. They can be written, read and listed like any resource; their answers state that they are records.
var RecordTypes = []string{
	TypePolicyAssignment,
	"Microsoft.ContainerRegistry/registries",
	"Microsoft.Insights/components",
	"Microsoft.KeyVault/vaults",
	"Microsoft.ManagedIdentity/userAssignedIdentities",
	TypeNetwork,
	"Microsoft.OperationalInsights/workspaces",
	"Microsoft.Storage/storageAccounts",
}

// Networks are records too; their subnets are a part of them.
const (
	TypeNetwork = "Microsoft.Network/virtualNetworks"
	TypeSubnet  = "Microsoft.Network/virtualNetworks/subnets"
)

// TypePolicyAssignment is a policy on a group or on the subscription. The rules enforce those that forbid public IPs.
const TypePolicyAssignment = "Microsoft.Authorization/policyAssignments"

// Record is a resource that is stored as it was sent, and for which Berth provides no service.
type Record struct {
	Type string `json:"type"` // one of RecordTypes
	// Fields are the top-level keys that were sent besides those of the envelope (properties, sku, kind, identity, …).
	Fields map[string]any `json:"fields,omitempty"`
	// Values are the read-only properties that the service would compute, such as the principalId of an identity. They are made
	// once, when the record is created, and answered among its properties.
	Values map[string]any `json:"values,omitempty"`
}

// ResourceType implements Body.
func (r *Record) ResourceType() string { return r.Type }

// recordType is the type in its canonical casing, if it is one of RecordTypes.
func recordType(typ string) (string, bool) {
	for _, t := range RecordTypes {
		if strings.EqualFold(t, typ) {
			return t, true
		}
	}
	return "", false
}

// Properties are the properties that were sent; never nil.
func (r *Record) Properties() map[string]any {
	p, _ := r.Fields["properties"].(map[string]any)
	if p == nil {
		p = map[string]any{}
	}
	return p
}
