package main

import (
	"context"
	"net/url"

	"github.com/spf13/cobra"
)

func (c *cli) serviceList() *cobra.Command {
	w := &where{}
	var model, id, tag string
	cmd := command("list", "List the services of a workspace", func(ctx context.Context) error {
		cl, err := c.connect()
		if err != nil {
			return err
		}
		query := url.Values{}
		for name, value := range map[string]string{"modelName": model, "modelId": id, "tags": tag} {
			if value != "" {
				query.Set(name, value)
			}
		}
		list, err := cl.ListServices(ctx, w.space(), query)
		if err != nil {
			return err
		}
		return c.emit(list, serviceTable)
	})
	w.groupFlag(cmd, true)
	w.workspaceFlag(cmd)
	f := cmd.Flags()
	f.StringVar(&model, "model-name", "", "only services with a version of this model")
	f.StringVarP(&id, "model-id", "i", "", "only services with this version of a model, as NAME:VERSION")
	f.StringVar(&tag, "tag", "", "only services with this tag, as key or key=value")
	return w.on(c, cmd)
}
