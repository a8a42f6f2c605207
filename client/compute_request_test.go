package client_test

import (
	"encoding/json"
	"testing"

	"berth.dev/berth/client"
)

// TestComputeRequestBody: a request has the fields that are set, and no others.
func TestComputeRequestBody(t *testing.T) {
	const aks = `{"properties":{"computeType":"AKS","properties":`
	for want, r := range map[string]client.ComputeRequest{
		aks + `{}}}`:                       {},
		aks + `{"agentCount":0}}}`:         {NodeCount: "0"},
		aks + `{"agentCount":"three"}}}`:   {NodeCount: "three"},
		aks + `{},"resourceId":""}}`:       {Attach: true},
		aks + `{},"resourceId":"/a"}}`:     {Attach: true, Cluster: "/a"},
		aks + `{"loadBalancerType":"b"}}}`: {Balancer: "b"},
		aks + `{"sslConfiguration":{"status":"Disabled"}}}}`: {
			TLS: &client.TLSRequest{Status: client.TLSDisabled, Label: "unused"},
		},
		aks + `{"sslConfiguration":{"cert":"","cname":"","key":"","status":"Enabled"}}}}`: {
			TLS: &client.TLSRequest{Status: client.TLSEnabled},
		},
		aks + `{"sslConfiguration":{"leafDomainLabel":"l","overwriteExistingDomain":false,"status":"Auto"}}}}`: {
			TLS: &client.TLSRequest{Status: client.TLSAuto, Label: "l"},
		},
		aks + `{"sslConfiguration":{"leafDomainLabel":"old","renew":true}}}}`: {
			TLS:      &client.TLSRequest{Status: client.TLSDisabled},
			RenewTLS: client.Object{"leafDomainLabel": "old"},
		},
		aks + `{"aksNetworkingConfiguration":{"dnsServiceIP":"d"}}}}`: {Network: &client.NetworkRequest{DNS: "d"}},
		aks + `{"aksNetworkingConfiguration":{"subnetId":"/subscriptions/s/resourceGroups/g%2Fh` +
			`/providers/Microsoft.Network/virtualNetworks/v/subnets/n"}}}}`: {
			Network: &client.NetworkRequest{Group: "g/h", Network: "v", Subnet: "n"},
		},
	} {
		got, err := json.Marshal(r.Body("s"))
		if err != nil || string(got) != want {
			t.Errorf("%+v: %v\ngot  %s\nwant %s", r, err, got, want)
		}
	}
}
