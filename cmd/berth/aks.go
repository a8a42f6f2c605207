package main

import (
	"github.com/spf13/cobra"

	"berth.dev/berth"
	"berth.dev/berth/client"
)

func (c *cli) aksCommand() *cobra.Command {
	return family("aks", "Kubernetes clusters",
		c.aksCreate(), c.aksImport(), c.aksShow(), c.aksList(), c.clusterCheck(berth.TypeCluster, "aks"),
		c.aksScale(), c.aksDelete(), c.aksCredentials(), c.aksVersions(), c.aksUpgrades(),
		family("nodepool", "Node pools of a cluster", c.nodepoolList()))
}

func (w *where) clusterFlags(cmd *cobra.Command) {
	w.nameFlag(cmd, "cluster", "")
	w.groupFlag(cmd, true)
}

// clusterTable has the columns of `az aks list`.
func clusterTable(v any) []row {
	return each(v, func(o client.Object) row {
		return row{
			{"Name", str(o, "name")}, {"Location", str(o, "location")}, {"ResourceGroup", groupOf(o)},
			{"KubernetesVersion", str(o, "kubernetesVersion")},
			{"CurrentKubernetesVersion", str(o, "currentKubernetesVersion")},
			{"ProvisioningState", str(o, "provisioningState")}, {"Fqdn", str(o, "fqdn")}, {"Nodes", str(o, "nodes")}, {"Health", healthText(o)},
		}
	})
}
