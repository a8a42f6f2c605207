package rules

import (
	"net/netip"

	"berth.dev/berth"
)

const networking = inner + "aksNetworkingConfiguration"

// loadBalancer: PublicIp is the default; a subnet is possible with an internal load balancer only.
func loadBalancer(w berth.ComputeSpec) []Violation {
	switch {
	case w.LoadBalancerType != "PublicIp" && w.LoadBalancerType != "InternalLoadBalancer":
		return invalid(inner+"loadBalancerType", "The load balancer type '%s' is not known; it is PublicIp or InternalLoadBalancer.",
			w.LoadBalancerType)
	case w.LoadBalancerType == "PublicIp" && w.LoadBalancerNet != "":
		return invalid(inner+"loadBalancerSubnet", "A load balancer subnet is possible with the type InternalLoadBalancer only.")
	}
	return nil
}

const bothCertificates = "A certificate of your own (status Enabled) and a leaf domain label (status Auto) exclude each other. " +
	"Send one of them."

// ssl: Enabled needs a certificate, Auto a leaf domain label; never both (SDK).
func ssl(w berth.ComputeSpec, f ComputeFacts) []Violation {
	s := w.SSL
	const target = tlsField
	if f.Renew && (s == nil || s.LeafDomainLabel == "") {
		return invalid(target+".renew", "Only a certificate that was created for a leaf domain label can be renewed, and this compute has none.")
	}
	if s == nil {
		return nil
	}
	switch s.Status {
	case "Disabled":
		return nil
	case "Enabled":
		if s.LeafDomainLabel != "" {
			return both(s, f)
		}
		if s.CNAME == "" || s.Certificate == "" || !f.SSLKey {
			return invalid(target, "SSL information is missing: cname, cert and key are needed together.")
		}
		return ownCertificate(s, f)
	case "Auto":
		var out []Violation
		if s.CNAME != "" || s.Certificate != "" {
			out = both(s, f)
		}
		if s.LeafDomainLabel == "" {
			out = append(out, invalid(target+".leafDomainLabel", "With SSL status Auto a leafDomainLabel is needed.")...)
		}
		if w.LoadBalancerType == "InternalLoadBalancer" {
			out = append(out, invalid(target, "An automatic certificate needs a public IP address. Use the load balancer type PublicIp, or send "+
				"a certificate of your own.")...)
		}
		return out
	}
	return invalid(target+".status", "The SSL status '%s' is not known; it is Enabled, Auto or Disabled.", s.Status)
}

// both refuses a certificate of one's own beside an automatic one. The certificate is checked nevertheless, so that all faults are
// reported.
func both(s *berth.SSLSpec, f ComputeFacts) []Violation {
	out := invalid(tlsField, bothCertificates)
	if s.Certificate != "" {
		out = append(out, ownCertificate(s, f)...)
	}
	return out
}

// banned are the ranges that AKS reserves.
var banned = []netip.Prefix{
	netip.MustParsePrefix("169.254.0.0/16"), netip.MustParsePrefix("172.30.0.0/16"),
	netip.MustParsePrefix("172.31.0.0/16"), netip.MustParsePrefix("192.0.2.0/24"),
}

// network: all fields or none; the subnet exists; the DNS address is in the service range and is not its first; no range
// overlaps another or a subnet of the network (VNET, AKS).
func network(n *berth.NetworkSpec, f ComputeFacts) []Violation {
	if n == nil {
		return nil
	}
	if n.SubnetID == "" || n.ServiceCIDR == "" || n.DNSServiceIP == "" || n.DockerBridgeCIDR == "" {
		return invalid(networking, "Virtual network information is missing: subnetId, serviceCidr, dnsServiceIP and dockerBridgeCidr are "+
			"needed together.")
	}
	var out []Violation
	id, err := berth.ParseID(n.SubnetID)
	switch {
	case err != nil || !id.Is(berth.TypeSubnet):
		out = append(out, invalid(networking+".subnetId", "'%.120s' does not name a subnet.", n.SubnetID)...)
	case f.NoSubnet:
		out = append(out, violation(berth.CodeNotFound, networking+".subnetId",
			"There is no subnet '%s' in a virtual network '%s' of resource group '%s'. Create it first (az network vnet create), or name another "+
				"one.", id.Name(), id.Parent().Name(), id.Group)...)
	}
	service, wrong := serviceRange(networking+".serviceCidr", n.ServiceCIDR)
	out = append(out, wrong...)
	if !service.IsValid() {
		return out
	}
	out = append(out, dns(networking+".dnsServiceIP", n.DNSServiceIP, service)...)
	out = append(out, apart(networking+".serviceCidr", "service range", service, f.Subnets)...)
	bridge, err := netip.ParsePrefix(n.DockerBridgeCIDR)
	switch {
	case err != nil || !bridge.Addr().Is4():
		out = append(out, invalid(networking+".dockerBridgeCidr", "'%s' is not an IPv4 range such as 172.17.0.1/16.", n.DockerBridgeCIDR)...)
	case len(apart(networking+".dockerBridgeCidr", "Docker bridge range", bridge.Masked(), f.Subnets)) > 0:
		out = append(out, apart(networking+".dockerBridgeCidr", "Docker bridge range", bridge.Masked(), f.Subnets)...)
	case bridge.Masked().Overlaps(service):
		out = append(out, invalid(networking+".dockerBridgeCidr",
			"The Docker bridge range %s overlaps the service range %s. Choose one that does not.", bridge, service)...)
	}
	return out
}

func apart(target, what string, p netip.Prefix, subnets []netip.Prefix) []Violation {
	for _, s := range subnets {
		if s.Overlaps(p) {
			return invalid(target, "The %s %s overlaps the subnet %s of the virtual network. Choose one that does not.", what, p, s)
		}
	}
	return nil
}

// serviceRange reads and checks the range of Services (AKS); the range is not valid when it cannot be read.
func serviceRange(target, text string) (service netip.Prefix, out []Violation) {
	service, err := netip.ParsePrefix(text)
	if err != nil || !service.Addr().Is4() {
		return netip.Prefix{}, invalid(target, "'%.40s' is not an IPv4 range such as 10.0.0.0/16.", text)
	}
	service = service.Masked()
	for _, b := range banned {
		if b.Overlaps(service) {
			out = append(out, invalid(target, "The service range %s overlaps %s, which AKS reserves.", service, b)...)
		}
	}
	if service.Bits() <= 12 {
		out = append(out, invalid(target, "The service range %s is too large: it must be smaller than a /12.", service)...)
	}
	return service, out
}

func dns(target, text string, service netip.Prefix) []Violation {
	ip, err := netip.ParseAddr(text)
	switch {
	case err != nil || !ip.Is4():
		return invalid(target, "'%s' is not an IPv4 address such as 10.0.0.10.", text)
	case !service.Contains(ip):
		return invalid(target, "The DNS address %s is not inside the service range %s.", ip, service)
	case ip == service.Addr() || ip == service.Addr().Next():
		return invalid(target, "The DNS address %s is the first of the service range %s, which belongs to the Kubernetes API. Choose a later "+
			"one.", ip, service)
	}
	return nil
}
