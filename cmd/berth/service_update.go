package main

import (
	"context"

	"github.com/spf13/cobra"

	"berth.dev/berth/client"
)

func (c *cli) serviceUpdate() *cobra.Command {
	w := &where{}
	var description string
	var tags []string
	var noWait bool
	var cmd *cobra.Command
	cmd = command("update", "Change the size, the tags or the description of a service", func(ctx context.Context) error {
		changes, err := sizeChanges(cmd.Flags())
		if err != nil {
			return err
		}
		pairs, err := parsePairs("--tag", tags)
		if err != nil {
			return err
		}
		if pairs != nil {
			changes = append(changes, change{"/kvTags", pairs})
		}
		if cmd.Flags().Changed("description") {
			changes = append(changes, change{"/description", description})
		}
		if len(changes) == 0 {
			return usage("nothing to change: add options such as --num-replicas or --cpu-cores")
		}
		cl, err := c.connect()
		if err != nil {
			return err
		}
		patch := []client.Object{}
		for _, h := range changes {
			patch = append(patch, client.Object{"op": "add", "path": h.path, "value": h.value})
		}
		op, err := cl.PatchService(ctx, w.space(), w.name, patch)
		if err != nil {
			return err
		}
		return c.settleService(ctx, cl, w, settling{op, "Updating service " + w.name, noWait})
	})
	cmd.Example = "  berth ml service update -n myservice --num-replicas 3"
	w.inWorkspace(cmd, "service")
	f := cmd.Flags()
	sizeFlags(f)
	f.StringVarP(&description, "description", "d", "", "what it is for")
	f.StringArrayVar(&tags, "tag", nil, "tag as key=value; may be repeated, and takes the place of all tags")
	noWaitFlag(cmd, &noWait)
	return w.on(c, cmd)
}
