package main

import (
	"context"

	"github.com/spf13/cobra"

	"berth.dev/berth"
	"berth.dev/berth/client"
)

// attachOptions are the options of `attach aks`: those of the CLI v1, and purpose, TLS and load balancer, which it lacked.
type attachOptions struct {
	where
	cluster, purpose string
	balancer         balancerOptions
	tls              tlsOptions
	noWait, dryRun   bool
	force            bool
}

func (c *cli) computeAttach() *cobra.Command {
	o := &attachOptions{}
	cmd := command("aks", "Attach an existing Kubernetes cluster as a compute", func(ctx context.Context) error {
		tls, err := o.tls.request()
		if err != nil {
			return err
		}
		cl, err := c.connect()
		if err != nil {
			return err
		}
		body := client.ComputeRequest{
			ClusterID: unquoted(o.cluster), Purpose: berth.Purpose(o.purpose),
			LoadBalancer: o.balancer.kind, LoadBalancerSubnet: o.balancer.subnet, TLS: tls,
		}.Body(cl.Subscription())
		if o.dryRun {
			return c.dryRun(ctx, cl, o.computeName(), body)
		}
		c.note("Attaching compute resource...")
		put := cl.PutCompute
		if o.force {
			put = cl.TakeOverCompute
		}
		_, op, err := put(ctx, o.computeName(), body)
		if err != nil {
			return err
		}
		c.note("Resource attach submitted successfully.")
		return c.settleCompute(ctx, cl, o.computeName(), settling{op, "Attaching compute " + o.name, o.noWait})
	})
	cmd.Example = "  berth ml computetarget attach aks -n myaks -g myresourcegroup -w myworkspace \\\n" +
		"    -i $(berth aks show -n myexistingcluster -g myresourcegroup --query id -o tsv)"
	o.computeFlags(cmd)
	cmd.Flags().StringVarP(&o.cluster, "compute-resource-id", "i", "", "resource id of the cluster ('berth aks show … --query id' prints it)")
	o.wants = append(o.wants, want{value: &o.cluster, options: "--compute-resource-id/-i"})
	purposeFlag(cmd, &o.purpose)
	o.balancer.flags(cmd)
	o.tls.flags(cmd)
	noWaitFlag(cmd, &o.noWait)
	dryRunFlag(cmd, &o.dryRun)
	cmd.Flags().BoolVar(&o.force, "force", false, "take the cluster over from the compute that has it; that compute becomes Failed")
	return o.on(c, cmd)
}
