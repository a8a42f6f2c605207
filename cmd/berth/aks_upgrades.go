package main

import (
	"context"

	"github.com/spf13/cobra"

	"berth.dev/berth/client"
)

func (c *cli) aksUpgrades() *cobra.Command {
	w := &where{}
	cmd := command("get-upgrades", "List the versions that a cluster can be upgraded to", func(ctx context.Context) error {
		cl, err := c.connect()
		if err != nil {
			return err
		}
		profile, err := cl.UpgradeProfile(ctx, w.group, w.name)
		if err != nil {
			return err
		}
		return c.emit(flat(profile), upgradeTable)
	})
	w.clusterFlags(cmd)
	return w.on(c, cmd)
}

func upgradeTable(v any) []row {
	return each(v, func(o client.Object) row {
		preview := map[string]bool{}
		list, _ := at(o, "controlPlaneProfile", "upgrades").([]any)
		for _, u := range objects(list) {
			preview[str(u, "kubernetesVersion")] = u["isPreview"] == true
		}
		text := upgradeText(list, "kubernetesVersion", func(version string) string {
			if preview[version] {
				return version + "(preview)"
			}
			return version
		})
		return row{
			{"Name", str(o, "name")}, {"ResourceGroup", str(o, "resourceGroup")},
			{"MasterVersion", str(o, "controlPlaneProfile", "kubernetesVersion")}, {"Upgrades", text},
		}
	})
}
