package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"berth.dev/berth"
	"berth.dev/berth/client"
)

func (c *cli) clusterLeftovers() *cobra.Command {
	w := &where{}
	var id string
	var clean bool
	cmd := command("leftovers", "Find what Azure ML's own router has left in a cluster, and remove it", func(ctx context.Context) error {
		cl, err := c.connect()
		if err != nil {
			return err
		}
		return c.removeRouterObjects(ctx, cl, unquoted(id), clean)
	})
	cmd.Long = "Find what Azure ML's own router (azureml-fe and its seven companions) has left in a cluster after a detach, on which the service's next\nattach fails; and remove it with --clean."
	cmd.Example = "  berth cluster leftovers --clean --id $(berth cluster show -n edge -g myresourcegroup --query id -o tsv)"
	cmd.Flags().StringVar(&id, "id", "", "resource id of the cluster")
	cmd.Flags().BoolVar(&clean, "clean", false, "remove it")
	w.wants = append(w.wants, want{value: &id, options: "--id"})
	return w.on(c, cmd)
}

func (c *cli) removeRouterObjects(ctx context.Context, cl *client.Client, cluster string, clean bool) error {
	id, err := berth.ParseID(cluster)
	if err != nil {
		return err
	}
	found, err := cl.RouterObjects(ctx, id, clean)
	switch {
	case err != nil:
		return err
	case len(found) == 0:
		c.note("Azure ML's router has left nothing in the cluster %s.", id.Name())
	case clean:
		c.note("Removed from the cluster %s: %s.", id.Name(), strings.Join(found, ", "))
	default:
		c.note("Azure ML's router has left in the cluster %s: %s. Remove it with --clean.", id.Name(), strings.Join(found, ", "))
	}
	return nil
}

func (c *cli) clusterResidue() *cobra.Command {
	w := &where{}
	cmd := command("residue", "List what a detach could not clean, because the cluster did not answer", func(ctx context.Context) error {
		cl, err := c.connect()
		if err != nil {
			return err
		}
		all, err := cl.Cleanups(ctx)
		if err != nil {
			return err
		}
		return c.emit(all, residueTable)
	})
	cmd.Long = "List what a detach could not clean, because the cluster did not answer. It is cleaned by itself when the cluster answers again."
	return w.on(c, cmd)
}

func residueTable(v any) []row {
	name := func(o client.Object, key string) string {
		id, err := berth.ParseID(fmt.Sprint(o[key]))
		if err != nil {
			return ""
		}
		return id.Name()
	}
	return each(v, func(o client.Object) row {
		return row{{"Cluster", name(o, "clusterId")}, {"Compute", name(o, "computeId")}, {"Since", str(o, "since")}}
	})
}
