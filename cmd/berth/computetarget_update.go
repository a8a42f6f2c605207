package main

import (
	"context"

	"github.com/spf13/cobra"

	"berth.dev/berth"
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
		inner, err := o.changes(ctx, cl)
		if err != nil {
			return err
		}
		body := client.Object{"properties": client.Object{"computeType": berth.ComputeAKS, "properties": inner}}
		_, op, err := cl.PutCompute(ctx, o.computeName(), body)
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

// changes is only what is to change: what a PUT does not name stays. It reads the compute first, since a PUT of a name
// that does not exist would create one.
func (o *updateOptions) changes(ctx context.Context, cl *client.Client) (client.Object, error) {
	tls, err := o.tls.configuration()
	if err != nil {
		return nil, err
	}
	inner := client.Object{}
	put(inner, "loadBalancerType", o.balancer.kind)
	put(inner, "loadBalancerSubnet", o.balancer.subnet)
	if tls != nil {
		inner["sslConfiguration"] = tls
	}
	if len(inner) == 0 && !o.tls.renew {
		return nil, usage("nothing to change: add --load-balancer-… or --ssl-… options")
	}
	compute, err := cl.GetCompute(ctx, o.computeName())
	if err != nil || !o.tls.renew {
		return inner, err
	}
	old, _ := at(compute, "properties", "properties", "sslConfiguration").(client.Object)
	if str(old, "leafDomainLabel") == "" {
		return nil, usage("--ssl-renew is for a certificate that was made for you, and %s has none (no leaf domain label)", o.name)
	}
	old["renew"] = true
	inner["sslConfiguration"] = old
	return inner, nil
}
