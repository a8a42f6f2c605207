package berth

import (
	"slices"
	"strings"
)

// Record types that have a meaning of their own.
const (
	// TypePolicyAssignment is a policy on a group or on the subscription. The rules enforce those that forbid public IPs.
	TypePolicyAssignment = "Microsoft.Authorization/policyAssignments"
	// TypeRoleAssignment gives a principal a role at a scope; see access.
	TypeRoleAssignment = "Microsoft.Authorization/roleAssignments"
	// TypeRoleDefinition is a role that was defined by a PUT. The built-in ones are in the catalog.
	TypeRoleDefinition    = "Microsoft.Authorization/roleDefinitions"
	TypeDiagnosticSetting = "Microsoft.Insights/diagnosticSettings"
	TypeFeature           = "Microsoft.Features/providers/features"
	TypeIdentity          = "Microsoft.ManagedIdentity/userAssignedIdentities"
	TypeRegistry          = "Microsoft.ContainerRegistry/registries"
	TypeVault             = "Microsoft.KeyVault/vaults"
	TypeDeletedVault      = "Microsoft.KeyVault/locations/deletedVaults"
	TypeComponent         = "Microsoft.Insights/components"
	TypeBillingFeatures   = "Microsoft.Insights/components/currentBillingFeatures"
	TypeLogWorkspace      = "Microsoft.OperationalInsights/workspaces"
	TypeStorage           = "Microsoft.Storage/storageAccounts"
	TypeNetwork           = "Microsoft.Network/virtualNetworks"
	TypeSecurityGroup     = "Microsoft.Network/networkSecurityGroups"
	TypeRouteTable        = "Microsoft.Network/routeTables"
	TypePublicIP          = "Microsoft.Network/publicIPAddresses"
	TypePrivateDNSZone    = "Microsoft.Network/privateDnsZones"
)

// The parts of records: each has an id, and is stored in the properties of its record.
const (
	TypeSubnet       = "Microsoft.Network/virtualNetworks/subnets"
	TypeSecurityRule = "Microsoft.Network/networkSecurityGroups/securityRules"
	TypeRoute        = "Microsoft.Network/routeTables/routes"
)

// RecordTypes are the types that Berth stores as records and for which it provides no service: workspaces, clusters, templates and
// networks refer to them. They can be written, read and listed like any resource; their answers state that they are records.
var RecordTypes = slices.Concat([]string{
	TypePolicyAssignment, TypeRoleAssignment, TypeRoleDefinition,
	"Microsoft.Compute/diskEncryptionSets", "Microsoft.Compute/proximityPlacementGroups",
	TypeRegistry, TypeRegistry + "/cacheRules", TypeRegistry + "/replications", TypeRegistry + "/scopeMaps", TypeRegistry + "/tokens",
	TypeRegistry + "/webhooks",
	TypeFeature,
	TypeComponent, TypeBillingFeatures, TypeDiagnosticSetting,
	"Microsoft.Insights/actionGroups", "Microsoft.Insights/dataCollectionEndpoints", "Microsoft.Insights/dataCollectionRules",
	"Microsoft.Insights/dataCollectionRuleAssociations", "Microsoft.Insights/metricAlerts", "Microsoft.Insights/scheduledQueryRules",
	TypeVault, TypeDeletedVault,
	TypeIdentity, TypeIdentity + "/federatedIdentityCredentials",
	"Microsoft.Monitor/accounts",
}, networkTypes, []string{
	TypeLogWorkspace, TypeLogWorkspace + "/dataExports", TypeLogWorkspace + "/linkedServices", TypeLogWorkspace + "/savedSearches",
	"Microsoft.OperationsManagement/solutions",
	TypeStorage, TypeStorage + "/managementPolicies",
	TypeStorage + "/blobServices", TypeStorage + "/blobServices/containers", TypeStorage + "/fileServices",
	TypeStorage + "/fileServices/shares", TypeStorage + "/queueServices", TypeStorage + "/queueServices/queues",
	TypeStorage + "/tableServices", TypeStorage + "/tableServices/tables",
})

var networkTypes = []string{
	TypeNetwork, TypeNetwork + "/virtualNetworkPeerings", TypeSecurityGroup, TypeRouteTable, TypePublicIP,
	"Microsoft.Network/applicationGateways", "Microsoft.Network/applicationSecurityGroups", "Microsoft.Network/azureFirewalls",
	"Microsoft.Network/bastionHosts", "Microsoft.Network/ddosProtectionPlans", "Microsoft.Network/firewallPolicies",
	"Microsoft.Network/firewallPolicies/ruleCollectionGroups", "Microsoft.Network/loadBalancers", "Microsoft.Network/natGateways",
	"Microsoft.Network/networkInterfaces", "Microsoft.Network/privateEndpoints",
	"Microsoft.Network/privateEndpoints/privateDnsZoneGroups", "Microsoft.Network/publicIPPrefixes",
	TypePrivateDNSZone, TypePrivateDNSZone + "/virtualNetworkLinks", TypePrivateDNSZone + "/SOA", TypePrivateDNSZone + "/A",
	TypePrivateDNSZone + "/AAAA", TypePrivateDNSZone + "/CNAME", TypePrivateDNSZone + "/MX", TypePrivateDNSZone + "/PTR",
	TypePrivateDNSZone + "/SRV", TypePrivateDNSZone + "/TXT",
}

// SecretKeys are the access keys of a record, by name.
const SecretKeys = "access-keys"

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

// isPart reports whether what a type names is stored in another resource.
func isPart(typ string) bool {
	parts := []string{TypeSubnet, TypeSecurityRule, TypeRoute, TypeNodePool, TypeClusterNamespace, TypeConnectedNamespace}
	return slices.ContainsFunc(parts, func(t string) bool { return strings.EqualFold(t, typ) })
}

// Properties are the properties that were sent; never nil.
func (r *Record) Properties() map[string]any {
	p, _ := r.Fields["properties"].(map[string]any)
	if p == nil {
		p = map[string]any{}
	}
	return p
}
