package main

import (
	"context"
	"strconv"

	"github.com/spf13/cobra"

	"berth.dev/berth"
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
	nodes           string
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
		body, err := o.body(cl.Subscription(), cmd.Flags().Changed("agent-count"))
		if err != nil {
			return err
		}
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
	nodesFlag(cmd, &o.nodes)
	o.balancer.flags(cmd)
	o.tls.flags(cmd)
	o.network.flags(cmd)
	noWaitFlag(cmd, &o.noWait)
	dryRunFlag(cmd, &o.dryRun)
	return o.on(c, cmd)
}

// body is the ARM resource. countSet: --agent-count was among the options, be it 0.
func (o *createOptions) body(subscription string, countSet bool) (client.Object, error) {
	tls, err := o.tls.request()
	if err != nil {
		return nil, err
	}
	network, err := o.network.request()
	if err != nil {
		return nil, err
	}
	r := client.ComputeRequest{
		Location: o.location, Description: o.description, Purpose: berth.Purpose(o.purpose), VMSize: o.vmSize,
		LoadBalancer: o.balancer.kind, LoadBalancerSubnet: o.balancer.subnet, TLS: tls, Network: network,
	}
	if countSet {
		r.Nodes = strconv.Itoa(o.count)
	}
	body := r.Body(subscription)
	if tags := chooseNodes(nil, o.nodes); tags != nil {
		body["tags"] = tags
	}
	return body, nil
}
