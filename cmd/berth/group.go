package main

import (
	"github.com/spf13/cobra"

	"berth.dev/berth/client"
)

func (c *cli) groupCommand() *cobra.Command {
	return family("group", "Resource groups: they contain every other resource",
		c.groupCreate(), c.groupShow(), c.groupList(), c.groupDelete(), c.groupExists())
}

// groupName adds --name/-n for a group, with -g as another word for it.
func (w *where) groupName(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&w.group, "name", "n", "", "name of the resource group")
	cmd.Flags().StringVarP(&w.group, "resource-group", "g", "", "the same as --name")
	w.wants = append(w.wants, want{value: &w.group, options: "--name/-n"})
}

func groupTable(v any) []row {
	return each(v, func(g client.Object) row {
		return row{{"Name", str(g, "name")}, {"Location", str(g, "location")}, {"Status", str(g, "properties", "provisioningState")}}
	})
}
