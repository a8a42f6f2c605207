package main

import (
	"context"

	"github.com/spf13/cobra"
)

func (c *cli) operationWait() *cobra.Command {
	w := &where{}
	cmd := command("wait", "Wait until an operation has ended", func(ctx context.Context) error {
		cl, err := c.connect()
		if err != nil {
			return err
		}
		op, err := cl.OperationByID(unquoted(w.name))
		if err != nil {
			return err
		}
		if err := c.wait(ctx, cl, op, "Waiting for operation "+op.ID); err != nil {
			return err
		}
		return c.emit(op.Raw, operationTable)
	})
	w.idFlag(cmd)
	return w.on(c, cmd)
}
