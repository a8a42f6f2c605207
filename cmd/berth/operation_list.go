package main

import (
	"context"

	"github.com/spf13/cobra"

	"berth.dev/berth"
)

func (c *cli) operationList() *cobra.Command {
	var resource string
	var active bool
	cmd := command("list", "List the latest operations, the newest first", func(ctx context.Context) error {
		cl, err := c.connect()
		if err != nil {
			return err
		}
		var of berth.ID
		if resource != "" {
			if of, err = berth.ParseID(unquoted(resource)); err != nil {
				return usage("--resource-id is not the id of a resource: %v", err)
			}
		}
		all, err := cl.Operations(ctx, of, active)
		if err != nil {
			return err
		}
		return c.emit(all, operationTable)
	})
	cmd.Flags().StringVar(&resource, "resource-id", "", "only the operations of this resource")
	cmd.Flags().BoolVar(&active, "active", false, "only operations that still run")
	return cmd
}
