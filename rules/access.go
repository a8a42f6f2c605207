package rules

import (
	"net/netip"
	"strings"

	"berth.dev/berth"
)

const accessProfile = "properties.apiServerAccessProfile."

// access reads who may reach a cluster's API server (AKS: apiServerAccessProfile).
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
			"Authorized IP ranges work with a Standard load balancer only, and this cluster has a Basic one.")...)
	}
	if private {
		out = append(out, invalid(accessProfile+"authorizedIPRanges",
			"A private cluster has no authorized IP ranges: nothing from outside reaches it anyway.")...)
	}
	for _, text := range ranges {
		p, err := parseRange(text)
		switch {
		case err != nil:
			out = append(out, invalid(accessProfile+"authorizedIPRanges", "'%.60s' is not a range such as 203.0.113.0/24.", text)...)
		case p.Addr().IsPrivate() || p.Addr().IsLoopback() || p.Addr().IsLinkLocalUnicast():
			out = append(out, invalid(accessProfile+"authorizedIPRanges",
				"%s is private: authorized IP ranges are the public addresses that callers come from.", p)...)
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

// reachable: a private cluster has no public name when it is attached (EN25), and one with authorized IP ranges must let the
// control plane in, from both regions of the pair (DOC).
func reachable(f ComputeFacts) []Violation {
	ranges, private, publicName := access(f.Cluster.Spec)
	if private && publicName {
		return invalid("properties.resourceId",
			"The cluster is private and has a public name too; the service cannot attach such. "+
				"Take the public name away (az aks update --disable-public-fqdn), then attach.")
	}
	if len(ranges) == 0 {
		return nil
	}
	if len(f.ControlPlane) == 0 {
		return warning("properties.resourceId",
			"The cluster lets in only %s. Whether Berth's own addresses are among them cannot be said: "+
				"they are not configured (--control-plane-range).", strings.Join(ranges, ", "))
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
	return warning("properties.resourceId",
		"The cluster lets in only %s, and the control plane comes from %s too (both regions of the pair count): "+
			"add them (az aks update --api-server-authorized-ip-ranges), or deployments will fail.",
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
