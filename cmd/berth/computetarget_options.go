package main

import (
	"fmt"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"berth.dev/berth/client"
)

// tlsOptions are the --ssl-… options.
type tlsOptions struct {
	cname, certFile, keyFile, label string
	overwrite, disable, renew       bool
}

func (o *tlsOptions) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.cname, "ssl-cname", "", "host name of the certificate")
	f.StringVar(&o.certFile, "ssl-cert-file", "", "file with the certificate chain (PEM)")
	f.StringVar(&o.keyFile, "ssl-key-file", "", "file with the private key (PEM)")
	f.StringVar(&o.label, "ssl-leaf-domain-label", "", "label for a certificate that is made for you")
	f.BoolVar(&o.overwrite, "ssl-overwrite-domain", false, "take over a domain label that is in use")
}

// request is what the options ask for; nil without any of them. It reads the files.
func (o *tlsOptions) request() (*client.TLSRequest, error) {
	own := o.cname != "" || o.certFile != "" || o.keyFile != ""
	switch {
	case o.disable && (own || o.label != ""):
		return nil, usage("--ssl-disable excludes every other --ssl option")
	case o.disable:
		return &client.TLSRequest{Status: "Disabled"}, nil
	case own && (o.label != "" || o.overwrite):
		return nil, usage("use either a certificate (--ssl-cname, --ssl-cert-file, --ssl-key-file) " +
			"or --ssl-leaf-domain-label, not both")
	case own && (o.cname == "" || o.certFile == "" || o.keyFile == ""):
		return nil, usage("a certificate of your own needs all three of --ssl-cname, --ssl-cert-file and --ssl-key-file")
	case o.label != "":
		return &client.TLSRequest{Status: "Auto", Label: o.label, Overwrite: o.overwrite}, nil
	case !own:
		return nil, nil
	}
	cert, err := os.ReadFile(o.certFile)
	if err != nil {
		return nil, fmt.Errorf("the certificate cannot be read: %w", err)
	}
	key, err := os.ReadFile(o.keyFile)
	if err != nil {
		return nil, fmt.Errorf("the private key cannot be read: %w", err)
	}
	return &client.TLSRequest{Status: "Enabled", CNAME: o.cname, Cert: string(cert), Key: string(key)}, nil
}

// balancerOptions are the --load-balancer-… options.
type balancerOptions struct{ kind, subnet string }

func (o *balancerOptions) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&o.kind, "load-balancer-type", "", "PublicIp or InternalLoadBalancer (default PublicIp)")
	cmd.Flags().StringVar(&o.subnet, "load-balancer-subnet", "", "subnet of an internal load balancer (default aks-subnet)")
}

// networkOptions place the cluster into a virtual network.
type networkOptions struct{ vnet, group, subnet, serviceCIDR, dnsIP, bridgeCIDR string }

func (o *networkOptions) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.vnet, "vnet-name", "", "virtual network to place the cluster in")
	f.StringVar(&o.group, "vnet-resourcegroup-name", "", "resource group of the virtual network")
	f.StringVar(&o.subnet, "subnet-name", "", "subnet in the virtual network")
	f.StringVar(&o.serviceCIDR, "service-cidr", "", "addresses for services, such as 10.0.0.0/16")
	f.StringVar(&o.dnsIP, "dns-service-ip", "", "address of the cluster's DNS, inside --service-cidr")
	f.StringVar(&o.bridgeCIDR, "docker-bridge-cidr", "", "addresses for the container bridge, such as 172.17.0.1/16")
}

// request is what the options ask for: all of them, or none.
func (o *networkOptions) request() (client.NetworkRequest, error) {
	all := []string{o.vnet, o.group, o.subnet, o.serviceCIDR, o.dnsIP, o.bridgeCIDR}
	set := len(slices.DeleteFunc(all, func(v string) bool { return v == "" }))
	if set > 0 && set < len(all) {
		return client.NetworkRequest{}, usage("a virtual network needs all six of --vnet-name, --vnet-resourcegroup-name, --subnet-name, " +
			"--service-cidr, --dns-service-ip and --docker-bridge-cidr")
	}
	return client.NetworkRequest{
		Group: o.group, VNet: o.vnet, Subnet: o.subnet,
		ServiceCIDR: o.serviceCIDR, DNSServiceIP: o.dnsIP, DockerBridgeCIDR: o.bridgeCIDR,
	}, nil
}

func purposeFlag(cmd *cobra.Command, purpose *string) {
	cmd.Flags().StringVar(purpose, "cluster-purpose", "", "FastProd or DevTest (default FastProd: at least 12 vCPUs)")
}
