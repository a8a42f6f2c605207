package main

import (
	"context"
	"strconv"

	"github.com/spf13/cobra"

	"berth.dev/berth/client"
)

// createOptions are the options of `create aks`, as the CLI v1 has them.
type createOptions struct {
	where
	count           int
	vmSize, purpose string
	balancer        balancerOptions
	tls             tlsOptions
	network         networkOptions
	description     string
	noWait, dryRun  bool
}

func (c *cli) computeCreate() *cobra.Command {
	o := &createOptions{}
	var cmd *cobra.Command
	cmd = command("aks", "Create a compute with a Kubernetes cluster of its own", func(ctx context.Context) error {
		cl, err := c.connect()
		if err != nil {
			return err
		}
		request, err := o.request(cmd.Flags().Changed("agent-count"))
		if err != nil {
			return err
		}
		body := request.Body(cl.Subscription())
		if o.dryRun {
			return c.dryRun(ctx, cl, o.computeName(), body)
		}
		c.note("Provisioning compute resources...")
		_, op, err := cl.PutCompute(ctx, o.computeName(), body)
		if err != nil {
			return err
		}
		c.note("Resource creation submitted successfully.")
		return c.settleCompute(ctx, cl, o.computeName(), settling{op, "Creating compute " + o.name, o.noWait})
	})
	cmd.Example = "  berth ml computetarget create aks -n myaks\n" +
		"  berth ml computetarget create aks -n mydev --cluster-purpose DevTest -a 1 -g myresourcegroup -w myworkspace"
	o.computeFlags(cmd)
	f := cmd.Flags()
	f.IntVarP(&o.count, "agent-count", "a", 0, "number of nodes (default 3; 1 for DevTest)")
	f.StringVarP(&o.vmSize, "vm-size", "s", "", "size of the nodes (default Standard_D3_v2)")
	// The workspace's location is the default here, so the configured one must stay out of it.
	f.StringVarP(&o.location, "location", "l", "", "location of the cluster (default: the workspace's)")
	f.StringVar(&o.description, "description", "", "what it is for")
	purposeFlag(cmd, &o.purpose)
	o.balancer.flags(cmd)
	o.tls.flags(cmd)
	o.network.flags(cmd)
	noWaitFlag(cmd, &o.noWait)
	dryRunFlag(cmd, &o.dryRun)
	return o.on(c, cmd)
}

// request leaves out the options that are not set: the service has its defaults.
func (o *createOptions) request(countSet bool) (client.ComputeRequest, error) {
	r := client.ComputeRequest{
		Description: o.description, Location: o.location, Purpose: o.purpose, VMSize: o.vmSize,
		Balancer: o.balancer.kind, BalancerSubnet: o.balancer.subnet,
	}
	if countSet {
		r.NodeCount = strconv.Itoa(o.count)
	}
	var err error
	if r.TLS, err = o.tls.request(); err != nil {
		return r, err
	}
	r.Network, err = o.network.request()
	return r, err
}
