package main

import (
	"context"

	"github.com/spf13/cobra"
)

func (c *cli) aksShow() *cobra.Command {
	w := &where{}
	cmd := command("show", "Show a cluster", func(ctx context.Context) error {
		cl, err := c.connect()
		if err != nil {
			return err
		}
		cluster, err := cl.GetCluster(ctx, w.group, w.name)
		if err != nil {
			return err
		}
		return c.emit(flat(cluster), clusterTable)
	})
	cmd.Example = "  berth aks show -n myexistingcluster -g myresourcegroup --query id"
	w.clusterFlags(cmd)
	return w.on(c, cmd)
}
