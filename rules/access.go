package rules

import (
	"net/netip"
	"strings"

	"berth.dev/berth"
)

const accessProfile = "properties.apiServerAccessProfile."

// access reads from which addresses a cluster's API server can be reached (AKS: apiServerAccessProfile).
func access(w berth.ClusterSpec) (ranges []string, private, publicName bool) {
	p, _ := w.Profile["apiServerAccessProfile"].(map[string]any)
	all, _ := p["authorizedIPRanges"].([]any)
	for _, r := range all {
		if text, isText := r.(string); isText {
			ranges = append(ranges, text)
		}
	}
	private, _ = p["enablePrivateCluster"].(bool)
	publicName, _ = p["enablePrivateClusterPublicFQDN"].(bool)
	return ranges, private, publicName
}

// authorizedRanges: they work with a Standard load balancer only (DOC), not on private clusters (AKS), and name public ranges.
func authorizedRanges(w berth.ClusterSpec) []Violation {
	ranges, private, _ := access(w)
	if len(ranges) == 0 {
		return nil
	}
	var out []Violation
	network, _ := w.Profile["networkProfile"].(map[string]any)
	if sku, _ := network["loadBalancerSku"].(string); strings.EqualFold(sku, "basic") {
		out = append(out, invalid("properties.networkProfile.loadBalancerSku",
			"Authorized IP ranges need a Standard load balancer; this cluster has a Basic one.")...)
	}
	if private {
		out = append(out, invalid(accessProfile+"authorizedIPRanges",
			"A private cluster cannot have authorized IP ranges: no address outside its network can reach it.")...)
	}
	for _, text := range ranges {
		p, err := parseRange(text)
		switch {
		case err != nil:
			out = append(out, invalid(accessProfile+"authorizedIPRanges", "'%.60s' is not a range such as 203.0.113.0/24.", text)...)
		case p.Addr().IsPrivate() || p.Addr().IsLoopback() || p.Addr().IsLinkLocalUnicast():
			out = append(out, invalid(accessProfile+"authorizedIPRanges",
				"%s is not a public range. Authorized IP ranges must contain the public addresses of callers.", p)...)
		}
	}
	return out
}

// parseRange reads a range, or an address as the range of it alone.
func parseRange(text string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(text); err == nil {
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	return p.Masked(), err
}

// reachable: a private cluster cannot be attached while it has a public name (EN25). A cluster with authorized IP ranges must
// accept connections from the control plane, in both regions of the pair (DOC).
func reachable(f ComputeFacts) []Violation {
	ranges, private, publicName := access(f.Cluster.Spec)
	if private && publicName {
		return invalid("properties.resourceId", "A private cluster that has a public name cannot be attached. Remove the public name (az aks "+
			"update --disable-public-fqdn), then attach the cluster.")
	}
	if len(ranges) == 0 {
		return nil
	}
	if len(f.ControlPlane) == 0 {
		return warning("properties.resourceId", "The cluster accepts connections only from %s. Berth cannot check whether its own addresses "+
			"are included, because they are not configured (--control-plane-range).", strings.Join(ranges, ", "))
	}
	var missing []string
	for _, need := range f.ControlPlane {
		if !within(need, ranges) {
			missing = append(missing, need.String())
		}
	}
	if missing == nil {
		return nil
	}
	return warning("properties.resourceId", "The cluster accepts connections only from %s, and the control plane also connects from %s. "+
		"Add these addresses (az aks update --api-server-authorized-ip-ranges), or deployments will fail.",
		strings.Join(ranges, ", "), strings.Join(missing, ", "))
}

func within(need netip.Prefix, ranges []string) bool {
	for _, text := range ranges {
		if p, err := parseRange(text); err == nil && p.Bits() <= need.Bits() && p.Contains(need.Addr()) {
			return true
		}
	}
	return false
}
