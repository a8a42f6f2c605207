package main

import (
	"context"

	"github.com/spf13/cobra"
)

func (c *cli) aksCredentials() *cobra.Command {
	w := &where{}
	var admin bool
	merge := mergeOptions{}
	cmd := command("get-credentials", "Merge a cluster's credentials into your kubeconfig", func(ctx context.Context) error {
		cl, err := c.connect()
		if err != nil {
			return err
		}
		config, err := cl.ClusterCredentials(ctx, w.group, w.name, admin)
		if err != nil {
			return err
		}
		if config, err = c.byBerth(config); err != nil {
			return err
		}
		return c.mergeKubeconfig(config, kubeNames(w.group, w.name, admin), merge)
	})
	cmd.Example = "  berth aks get-credentials -n mycluster -g myresourcegroup\n" +
		"  berth aks get-credentials -n mycluster -g myresourcegroup --file - > mycluster.kubeconfig"
	w.clusterFlags(cmd)
	cmd.Flags().BoolVarP(&admin, "admin", "a", false, "the administrator's credentials")
	merge.flags(cmd)
	return w.on(c, cmd)
}
