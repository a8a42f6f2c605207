package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"
)

func (c *cli) operationShow() *cobra.Command {
	w := &where{}
	cmd := command("show", "Show an operation", func(ctx context.Context) error {
		cl, err := c.connect()
		if err != nil {
			return err
		}
		op, err := cl.OperationByID(unquoted(w.name))
		if err != nil {
			return err
		}
		if err := cl.Operation(ctx, op); err != nil {
			return err
		}
		return c.emit(op.Raw, operationTable)
	})
	w.idFlag(cmd)
	return w.on(c, cmd)
}

func lastWord(id string) string { return id[strings.LastIndex(id, "/")+1:] }
