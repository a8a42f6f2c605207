package main

import (
	"context"

	"github.com/spf13/cobra"

	"berth.dev/berth/client"
)

func (c *cli) computeList() *cobra.Command {
	w := &where{}
	cmd := command("list", "List the computes of a workspace", func(ctx context.Context) error {
		cl, err := c.connect()
		if err != nil {
			return err
		}
		list, err := cl.ListComputes(ctx, w.group, w.workspace)
		if err != nil {
			return err
		}
		out := []client.Object{}
		for _, compute := range list {
			out = append(out, serialized(compute))
		}
		return c.emit(out, computeTable)
	})
	w.groupFlag(cmd, true)
	w.workspaceFlag(cmd)
	return w.on(c, cmd)
}
