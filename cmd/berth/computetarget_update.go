package main

import (
	"context"

	"github.com/spf13/cobra"

	"berth.dev/berth/client"
)

// updateOptions are what can be changed of a compute without attaching it anew.
type updateOptions struct {
	where
	balancer balancerOptions
	tls      tlsOptions
	noWait   bool
}

func (c *cli) computeUpdate() *cobra.Command {
	o := &updateOptions{}
	cmd := command("aks", "Change a compute's TLS or load balancer", func(ctx context.Context) error {
		cl, err := c.connect()
		if err != nil {
			return err
		}
		changes, err := o.request(ctx, cl)
		if err != nil {
			return err
		}
		_, op, err := cl.PutCompute(ctx, o.computeName(), changes.Body(cl.Subscription()))
		if err != nil {
			return err
		}
		return c.settleCompute(ctx, cl, o.computeName(), settling{op, "Updating compute " + o.name, o.noWait})
	})
	o.computeFlags(cmd)
	o.balancer.flags(cmd)
	o.tls.flags(cmd)
	cmd.Flags().BoolVar(&o.tls.disable, "ssl-disable", false, "turn TLS off")
	cmd.Flags().BoolVar(&o.tls.renew, "ssl-renew", false, "renew a certificate that was made for you")
	noWaitFlag(cmd, &o.noWait)
	return o.on(c, cmd)
}

// request has only the options that are set: a PUT keeps everything else. It reads the compute first, because a PUT of a name
// that does not exist would create one.
func (o *updateOptions) request(ctx context.Context, cl *client.Client) (client.ComputeRequest, error) {
	tls, err := o.tls.request()
	if err != nil {
		return client.ComputeRequest{}, err
	}
	r := client.ComputeRequest{LoadBalancer: o.balancer.kind, LoadBalancerSubnet: o.balancer.subnet, TLS: tls}
	if r == (client.ComputeRequest{}) && !o.tls.renew {
		return r, usage("nothing to change: add --load-balancer-… or --ssl-… options")
	}
	compute, err := cl.GetCompute(ctx, o.computeName())
	if err != nil || !o.tls.renew {
		return r, err
	}
	label := str(compute, "properties", "properties", "sslConfiguration", "leafDomainLabel")
	if label == "" {
		return r, usage("--ssl-renew is for a certificate that was made for you, and %s has none (no leaf domain label)", o.name)
	}
	r.TLS = &client.TLSRequest{Status: "Auto", Label: label, Renew: true}
	return r, nil
}
