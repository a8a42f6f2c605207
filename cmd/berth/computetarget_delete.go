package main

import (
	"context"

	"github.com/spf13/cobra"

	"berth.dev/berth/client"
)

func (c *cli) computeDelete() *cobra.Command {
	w := &where{}
	var yes, noWait bool
	cmd := command("delete", "Delete a created compute with its cluster", func(ctx context.Context) error {
		if err := c.confirm(yes, "delete the compute "+w.name+" with its cluster"); err != nil {
			return err
		}
		cl, err := c.connect()
		if err != nil {
			return err
		}
		return c.removeCompute(ctx, cl, w, removal{client.ActionDelete, "Deleting compute " + w.name, noWait})
	})
	w.computeFlags(cmd)
	yesFlag(cmd, &yes)
	noWaitFlag(cmd, &noWait)
	return w.on(c, cmd)
}
