package main

import (
	"context"

	"github.com/spf13/cobra"

	"berth.dev/berth/client"
)

func (c *cli) serviceShow() *cobra.Command {
	return c.onService("show", "Show a service", func(ctx context.Context, cl *client.Client, w *where) error {
		service, err := cl.GetService(ctx, w.space(), w.name)
		if err != nil {
			return err
		}
		return c.emit(service, serviceTable)
	})
}
