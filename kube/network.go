package kube

import (
	"cmp"
	"net/netip"

	"berth.dev/berth"
)

// The address ranges of a cluster for which none were requested, as in AKS.
// Ranges fills in the ranges that were not requested, and writes each in its shortest form. CodeBadRequest when no cluster can have
// them.
func Ranges(n berth.ClusterNetwork) (berth.ClusterNetwork, error) {
	services, err := parseRange(cmp.Or(n.ServiceCIDR, berth.DefaultNetwork.ServiceCIDR))
	if err != nil {
		return n, err
	}
	pods, err := parseRange(cmp.Or(n.PodCIDR, berth.DefaultNetwork.PodCIDR))
	if err != nil {
		return n, err
	}
	if services.Overlaps(pods) {
		return n, berth.Errorf(berth.CodeBadRequest, "The service range %s and the pod range %s overlap. Choose ranges that do not.",
			services, pods)
	}
	dns := berth.DNSAddress(services)
	if n.DNSServiceIP != "" {
		if dns, err = netip.ParseAddr(n.DNSServiceIP); err != nil || !services.Contains(dns) {
			return n, berth.Errorf(berth.CodeBadRequest, "The DNS address '%s' is not inside the service range %s.", n.DNSServiceIP, services)
		}
	} else if !services.Contains(dns) {
		return n, berth.Errorf(berth.CodeBadRequest, "The service range %s is too small: its tenth address is that of the DNS service.",
			services)
	}
	return berth.ClusterNetwork{ServiceCIDR: services.String(), PodCIDR: pods.String(), DNSServiceIP: dns.String()}, nil
}

func parseRange(text string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(text)
	if err != nil || !p.Addr().Is4() {
		return p, berth.Errorf(berth.CodeBadRequest, "'%.60s' is not an IPv4 range such as %s.", text, berth.DefaultNetwork.ServiceCIDR)
	}
	return p.Masked(), nil
}
