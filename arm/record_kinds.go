package arm

import (
	"net/http"
	"strings"

	"berth.dev/berth"
	"berth.dev/berth/wire"
)

// recordRow is what one type of record has besides what all have. The zero row is that of a resource with a location, which a PUT
// creates with 201, and whose clients poll.
type recordRow struct {
	typ       string
	global    bool           // it is in no region: its location is "global"
	untracked bool           // it has neither location nor tags
	extends   bool           // it can be inside any resource
	created   int            // status of a PUT that creates one, as the SDKs accept it
	updated   int            // status of any other PUT
	deleted   int            // status of DELETE; 200 when 0
	answers   bool           // DELETE answers what it has deleted
	defaults  map[string]any // the properties of a PUT that does not send them
	parts     []string       // types of its parts
	actions   []action
	get, list handler // in place of those of all kinds
	// made are the read-only properties that are made once, when the record is created.
	made func(s *Server, q *request, id berth.ID, body *berth.Record) map[string]any
	// computed are the read-only properties that follow from the record and the address of the server.
	computed func(base string, r *berth.Resource) wire.Object
	// completed fills in what the answer has besides properties.
	completed func(answer wire.Object)
	// preset are the properties of a record of this type that each parent has from the beginning; nil for none. It is called "default"
	// when presetName is empty.
	preset     map[string]any
	presetName string
	// check refuses a request.
	check func(s *Server, q *request, id berth.ID, body, old *berth.Record) error
	// removing is called before the record is removed.
	removing func(s *Server, q *request, r *berth.Resource) error
}

// recordRows are the rows of the types that need one. A type inside another one is untracked, unless it is in trackedChildren.
// The statuses are those that the SDKs for Go accept.
func recordRows() []recordRow {
	const oK, created = http.StatusOK, http.StatusCreated
	return []recordRow{
		{typ: berth.TypePolicyAssignment, global: true, updated: created, answers: true, completed: noLocation},
		{typ: berth.TypeRoleAssignment, extends: true, answers: true, list: (*Server).listRoleAssignments, check: checkRoleAssignment,
			made: madeRoleAssignment, removing: (*Server).keepAnOwner},
		{typ: berth.TypeRoleDefinition, extends: true, answers: true, updated: created, get: (*Server).getRole, list: (*Server).listRoles,
			check: checkRoleDefinition, defaults: map[string]any{"type": "CustomRole"}},
		{typ: berth.TypeDiagnosticSetting, extends: true, created: oK},
		{typ: "Microsoft.Insights/dataCollectionRuleAssociations", extends: true},
		{typ: "Microsoft.Insights/dataCollectionRules", made: madeCollectionRule},
		{typ: "Microsoft.Insights/actionGroups", global: true},
		{typ: "Microsoft.Insights/metricAlerts", global: true, created: oK},
		{typ: berth.TypeComponent, created: oK, made: madeComponent, computed: componentValues},
		{typ: berth.TypeBillingFeatures, created: oK, preset: billingFeatures},
		{typ: "Microsoft.Compute/diskEncryptionSets", created: oK},
		{typ: "Microsoft.OperationsManagement/solutions", updated: created},
		{typ: berth.TypeIdentity, made: madeIdentity},
		{typ: berth.TypeLogWorkspace, made: madeLogWorkspace, defaults: map[string]any{"retentionInDays": 30,
			"sku": map[string]any{"name": "pergb2018"}, "publicNetworkAccessForIngestion": "Enabled", "publicNetworkAccessForQuery": "Enabled"},
			actions: []action{{"sharedKeys", existing((*Server).sharedKeys)}, {"regenerateSharedKey", existing((*Server).sharedKeys)}}},
		{typ: berth.TypeLogWorkspace + "/savedSearches", created: oK},
		{typ: berth.TypeVault, computed: vaultValues, removing: (*Server).keepDeletedVault, check: dropDeletedVault,
			defaults: map[string]any{"enableSoftDelete": true, "softDeleteRetentionInDays": 90, "publicNetworkAccess": "Enabled"}},
		{typ: berth.TypeDeletedVault, untracked: true, get: (*Server).getDeletedVault},
		{typ: berth.TypeRegistry, computed: registryValues, defaults: map[string]any{"adminUserEnabled": false,
			"publicNetworkAccess": "Enabled", "zoneRedundancy": "Disabled", "networkRuleBypassOptions": "AzureServices"},
			actions: []action{{"listCredentials", existing((*Server).registryCredentials)}}},
		{typ: berth.TypeRegistry + "/cacheRules", deleted: http.StatusNoContent},
		{typ: berth.TypeRegistry + "/webhooks", actions: []action{{"getCallbackConfig", existing(callbackConfig)}}},
		{typ: berth.TypeStorage, created: oK, computed: storageValues, completed: storageTier,
			defaults: map[string]any{"supportsHttpsTrafficOnly": true},
			actions:  []action{{"listKeys", existing((*Server).storageKeys)}, {"regenerateKey", existing((*Server).regenerateStorageKey)}}},
		{typ: berth.TypeStorage + "/managementPolicies", created: oK},
		{typ: berth.TypeStorage + "/blobServices", created: oK, preset: map[string]any{
			"cors": map[string]any{"corsRules": []any{}}, "deleteRetentionPolicy": map[string]any{"enabled": false}}},
		{typ: berth.TypeStorage + "/fileServices", created: oK, preset: map[string]any{"cors": map[string]any{"corsRules": []any{}},
			"shareDeleteRetentionPolicy": map[string]any{"enabled": true, "days": 7}}},
		{typ: berth.TypeStorage + "/queueServices", created: oK, preset: map[string]any{"cors": map[string]any{"corsRules": []any{}}}},
		{typ: berth.TypeStorage + "/queueServices/queues", created: oK, deleted: http.StatusNoContent},
		{typ: berth.TypeStorage + "/tableServices", created: oK, preset: map[string]any{"cors": map[string]any{"corsRules": []any{}}}},
		{typ: berth.TypeStorage + "/tableServices/tables", created: oK, deleted: http.StatusNoContent},
	}
}

