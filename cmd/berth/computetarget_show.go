package main

import (
	"context"

	"github.com/spf13/cobra"
)

func (c *cli) computeShow() *cobra.Command {
	w := &where{}
	cmd := command("show", "Show a compute", func(ctx context.Context) error {
		cl, err := c.connect()
		if err != nil {
			return err
		}
		compute, err := cl.GetCompute(ctx, w.computeName())
		if err != nil {
			return err
		}
		return c.emit(serialized(compute), computeTable)
	})
	w.computeFlags(cmd)
	return w.on(c, cmd)
}
