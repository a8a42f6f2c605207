package main

import (
	"context"

	"github.com/spf13/cobra"

	"berth.dev/berth/client"
)

func (c *cli) accountCommand() *cobra.Command {
	locations := command("list-locations", "List the locations in which resources can be", func(ctx context.Context) error {
		cl, err := c.connect()
		if err != nil {
			return err
		}
		all, err := cl.Locations(ctx)
		if err != nil {
			return err
		}
		return c.emit(all, locationTable)
	})
	return family("account", "The subscription", locations)
}

func (c *cli) vmCommand() *cobra.Command {
	w := &where{}
	sizes := command("list-sizes", "List the sizes that nodes can have", func(ctx context.Context) error {
		cl, err := c.connect()
		if err != nil {
			return err
		}
		all, err := cl.VMSizes(ctx, w.location)
		if err != nil {
			return err
		}
		return c.emit(all, nil)
	})
	sizes.Example = "  berth vm list-sizes -l westeurope -o table"
	w.locationFlag(sizes, true)
	return family("vm", "Sizes of nodes", w.on(c, sizes))
}

// locationTable has the columns of az.
func locationTable(v any) []row {
	return each(v, func(o client.Object) row {
		return row{{"DisplayName", str(o, "displayName")}, {"Name", str(o, "name")}, {"RegionalDisplayName", str(o, "regionalDisplayName")}}
	})
}
