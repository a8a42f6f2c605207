package main

import (
	"context"

	"github.com/spf13/cobra"

	"berth.dev/berth/client"
)

func (c *cli) nodepoolList() *cobra.Command {
	w := &where{}
	cmd := command("list", "List the node pools of a cluster", func(ctx context.Context) error {
		cl, err := c.connect()
		if err != nil {
			return err
		}
		list, err := cl.NodePools(ctx, w.group, w.name)
		if err != nil {
			return err
		}
		return c.emit(flatAll(list), nodepoolTable)
	})
	cmd.Flags().StringVar(&w.name, "cluster-name", "", "name of the cluster")
	w.wants = append(w.wants, want{value: &w.name, options: "--cluster-name"})
	w.groupFlag(cmd, true)
	return w.on(c, cmd)
}

func nodepoolTable(v any) []row {
	return each(v, func(o client.Object) row {
		return row{
			{"Name", str(o, "name")}, {"OsType", str(o, "osType")}, {
				"KubernetesVersion", str(o, "orchestratorVersion"),
			}, {"VmSize", str(o, "vmSize")},
			{"Count", str(o, "count")}, {"MaxPods", str(o, "maxPods")}, {"ProvisioningState", str(o, "provisioningState")}, {"Mode", str(o, "mode")},
		}
	})
}
