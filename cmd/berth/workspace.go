package main

import (
	"github.com/spf13/cobra"

	"berth.dev/berth/client"
)

// workspaceName adds --workspace-name/-w, with --name/-n as another word for it, as the CLI v1 and v2 have it.
func (w *where) workspaceName(cmd *cobra.Command) {
	w.workspaceFlag(cmd)
	cmd.Flags().StringVarP(&w.workspace, "name", "n", "", "the same as --workspace-name")
}

func workspaceTable(v any) []row {
	return each(v, func(w client.Object) row {
		return row{
			{"Name", str(w, "name")}, {"ResourceGroup", groupOf(w)}, {"Location", str(w, "location")},
			{"State", str(w, "properties", "provisioningState") + str(w, "provisioningState")},
		}
	})
}
