package rules

import (
	"strings"

	"berth.dev/berth"
)

// Built-in policies that forbid public addresses. DOC: an AKS cluster needs a public IP for its outbound traffic, so a cluster
// cannot be created where a policy forbids public IPs.
const (
	PolicyNoPublicIPs      = "83a86a26-fd1f-447c-b59d-e51f44264114" // "Network interfaces should not have public IPs"
	PolicyNotAllowedTypes  = "6c112d4e-5bc7-47ae-a041-ea2d9dccd749" // "Not allowed resource types"
	notAllowedTypes        = "listOfResourceTypesNotAllowed"
	publicIPAddresses      = "Microsoft.Network/publicIPAddresses"
	policyDefinitionPrefix = "/providers/microsoft.authorization/policydefinitions/"
)

// ForbidsPublicIPs reports whether a policy assignment denies public addresses: its properties name one of the built-in policies
// above, and it is enforced.
func ForbidsPublicIPs(assignment map[string]any) bool {
	definition, _ := assignment["policyDefinitionId"].(string)
	name, builtIn := strings.CutPrefix(strings.ToLower(definition), policyDefinitionPrefix)
	mode, _ := assignment["enforcementMode"].(string)
	if !builtIn || strings.EqualFold(mode, "DoNotEnforce") {
		return false
	}
	switch name {
	case PolicyNoPublicIPs:
		return true
	case PolicyNotAllowedTypes:
		parameters, _ := assignment["parameters"].(map[string]any)
		list, _ := parameters[notAllowedTypes].(map[string]any)
		types, _ := list["value"].([]any)
		for _, t := range types {
			if text, _ := t.(string); strings.EqualFold(text, publicIPAddresses) {
				return true
			}
		}
	}
	return false
}

const twoWaysOut = "Either exempt the cluster's resource group from the policy, or create a cluster without a public IP yourself " +
	"(outboundType userDefinedRouting, with a public IP on your firewall) and attach that."

// publicIPForCompute: a created cluster needs a public IP with any load balancer; an attached one needs it for scoring only.
func publicIPForCompute(w berth.ComputeSpec, policy berth.ID) []Violation {
	switch {
	case policy.IsZero():
		return nil
	case !w.Attached:
		return violation(berth.CodeDisallowedByPolicy, "properties.computeType",
			"The policy assignment '%s' forbids public IPs, and a created cluster needs one for its outbound traffic. %s", policy.Name(), twoWaysOut)
	case w.Type == berth.ComputeAKS && w.LoadBalancerType == "PublicIp":
		return violation(berth.CodeDisallowedByPolicy, inner+"loadBalancerType",
			"The policy assignment '%s' forbids public IPs, and scoring would use one. Use the load balancer type InternalLoadBalancer, or "+
				"exempt the cluster's resource group from the policy.", policy.Name())
	}
	return nil
}

// publicIPForCluster: a cluster needs no public IP only if its owner routes its outbound traffic.
func publicIPForCluster(w berth.ClusterSpec, policy berth.ID) []Violation {
	network, _ := w.Profile["networkProfile"].(map[string]any)
	way, _ := network["outboundType"].(string)
	if policy.IsZero() || strings.EqualFold(way, "userDefinedRouting") {
		return nil
	}
	return violation(berth.CodeDisallowedByPolicy, "properties.networkProfile.outboundType",
		"The policy assignment '%s' forbids public IPs, and the cluster needs one for its outbound traffic. Either exempt its resource group "+
			"from the policy, or set outboundType to userDefinedRouting and assign the public IP to your firewall.", policy.Name())
}
