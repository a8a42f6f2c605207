package main

import (
	"context"

	"github.com/spf13/cobra"

	"berth.dev/berth/client"
)

func (c *cli) aksScale() *cobra.Command {
	w := &where{}
	to := client.PoolScale{}
	var noWait bool
	var cmd *cobra.Command
	cmd = command("scale", "Change the number of nodes of a cluster", func(ctx context.Context) error {
		if !cmd.Flags().Changed("node-count") {
			return usage("the following arguments are required: --node-count/-c")
		}
		cl, err := c.connect()
		if err != nil {
			return err
		}
		_, op, err := cl.ScaleCluster(ctx, w.group, w.name, to)
		if err != nil {
			return err
		}
		if noWait {
			return c.running(ctx, cl, op)
		}
		return c.settleCluster(ctx, cl, w, settling{op: op, doing: "Scaling cluster " + w.name})
	})
	w.clusterFlags(cmd)
	cmd.Flags().IntVarP(&to.Count, "node-count", "c", 0, "number of nodes")
	cmd.Flags().StringVar(&to.Pool, "nodepool-name", "", "node pool to scale (default: the only one)")
	noWaitFlag(cmd, &noWait)
	return w.on(c, cmd)
}
