package main

import (
	"context"

	"github.com/spf13/cobra"

	"berth.dev/berth/client"
)

func (c *cli) modelShow() *cobra.Command {
	return c.onModel("show", "Show a version of a model", func(ctx context.Context, cl *client.Client, o *modelOptions, id string) error {
		model, err := cl.GetModel(ctx, o.space(), id)
		if err != nil {
			return err
		}
		return c.emit(model, modelTable)
	})
}
