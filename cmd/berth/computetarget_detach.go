package main

import (
	"context"

	"github.com/spf13/cobra"

	"berth.dev/berth/client"
)

func (c *cli) computeDetach() *cobra.Command {
	w := &where{}
	var noWait, clean bool
	cmd := command("detach", "Detach a compute; its cluster keeps running", func(ctx context.Context) error {
		cl, err := c.connect()
		if err != nil {
			return err
		}
		if clean { // before the detach, because only the compute names its cluster
			compute, err := cl.GetCompute(ctx, w.computeName())
			if err != nil {
				return err
			}
			if err := c.removeRouterObjects(ctx, cl, str(compute, "properties", "resourceId")); err != nil {
				return err
			}
		}
		return c.removeCompute(ctx, cl, w, removal{client.ActionDetach, "Detaching compute " + w.name, noWait})
	})
	cmd.Example = "  berth ml computetarget detach -n myaks -g myresourcegroup -w myworkspace"
	w.computeFlags(cmd)
	noWaitFlag(cmd, &noWait)
	cmd.Flags().BoolVar(&clean, "remove-router", false,
		"also remove the objects of Azure ML's own router from the cluster (azureml-fe and its companions)")
	flagAlias(cmd, "clean-leftovers", "remove-router")
	return w.on(c, cmd)
}

// removal is how a compute is deleted or detached.
type removal struct {
	action, doing string
	noWait        bool
}

// removeCompute first checks that the compute exists: a DELETE of a compute that does not exist succeeds, and would hide a
// typing mistake.
func (c *cli) removeCompute(ctx context.Context, cl *client.Client, w *where, how removal) error {
	if _, err := cl.GetCompute(ctx, w.computeName()); err != nil {
		return err
	}
	op, err := cl.DeleteCompute(ctx, w.computeName(), how.action)
	if err != nil {
		return err
	}
	if how.noWait {
		return c.running(ctx, cl, op)
	}
	return c.wait(ctx, cl, op, how.doing)
}
