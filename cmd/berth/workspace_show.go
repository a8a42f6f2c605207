package main

import (
	"context"

	"github.com/spf13/cobra"
)

func (c *cli) workspaceShow() *cobra.Command {
	w := &where{}
	cmd := command("show", "Show a workspace", func(ctx context.Context) error {
		cl, err := c.connect()
		if err != nil {
			return err
		}
		ws, err := cl.GetWorkspace(ctx, w.group, w.workspace)
		if err != nil {
			return err
		}
		return c.emit(flat(ws), workspaceTable)
	})
	w.workspaceName(cmd)
	w.groupFlag(cmd, true)
	return w.on(c, cmd)
}
