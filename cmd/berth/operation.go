package main

import (
	"github.com/spf13/cobra"

	"berth.dev/berth/client"
)

func (c *cli) operationCommand() *cobra.Command {
	return family("operation", "Operations: changes that Berth is working on", c.operationList(), c.operationShow(), c.operationWait())
}

// idFlag adds --id: a GUID, or the address that Azure-AsyncOperation named.
func (w *where) idFlag(cmd *cobra.Command) {
	cmd.Flags().StringVar(&w.name, "id", "", "id of the operation, or its address")
	w.wants = append(w.wants, want{value: &w.name, options: "--id"})
}

func operationTable(v any) []row {
	return each(v, func(o client.Object) row {
		return row{
			{"Id", str(o, "name")}, {"Verb", str(o, "properties", "verb")}, {"Status", str(o, "status")},
			{"Resource", lastWord(str(o, "resourceId"))},
			{"Message", str(o, "properties", "message") + str(o, "error", "message")},
		}
	})
}
