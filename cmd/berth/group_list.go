package main

import (
	"context"

	"github.com/spf13/cobra"
)

func (c *cli) groupList() *cobra.Command {
	return command("list", "List the resource groups", func(ctx context.Context) error {
		cl, err := c.connect()
		if err != nil {
			return err
		}
		groups, err := cl.ListGroups(ctx)
		if err != nil {
			return err
		}
		return c.emit(groups, groupTable)
	})
}
