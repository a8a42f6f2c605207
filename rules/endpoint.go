package rules

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"berth.dev/berth"
)

// EndpointFacts are what the rules of an online endpoint need to know besides the request.
type EndpointFacts struct {
	ComputeToServe
	ComputeID string // as the request names it
	Foreign   bool   // it is no id of a compute in the workspace of the endpoint
	Present   string // the compute on which the endpoint is; empty for none
	// Deployments says of each deployment of the endpoint, by its name, whether it has been served.
	Deployments map[string]bool
	Keys        []string // as the request gives them
	NoAccess    string   // publicNetworkAccess, when it is not Enabled
}

// endpointName is the rule for names of endpoints and deployments (how-to-deploy-online-endpoints).
var endpointName = regexp.MustCompile(`^[a-zA-Z][-a-zA-Z0-9]*[a-zA-Z0-9]$`)

func endpointWord(name string) []Violation {
	if !endpointName.MatchString(name) || len(name) < 3 || len(name) > 32 {
		return invalid("name", "The name of an endpoint or a deployment has 3 to 32 letters, digits and dashes; it begins with a letter and "+
			"does not end with a dash.")
	}
	return nil
}

// Endpoint judges an online endpoint.
func Endpoint(name string, s berth.EndpointSpec, f EndpointFacts) (vs []Violation) {
	add := func(v []Violation) { vs = append(vs, v...) }
	add(endpointWord(name))
	const compute = "properties.compute"
	switch {
	case f.ComputeID == "":
		add(invalid(compute, "The request names no compute. Berth has no managed endpoints: name a compute of the workspace "+
			"(KubernetesOnlineEndpoint), with its whole id."))
	case f.Foreign:
		add(invalid(compute, "'%.200s' is not the id of a compute in the workspace of the endpoint.", f.ComputeID))
	default:
		add(f.judge(compute, s.Compute))
		if f.Present != "" && !strings.EqualFold(f.Present, s.Compute) {
			add(invalid(compute, "The endpoint is on the compute '%s' and does not move. Make another endpoint on '%s'.", f.Present, s.Compute))
		}
	}
	switch s.Auth {
	case berth.AuthKey, berth.AuthMLToken:
	case berth.AuthToken:
		add(invalid("properties.authMode", "The router of a cluster knows no tokens of Microsoft Entra (AADToken). Use Key or AMLToken."))
	default:
		add(invalid("properties.authMode", "The authMode is '%.40s'; Key and AMLToken are possible.", s.Auth))
	}
	if f.NoAccess != "" {
		add(invalid("properties.publicNetworkAccess", "Who reaches an endpoint on Kubernetes is a matter of its cluster. Leave "+
			"publicNetworkAccess out, and create the compute with an internal load balancer (loadBalancerType InternalLoadBalancer)."))
	}
	for _, k := range f.Keys {
		add(ServiceKey(k))
	}
	add(f.traffic("properties.traffic", s.Traffic))
	if sum := total(s.Traffic); sum != 0 && sum != 100 {
		add(invalid("properties.traffic", "The percentages of the traffic are %d in sum. It has to be 100, or 0 for no traffic.", sum))
	}
	add(f.traffic("properties.mirrorTraffic", s.Mirror))
	if sum := total(s.Mirror); sum > maxMirrored {
		add(invalid("properties.mirrorTraffic", "The percentages of the mirrored traffic are %d in sum; at most %d are possible.", sum,
			maxMirrored))
	}
	for _, name := range slices.Sorted(maps.Keys(s.Mirror)) {
		if s.Mirror[name] > 0 && s.Traffic[name] > 0 {
			add(invalid("properties.mirrorTraffic", "The deployment '%s' has traffic of its own, so none can be mirrored to it.", name))
		}
	}
	return vs
}

// maxMirrored is in per cent (how-to-safely-rollout-online-endpoints).
const maxMirrored = 50

func total(traffic map[string]int) (sum int) {
	for _, percent := range traffic {
		sum += percent
	}
	return sum
}

// traffic judges percentages by deployments, which have to be there and to have been served.
func (f EndpointFacts) traffic(target string, percents map[string]int) (vs []Violation) {
	for _, name := range slices.Sorted(maps.Keys(percents)) {
		percent := percents[name]
		served, there := f.Deployments[name]
		switch {
		case percent < 0 || percent > 100:
			vs = append(vs, invalid(target, "The percentage of '%.40s' is %d; it is between 0 and 100.", name, percent)...)
		case percent > 0 && !there:
			vs = append(vs, invalid(target, "The endpoint has no deployment '%.40s'. Create it first, then give it traffic.", name)...)
		case percent > 0 && !served:
			vs = append(vs, invalid(target, "The deployment '%.40s' has never been served. Give it traffic when it is Succeeded.", name)...)
		}
	}
	return vs
}

// DeploymentUnused refuses to remove a deployment that has traffic.
func DeploymentUnused(name string, e *berth.EndpointSpec) *berth.Error {
	for _, traffic := range []map[string]int{e.Traffic, e.Mirror} {
		for of, percent := range traffic {
			if percent > 0 && strings.EqualFold(of, name) {
				return berth.Errorf(berth.CodeConflict, "The deployment '%s' has %d percent of the traffic of its endpoint. Give the traffic to "+
					"another deployment first.", name, percent)
			}
		}
	}
	return nil
}
