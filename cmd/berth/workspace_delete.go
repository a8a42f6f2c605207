package main

import (
	"context"

	"github.com/spf13/cobra"
)

func (c *cli) workspaceDelete() *cobra.Command {
	w := &where{}
	var yes, noWait bool
	cmd := command("delete", "Delete a workspace", func(ctx context.Context) error {
		if err := c.confirm(yes, "delete the workspace "+w.workspace); err != nil {
			return err
		}
		cl, err := c.connect()
		if err != nil {
			return err
		}
		op, err := cl.DeleteWorkspace(ctx, w.group, w.workspace)
		if err != nil {
			return err
		}
		if noWait {
			return c.running(ctx, cl, op)
		}
		return c.wait(ctx, cl, op, "Deleting workspace "+w.workspace)
	})
	w.workspaceName(cmd)
	w.groupFlag(cmd, true)
	yesFlag(cmd, &yes)
	noWaitFlag(cmd, &noWait)
	return w.on(c, cmd)
}
