package main

import (
	"context"

	"github.com/spf13/cobra"

	"berth.dev/berth/client"
)

func (c *cli) computeCredentials() *cobra.Command {
	w := &where{}
	var admin bool
	merge := mergeOptions{}
	var cmd *cobra.Command
	cmd = command("get-credentials",
		"Show the credentials of a compute's cluster, or merge them into a kubeconfig with --file", func(ctx context.Context) error {
			cl, err := c.connect()
			if err != nil {
				return err
			}
			keys, err := cl.ComputeKeys(ctx, w.computeName())
			if err != nil || !cmd.Flags().Changed("file") {
				return c.emitOr(err, keys)
			}
			config := str(keys, "userKubeConfig")
			if admin {
				config = str(keys, "adminKubeConfig")
			}
			return c.mergeKubeconfig([]byte(config), kubeNames(w.group, w.name, admin), merge)
		})
	w.computeFlags(cmd)
	cmd.Flags().BoolVarP(&admin, "admin", "a", false, "the administrator's credentials (with --file)")
	merge.flags(cmd)
	return w.on(c, cmd)
}

func (c *cli) emitOr(err error, o client.Object) error {
	if err != nil {
		return err
	}
	return c.emit(o, nil)
}
