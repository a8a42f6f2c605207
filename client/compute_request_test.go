package client_test

import (
	"encoding/json"
	"testing"

	"berth.dev/berth"
	"berth.dev/berth/client"
)

func TestComputeRequest(t *testing.T) {
	const subnets = `/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/v/subnets/`
	for name, c := range map[string]struct {
		request client.ComputeRequest
		want    string // below properties
	}{
		"nothing": {client.ComputeRequest{}, `{"computeType":"AKS","properties":{}}`},
		"create": {
			client.ComputeRequest{Location: "eastus", Description: "d", Purpose: berth.DevTest, VMSize: "Standard_D3_v2", Nodes: "0"},
			`{"computeLocation":"eastus","computeType":"AKS","description":"d",
				"properties":{"agentCount":0,"agentVmSize":"Standard_D3_v2","clusterPurpose":"DevTest"}}`,
		},
		"no number": {client.ComputeRequest{Nodes: "three"}, `{"computeType":"AKS","properties":{"agentCount":"three"}}`},
		"attach": {
			client.ComputeRequest{ClusterID: "/c", LoadBalancer: "InternalLoadBalancer", LoadBalancerSubnet: "n"},
			`{"computeType":"AKS","properties":{"loadBalancerSubnet":"n","loadBalancerType":"InternalLoadBalancer"},"resourceId":"/c"}`,
		},
		"a certificate of one's own, in part": {
			client.ComputeRequest{TLS: &client.TLSRequest{Status: "Enabled", CNAME: "c", Label: "ignored"}},
			`{"computeType":"AKS","properties":{"sslConfiguration":{"cert":"","cname":"c","key":"","status":"Enabled"}}}`,
		},
		"renewed": {
			client.ComputeRequest{TLS: &client.TLSRequest{Status: "Auto", Label: "l", Renew: true}},
			`{"computeType":"AKS","properties":{"sslConfiguration":
				{"leafDomainLabel":"l","overwriteExistingDomain":false,"renew":true,"status":"Auto"}}}`,
		},
		"no TLS": {
			client.ComputeRequest{TLS: &client.TLSRequest{Status: "Disabled"}},
			`{"computeType":"AKS","properties":{"sslConfiguration":{"status":"Disabled"}}}`,
		},
		"network": {
			client.ComputeRequest{Network: client.NetworkRequest{
				Group: "g", VNet: "v", Subnet: "a/b", ServiceCIDR: "1", DNSServiceIP: "2", DockerBridgeCIDR: "3",
			}},
			`{"computeType":"AKS","properties":{"aksNetworkingConfiguration":
				{"dnsServiceIP":"2","dockerBridgeCidr":"3","serviceCidr":"1","subnetId":"` + subnets + `a%2Fb"}}}`,
		},
		"network in part": {
			client.ComputeRequest{Network: client.NetworkRequest{ServiceCIDR: "1"}},
			`{"computeType":"AKS","properties":{"aksNetworkingConfiguration":{"serviceCidr":"1"}}}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := json.Marshal(c.request.Body("s"))
			if err != nil {
				t.Fatal(err)
			}
			if want := compact(t, `{"properties":`+c.want+`}`); string(got) != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

// compact is JSON with its keys sorted and no space in it.
func compact(t *testing.T, text string) string {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	out, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}
