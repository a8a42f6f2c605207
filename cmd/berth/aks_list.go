package main

import (
	"context"

	"github.com/spf13/cobra"
)

func (c *cli) aksList() *cobra.Command {
	w := &where{}
	cmd := command("list", "List the clusters of a resource group, or all", func(ctx context.Context) error {
		cl, err := c.connect()
		if err != nil {
			return err
		}
		list, err := cl.ListClusters(ctx, w.group)
		if err != nil {
			return err
		}
		return c.emit(flatAll(list), clusterTable)
	})
	w.groupFlag(cmd, false)
	return w.on(c, cmd)
}
