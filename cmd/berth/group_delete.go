package main

import (
	"context"

	"github.com/spf13/cobra"
)

func (c *cli) groupDelete() *cobra.Command {
	w := &where{}
	var yes, noWait bool
	cmd := command("delete", "Delete a resource group with everything in it, clusters too", func(ctx context.Context) error {
		if err := c.confirm(yes, "delete the resource group "+w.group+" with everything in it"); err != nil {
			return err
		}
		cl, err := c.connect()
		if err != nil {
			return err
		}
		op, err := cl.DeleteGroup(ctx, w.group)
		if err != nil {
			return err
		}
		if noWait {
			return c.running(ctx, cl, op)
		}
		return c.wait(ctx, cl, op, "Deleting resource group "+w.group)
	})
	w.groupName(cmd)
	yesFlag(cmd, &yes)
	noWaitFlag(cmd, &noWait)
	return w.on(c, cmd)
}

func noWaitFlag(cmd *cobra.Command, noWait *bool) {
	cmd.Flags().BoolVar(noWait, "no-wait", false, "do not wait until it is done")
}
