package kube

import (
	"cmp"
	"net/netip"

	"berth.dev/berth"
)

// The address ranges of a cluster for which none were requested, as in AKS.
const (
	defaultServices = "10.0.0.0/16"
	defaultPods     = "10.244.0.0/16"
	defaultDNS      = 10 // the tenth address of the service range
)

// Ranges fills in the ranges that were not requested, and writes each in its shortest form. CodeBadRequest when no cluster can have
// them.
func Ranges(n berth.ClusterNetwork) (berth.ClusterNetwork, error) {
	services, err := parseRange(cmp.Or(n.ServiceCIDR, defaultServices))
	if err != nil {
		return n, err
	}
	pods, err := parseRange(cmp.Or(n.PodCIDR, defaultPods))
	if err != nil {
		return n, err
	}
	if services.Overlaps(pods) {
		return n, berth.Errorf(berth.CodeBadRequest, "The service range %s and the pod range %s overlap. Choose ranges that do not.",
			services, pods)
	}
	dns := services.Addr()
	for range defaultDNS {
		dns = dns.Next()
	}
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
		return p, berth.Errorf(berth.CodeBadRequest, "'%.60s' is not an IPv4 range such as %s.", text, defaultServices)
	}
	return p.Masked(), nil
}
