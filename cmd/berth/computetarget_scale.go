package main

import (
	"context"

	"github.com/spf13/cobra"
)

func (c *cli) computeScale() *cobra.Command {
	w := &where{}
	var count int
	var noWait bool
	var cmd *cobra.Command
	cmd = command("scale", "Change the number of nodes of a created compute", func(ctx context.Context) error {
		if !cmd.Flags().Changed("agent-count") {
			return usage("the following arguments are required: --agent-count/-a")
		}
		cl, err := c.connect()
		if err != nil {
			return err
		}
		// A PUT of a name that does not exist would create a compute.
		if _, err := cl.GetCompute(ctx, w.computeName()); err != nil {
			return err
		}
		_, op, err := cl.ScaleCompute(ctx, w.computeName(), count)
		if err != nil {
			return err
		}
		return c.settleCompute(ctx, cl, w.computeName(), settling{op, "Scaling compute " + w.name, noWait})
	})
	cmd.Example = "  berth ml computetarget scale -n myaks -a 4"
	w.computeFlags(cmd)
	cmd.Flags().IntVarP(&count, "agent-count", "a", 0, "number of nodes")
	noWaitFlag(cmd, &noWait)
	return w.on(c, cmd)
}
