package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"berth.dev/berth"
	"berth.dev/berth/client"
)

func (c *cli) clusterCleanups() *cobra.Command {
	w := &where{}
	cmd := command("cleanups", "List the cleanups that wait for a cluster to answer", func(ctx context.Context) error {
		cl, err := c.connect()
		if err != nil {
			return err
		}
		all, err := cl.Cleanups(ctx)
		if err != nil {
			return err
		}
		return c.emit(all, cleanupTable)
	})
	cmd.Aliases = []string{"residue"} // its name in earlier versions
	cmd.Long = "List the cleanups that wait for a cluster to answer: objects that a detach could not remove. Berth removes them when the\n" +
		"cluster answers again."
	return w.on(c, cmd)
}

func cleanupTable(v any) []row {
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
