package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"berth.dev/berth/client"
)

func (c *cli) modelDelete() *cobra.Command {
	return c.onModel("delete", "Delete a version of a model", func(ctx context.Context, cl *client.Client, o *modelOptions, id string) error {
		if !strings.Contains(id, ":") {
			return usage("a deletion needs the version: add --version, or use --model-id NAME:VERSION")
		}
		return cl.DeleteModel(ctx, o.space(), id)
	})
}
