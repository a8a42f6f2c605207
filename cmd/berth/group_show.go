package main

import (
	"context"

	"github.com/spf13/cobra"
)

func (c *cli) groupShow() *cobra.Command {
	w := &where{}
	cmd := command("show", "Show a resource group", func(ctx context.Context) error {
		cl, err := c.connect()
		if err != nil {
			return err
		}
		g, err := cl.GetGroup(ctx, w.group)
		if err != nil {
			return err
		}
		return c.emit(g, groupTable)
	})
	w.groupName(cmd)
	return w.on(c, cmd)
}
