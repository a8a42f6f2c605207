package client

import (
	"maps"
	"net/url"
	"strconv"

	"berth.dev/berth"
)

// ComputeRequest is what a caller asks of an AKS compute: to create one, to attach a cluster, or to change one. Body leaves
// out every field that is empty, so that the server applies its default, or keeps the present value of a compute that exists.
type ComputeRequest struct {
	Attach  bool   // attach Cluster instead of creating a cluster
	Cluster string // resource id of the cluster to attach

	Description string
	Location    string // of the cluster to create
	Purpose     string // berth.FastProd or berth.DevTest
	NodeCount   string // number of nodes in decimal; any other text is sent as it is, and the rules refuse it
	VMSize      string

	Balancer       string // PublicIp or InternalLoadBalancer
	BalancerSubnet string
	TLS            *TLSRequest
	RenewTLS       Object // the compute's present sslConfiguration, to renew its certificate; replaces TLS
	Network        *NetworkRequest
}

// The values of TLSRequest.Status.
const (
	TLSDisabled = "Disabled"
	TLSEnabled  = "Enabled" // with the caller's own certificate
	TLSAuto     = "Auto"    // with a certificate that is made for a domain label
)

// TLSRequest is the TLS configuration of a compute's scoring endpoint.
type TLSRequest struct {
	Status           string
	CNAME, Cert, Key string // of TLSEnabled; certificate chain and private key in PEM
	Label            string // of TLSAuto: the leaf domain label
	Overwrite        bool   // of TLSAuto: take over a label that is in use
}

// NetworkRequest places a cluster into a virtual network of the same subscription.
type NetworkRequest struct {
	Group, Network, Subnet       string
	ServiceCIDR, DNS, BridgeCIDR string
}

// Body is the request as PutCompute and ValidateCompute take it. subscription is the id of the one that Network is in.
func (r ComputeRequest) Body(subscription string) Object {
	inner := Object{}
	if n, err := strconv.Atoi(r.NodeCount); err == nil {
		inner["agentCount"] = n
	} else {
		put(inner, "agentCount", r.NodeCount)
	}
	put(inner, "agentVmSize", r.VMSize)
	put(inner, "clusterPurpose", r.Purpose)
	put(inner, "loadBalancerType", r.Balancer)
	put(inner, "loadBalancerSubnet", r.BalancerSubnet)
	switch {
	case r.RenewTLS != nil:
		renewed := maps.Clone(r.RenewTLS)
		renewed["renew"] = true
		inner["sslConfiguration"] = renewed
	case r.TLS != nil:
		inner["sslConfiguration"] = r.TLS.body()
	}
	if r.Network != nil {
		inner["aksNetworkingConfiguration"] = r.Network.body(subscription)
	}
	properties := Object{"computeType": berth.ComputeAKS, "properties": inner}
	if r.Attach {
		properties["resourceId"] = r.Cluster
	}
	put(properties, "computeLocation", r.Location)
	put(properties, "description", r.Description)
	return Object{"properties": properties}
}

func (r *TLSRequest) body() Object {
	switch r.Status {
	case TLSEnabled:
		return Object{"status": r.Status, "cname": r.CNAME, "cert": r.Cert, "key": r.Key}
	case TLSAuto:
		return Object{"status": r.Status, "leafDomainLabel": r.Label, "overwriteExistingDomain": r.Overwrite}
	}
	return Object{"status": r.Status}
}

func (r *NetworkRequest) body(subscription string) Object {
	out := Object{}
	if r.Group != "" || r.Network != "" || r.Subnet != "" {
		out["subnetId"] = "/subscriptions/" + subscription + "/resourceGroups/" + url.PathEscape(r.Group) +
			"/providers/Microsoft.Network/virtualNetworks/" + url.PathEscape(r.Network) + "/subnets/" + url.PathEscape(r.Subnet)
	}
	put(out, "serviceCidr", r.ServiceCIDR)
	put(out, "dnsServiceIP", r.DNS)
	put(out, "dockerBridgeCidr", r.BridgeCIDR)
	return out
}

// put adds a field unless its value is empty.
func put(o Object, key, value string) {
	if value != "" {
		o[key] = value
	}
}
