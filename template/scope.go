package template

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Scope is where and when a template is deployed. Functions such as resourceGroup() and utcNow() return it.
type Scope struct {
	SubscriptionID, TenantID string
	Group, GroupLocation     string // empty at the scope of the subscription
	GroupTags                map[string]string
	Deployment               string    // its name
	Location                 string    // of a deployment at the scope of the subscription
	Now                      time.Time // when the deployment was requested
	// Environment is what environment() returns, and Deployer what deployer() returns: decoded JSON, as Normal leaves it.
	Environment, Deployer map[string]any
	// Provider is the resource provider of a namespace, as Resource Manager lists it. nil when there is none to ask.
	Provider func(namespace string) (map[string]any, error)
}

// scopeFunctions return what is known about the deployment and about the server.
var scopeFunctions = map[string]function{
	"resourcegroup": {0, 0, resourceGroup},
	"subscription":  {0, 0, func(e *env, _ []any) (any, error) { return e.t.scope.subscription(), nil }},
	"tenant": {0, 0, func(e *env, _ []any) (any, error) {
		return map[string]any{"tenantId": e.t.scope.TenantID, "id": "/tenants/" + e.t.scope.TenantID}, nil
	}},
	"deployment":  {0, 0, func(e *env, _ []any) (any, error) { return e.t.scope.deployment(), nil }},
	"deployer":    {0, 0, func(e *env, _ []any) (any, error) { return e.t.scope.Deployer, nil }},
	"environment": {0, 0, func(e *env, _ []any) (any, error) { return e.t.scope.Environment, nil }},
	"providers":   {1, 2, providers},
	"pickzones":   {3, 5, pickZones},
}

func (s Scope) subscription() map[string]any {
	return map[string]any{
		"id": "/subscriptions/" + s.SubscriptionID, "subscriptionId": s.SubscriptionID,
		"tenantId": s.TenantID, "displayName": "Berth",
	}
}

func (s Scope) group() map[string]any {
	tags := map[string]any{}
	for k, v := range s.GroupTags {
		tags[k] = v
	}
	return map[string]any{
		"id":   "/subscriptions/" + s.SubscriptionID + "/resourceGroups/" + s.Group,
		"name": s.Group, "type": "Microsoft.Resources/resourceGroups", "location": s.GroupLocation, "tags": tags,
		"properties": map[string]any{"provisioningState": "Succeeded"},
	}
}

func (s Scope) deployment() map[string]any {
	out := map[string]any{"name": s.Deployment, "properties": map[string]any{
		"template": map[string]any{}, "parameters": map[string]any{}, "mode": "Incremental", "provisioningState": "Accepted",
	}}
	if s.Group == "" {
		out["location"] = s.Location
	}
	return out
}

func resourceGroup(e *env, _ []any) (any, error) {
	if e.t.scope.Group == "" {
		return nil, errors.New("a deployment at the scope of the subscription has no resource group")
	}
	return e.t.scope.group(), nil
}

// providers is providers(namespace, [type]): the provider, or one of its resource types.
func providers(e *env, args []any) (any, error) {
	all, err := texts(args)
	if err != nil {
		return nil, err
	}
	if e.t.scope.Provider == nil {
		return nil, errors.New("no resource provider is known here")
	}
	found, err := e.t.scope.Provider(all[0])
	if err != nil {
		return nil, err
	}
	whole := Normal(found).(map[string]any)
	if len(all) == 1 {
		return whole, nil
	}
	types, _ := whole["resourceTypes"].([]any)
	for _, t := range types {
		fields, _ := t.(map[string]any)
		if name, _ := fields["resourceType"].(string); strings.EqualFold(name, all[1]) {
			return fields, nil
		}
	}
	return nil, fmt.Errorf("Berth does not serve the resource type '%.120s/%.120s'", all[0], all[1])
}

// zonal are the resource types that Azure places in zones, and the regions that have zones
// (https://learn.microsoft.com/azure/reliability/regions-list).
var zonal = struct{ types, regions string }{
	" microsoft.compute/virtualmachines microsoft.compute/virtualmachinescalesets microsoft.compute/disks " +
		"microsoft.containerservice/managedclusters microsoft.containerservice/managedclusters/agentpools " +
		"microsoft.network/applicationgateways microsoft.network/azurefirewalls microsoft.network/bastionhosts " +
		"microsoft.network/loadbalancers microsoft.network/natgateways microsoft.network/publicipaddresses " +
		"microsoft.network/publicipprefixes microsoft.network/virtualnetworkgateways ",
	" australiaeast austriaeast belgiumcentral brazilsouth canadacentral centralindia centralus chilecentral eastasia eastus eastus2 " +
		"francecentral germanywestcentral indonesiacentral israelcentral italynorth japaneast japanwest koreacentral malaysiawest " +
		"mexicocentral newzealandnorth northeurope norwayeast polandcentral qatarcentral southafricanorth southcentralus " +
		"southeastasia spaincentral swedencentral switzerlandnorth uaenorth uksouth westeurope westus2 westus3 ",
}

// pickZones is pickZones(namespace, type, location, [count], [offset]): the first zones, or none where there are no zones.
func pickZones(_ *env, args []any) (any, error) {
	all, err := texts(args[:3])
	count, offset := int64(1), int64(0)
	if len(args) > 3 {
		var wrong error
		count, wrong = integer(args[3])
		err = errors.Join(err, wrong)
	}
	if len(args) > 4 {
		var wrong error
		offset, wrong = integer(args[4])
		err = errors.Join(err, wrong)
	}
	if err != nil {
		return nil, err
	}
	if count < 1 || offset < 0 || count > 3 || count+offset > 3 {
		return nil, errors.New("a region has 3 zones: the number of zones must be from 1 to 3, and with the offset at most 3")
	}
	region := strings.ReplaceAll(all[2], " ", "")
	out := []any{}
	if !listed(zonal.types, all[0]+"/"+all[1]) || !listed(zonal.regions, region) {
		return out, nil
	}
	for i := range count {
		out = append(out, strconv.FormatInt(offset+i+1, 10))
	}
	return out, nil
}

// listed reports whether a word is in a list of words in lower case between spaces.
func listed(all, word string) bool {
	return !strings.Contains(word, " ") && strings.Contains(all, " "+strings.ToLower(word)+" ")
}
