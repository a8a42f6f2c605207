package main

import (
	"context"

	"github.com/spf13/cobra"

	"berth.dev/berth/client"
)

func (c *cli) serviceDelete() *cobra.Command {
	var noWait bool
	cmd := c.onService("delete", "Delete a service", func(ctx context.Context, cl *client.Client, w *where) error {
		// A DELETE of what does not exist succeeds, and would hide a typing mistake.
		if _, err := cl.GetService(ctx, w.space(), w.name); err != nil {
			return err
		}
		op, err := cl.DeleteService(ctx, w.space(), w.name)
		if err != nil {
			return err
		}
		if noWait {
			return c.running(ctx, cl, op)
		}
		return c.wait(ctx, cl, op, "Deleting service "+w.name)
	})
	noWaitFlag(cmd, &noWait)
	return cmd
}
