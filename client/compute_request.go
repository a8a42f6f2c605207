package client

import (
	"net/url"
	"strconv"

	"berth.dev/berth"
)

// ComputeRequest is what a caller asks of an AKS compute. A field that is empty is left out of the request: on create the server
// applies its default, on update it keeps the present value. Only the server's rules judge the values.
type ComputeRequest struct {
	ClusterID          string // the cluster to attach; empty: the compute is created with a cluster of its own
	Location           string // of the cluster to create
	Description        string
	Purpose            berth.Purpose
	VMSize             string
	Nodes              string // number of nodes as the user typed it
	LoadBalancer       string // PublicIp | InternalLoadBalancer
	LoadBalancerSubnet string
	TLS                *TLSRequest
	Network            NetworkRequest
}

// TLSRequest is the certificate for scoring.
type TLSRequest struct {
	Status    string // Enabled: a certificate of the caller's own; Auto: one that is made for a domain label; Disabled
	CNAME     string // of Enabled, as are the two below
	Cert      string // the chain, PEM
	Key       string // PEM; a secret
	Label     string // of Auto, as are the two below
	Overwrite bool   // take over a label that is in use
	Renew     bool   // change nothing but the certificate
}

// NetworkRequest places the created cluster into a subnet of the caller's subscription.
type NetworkRequest struct {
	Group, VNet, Subnet       string
	ServiceCIDR, DNSServiceIP string
	DockerBridgeCIDR          string
}

// Body is the ARM resource for PutCompute, TakeOverCompute, ValidateCompute and CheckRules. The subnet is in subscription.
func (r ComputeRequest) Body(subscription string) Object {
	inner := Object{}
	set(inner, "clusterPurpose", string(r.Purpose))
	set(inner, "agentVmSize", r.VMSize)
	set(inner, "loadBalancerType", r.LoadBalancer)
	set(inner, "loadBalancerSubnet", r.LoadBalancerSubnet)
	if n, err := strconv.Atoi(r.Nodes); err == nil {
		inner["agentCount"] = n
	} else {
		set(inner, "agentCount", r.Nodes) // not a number: the rules refuse it
	}
	if r.TLS != nil {
		inner["sslConfiguration"] = r.TLS.body()
	}
	if n := r.Network.body(subscription); len(n) > 0 {
		inner["aksNetworkingConfiguration"] = n
	}
	properties := Object{"computeType": berth.ComputeAKS, "properties": inner}
	set(properties, "resourceId", r.ClusterID)
	set(properties, "computeLocation", r.Location)
	set(properties, "description", r.Description)
	return Object{"properties": properties}
}

// body names every field of its status, even an empty one: the server then reports which is missing.
func (t TLSRequest) body() Object {
	out := Object{"status": t.Status}
	switch t.Status {
	case "Enabled":
		out["cname"] = t.CNAME
		out["cert"] = t.Cert
		out["key"] = t.Key
	case "Auto":
		out["leafDomainLabel"] = t.Label
		out["overwriteExistingDomain"] = t.Overwrite
	}
	if t.Renew {
		out["renew"] = true
	}
	return out
}

func (n NetworkRequest) body(subscription string) Object {
	out := Object{}
	if n.Group != "" || n.VNet != "" || n.Subnet != "" {
		out["subnetId"] = "/subscriptions/" + subscription + "/resourceGroups/" + url.PathEscape(n.Group) +
			"/providers/Microsoft.Network/virtualNetworks/" + url.PathEscape(n.VNet) + "/subnets/" + url.PathEscape(n.Subnet)
	}
	set(out, "serviceCidr", n.ServiceCIDR)
	set(out, "dnsServiceIP", n.DNSServiceIP)
	set(out, "dockerBridgeCidr", n.DockerBridgeCIDR)
	return out
}

// set adds a field unless its value is empty.
func set(o Object, key, value string) {
	if value != "" {
		o[key] = value
	}
}
