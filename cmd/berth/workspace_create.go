package main

import (
	"context"

	"github.com/spf13/cobra"

	"berth.dev/berth/client"
)

func (c *cli) workspaceCreate() *cobra.Command {
	w := &where{}
	var friendly, description string
	var pairs []string
	cmd := command("create", "Create a workspace", func(ctx context.Context) error {
		cl, err := c.connect()
		if err != nil {
			return err
		}
		tags, err := parseTags(pairs)
		if err != nil {
			return err
		}
		if w.location == "" { // where its group is, as the CLI v1 does
			group, err := cl.GetGroup(ctx, w.group)
			if err != nil {
				return err
			}
			w.location = str(group, "location")
		}
		properties := client.Object{}
		put(properties, "friendlyName", friendly)
		put(properties, "description", description)
		body := client.Object{"location": w.location, "properties": properties}
		if tags != nil {
			body["tags"] = tags
		}
		ws, err := cl.PutWorkspace(ctx, w.group, w.workspace, body)
		if err != nil {
			return err
		}
		return c.emit(flat(ws), workspaceTable)
	})
	cmd.Example = "  berth ml workspace create -w myworkspace -g myresourcegroup"
	w.workspaceName(cmd)
	w.groupFlag(cmd, true)
	w.locationFlag(cmd, false)
	cmd.Flags().StringVar(&friendly, "friendly-name", "", "name for people")
	cmd.Flags().StringVar(&description, "description", "", "what it is for")
	tagsFlag(cmd, &pairs)
	return w.on(c, cmd)
}

// put adds a field unless its value is empty.
func put(o client.Object, key, value string) {
	if value != "" {
		o[key] = value
	}
}
