package main

import (
	"context"

	"github.com/spf13/cobra"

	"berth.dev/berth/client"
)

func (c *cli) modelList() *cobra.Command {
	w := &where{}
	q := client.ModelQuery{}
	cmd := command("list", "List the models of a workspace, the newest first", func(ctx context.Context) error {
		cl, err := c.connect()
		if err != nil {
			return err
		}
		list, err := cl.ListModels(ctx, w.space(), q)
		if err != nil {
			return err
		}
		return c.emit(list, modelTable)
	})
	w.groupFlag(cmd, true)
	w.workspaceFlag(cmd)
	f := cmd.Flags()
	f.StringVarP(&q.Name, "name", "n", "", "only the versions of this model")
	f.BoolVarP(&q.Newest, "latest", "l", false, "only the newest version of each model")
	f.StringArrayVar(&q.Tags, "tag", nil, "only models with this tag, as key or key=value; may be repeated")
	return w.on(c, cmd)
}
