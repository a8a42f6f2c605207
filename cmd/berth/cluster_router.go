package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"berth.dev/berth"
	"berth.dev/berth/client"
)

func (c *cli) clusterRouter() *cobra.Command {
	w := &where{}
	var id string
	var remove bool
	cmd := command("router", "List or remove the objects of Azure ML's own router in a cluster", func(ctx context.Context) error {
		cl, err := c.connect()
		if err != nil {
			return err
		}
		if remove {
			return c.removeRouterObjects(ctx, cl, unquoted(id))
		}
		return c.listRouterObjects(ctx, cl, unquoted(id))
	})
	cmd.Aliases = []string{"leftovers"} // its name in earlier versions
	cmd.Long = "Azure ML's own router (azureml-fe and seven companions) stays in a cluster after a detach, and the " +
		"next attach to Azure ML fails\n" +
		"because of it. List its objects, or remove them with --remove."
	cmd.Example = "  berth cluster router --remove --id $(berth cluster show -n edge -g myresourcegroup --query id -o tsv)"
	cmd.Flags().StringVar(&id, "id", "", "resource id of the cluster")
	cmd.Flags().BoolVar(&remove, "remove", false, "remove the router's objects")
	flagAlias(cmd, "clean", "remove")
	w.wants = append(w.wants, want{value: &id, options: "--id"})
	return w.on(c, cmd)
}

func (c *cli) listRouterObjects(ctx context.Context, cl *client.Client, cluster string) error {
	id, err := berth.ParseID(cluster)
	if err != nil {
		return err
	}
	found, err := cl.RouterObjects(ctx, id)
	switch {
	case err != nil:
		return err
	case len(found) == 0:
		c.note("The cluster '%s' has no objects of Azure ML's router.", id.Name())
	default:
		c.note("The cluster '%s' has objects of Azure ML's router: %s. Remove them with --remove.", id.Name(), strings.Join(found, ", "))
	}
	return nil
}

func (c *cli) removeRouterObjects(ctx context.Context, cl *client.Client, cluster string) error {
	id, err := berth.ParseID(cluster)
	if err != nil {
		return err
	}
	op, err := cl.RemoveRouterObjects(ctx, id)
	if err != nil {
		return err
	}
	return c.wait(ctx, cl, op, "Removing Azure ML's router from the cluster "+id.Name())
}