// networkRows are the rows of Microsoft.Network.
func networkRows() []recordRow {
	rows := []recordRow{
		{typ: berth.TypeNetwork, parts: []string{berth.TypeSubnet}, made: madeGUID},
		{typ: berth.TypeSecurityGroup, parts: []string{berth.TypeSecurityRule}, made: madeGUID},
		{typ: berth.TypeRouteTable, parts: []string{berth.TypeRoute}, made: madeGUID},
		{typ: berth.TypePublicIP, made: madePublicIP, defaults: map[string]any{"publicIPAddressVersion": "IPv4",
			"publicIPAllocationMethod": "Static", "idleTimeoutInMinutes": 4}},
		{typ: "Microsoft.Network/natGateways", made: madeGUID, defaults: map[string]any{"idleTimeoutInMinutes": 4}},
		{typ: "Microsoft.Network/publicIPPrefixes", made: madePublicPrefix},
		{typ: berth.TypePrivateDNSZone, global: true},
		{typ: berth.TypePrivateDNSZone + "/virtualNetworkLinks", global: true, computed: linkValues},
	}
	rows = append(rows, recordRow{typ: berth.TypePrivateDNSZone + "/SOA", computed: dnsValues, preset: startOfAuthority, presetName: "@"})
	for _, kind := range []string{"A", "AAAA", "CNAME", "MX", "PTR", "SRV", "TXT"} {
		rows = append(rows, recordRow{typ: berth.TypePrivateDNSZone + "/" + kind, computed: dnsValues})
	}
	return rows
}

// trackedChildren are the types inside another one that have a location and tags of their own.
var trackedChildren = map[string]bool{
	berth.TypeRegistry + "/replications": true, berth.TypeRegistry + "/webhooks": true,
	berth.TypePrivateDNSZone + "/virtualNetworkLinks": true,
}

// recordKinds are the rows of the types that Berth stores as records.
func recordKinds() (out []*kind) {
	special := map[string]recordRow{}
	for _, row := range append(recordRows(), networkRows()...) {
		special[row.typ] = row
	}
	for _, typ := range berth.RecordTypes {
		row := special[typ]
		row.typ = typ
		if row.extends || strings.Count(typ, "/") > 1 && !trackedChildren[typ] {
			row.untracked = true
		}
		if row.created == 0 {
			row.created = http.StatusCreated
		}
		k := &kind{
			typ: typ, created: row.created, updated: row.updated, patch: row.patchRecord, put: row.putRecord, encode: row.encode,
			remove: removeAlways, record: &row, polled: true, get: row.get, list: row.list, parts: partsOf(row.parts), actions: row.actions,
		}
		if row.preset != nil {
			k.get = (*Server).getPreset
		}
		if typ == berth.TypeComponent {
			k.parts = append(k.parts, part{name: "currentBillingFeatures", single: methods{
				http.MethodGet: (*Server).getBilling, http.MethodPut: (*Server).putBilling,
			}})
		}
		if typ == berth.TypeVault {
			k.parts = append(k.parts, accessPolicies())
		}
		out = append(out, k)
	}
	return out
}
