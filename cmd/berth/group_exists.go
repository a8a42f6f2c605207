package main

import (
	"context"

	"github.com/spf13/cobra"

	"berth.dev/berth/client"
)

func (c *cli) groupExists() *cobra.Command {
	w := &where{}
	cmd := command("exists", "Print whether a resource group exists: true or false", func(ctx context.Context) error {
		cl, err := c.connect()
		if err != nil {
			return err
		}
		_, err = cl.GetGroup(ctx, w.group)
		if err != nil && !client.IsNotFound(err) {
			return err
		}
		return c.emit(err == nil, nil)
	})
	w.groupName(cmd)
	return w.on(c, cmd)
}
