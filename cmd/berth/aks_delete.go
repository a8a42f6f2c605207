package main

import (
	"context"

	"github.com/spf13/cobra"
)

func (c *cli) aksDelete() *cobra.Command {
	w := &where{}
	var yes, noWait bool
	cmd := command("delete", "Delete a cluster", func(ctx context.Context) error {
		if err := c.confirm(yes, "delete the cluster "+w.name); err != nil {
			return err
		}
		cl, err := c.connect()
		if err != nil {
			return err
		}
		op, err := cl.DeleteCluster(ctx, w.group, w.name)
		switch {
		case err != nil:
			return err
		case op == nil: // az ends well here too
			c.warn("There was no cluster %s in the resource group %s.", w.name, w.group)
			return nil
		case noWait:
			return c.running(ctx, cl, op)
		}
		return c.wait(ctx, cl, op, "Deleting cluster "+w.name)
	})
	w.clusterFlags(cmd)
	yesFlag(cmd, &yes)
	noWaitFlag(cmd, &noWait)
	return w.on(c, cmd)
}
