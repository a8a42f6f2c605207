package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"
)

func (c *cli) groupCreate() *cobra.Command {
	w := &where{}
	var pairs []string
	cmd := command("create", "Create a resource group, or change its tags", func(ctx context.Context) error {
		cl, err := c.connect()
		if err != nil {
			return err
		}
		tags, err := parseTags(pairs)
		if err != nil {
			return err
		}
		g, err := cl.CreateGroup(ctx, w.group, w.location, tags)
		if err != nil {
			return err
		}
		return c.emit(g, groupTable)
	})
	cmd.Example = "  berth group create -n myresourcegroup -l westeurope"
	w.groupName(cmd)
	w.locationFlag(cmd, true)
	tagsFlag(cmd, &pairs)
	return w.on(c, cmd)
}

func tagsFlag(cmd *cobra.Command, pairs *[]string) {
	cmd.Flags().StringArrayVar(pairs, "tags", nil, "tags as key=value key=value …")
	listOption(cmd, "tags", pairs)
}

// listOption lets an option take several values behind it, as az does (--tags a=b c=d). cobra sees one value, and the
// others as arguments.
func listOption(cmd *cobra.Command, name string, values *[]string) {
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 && !cmd.Flags().Changed(name) {
			return noArguments(cmd, args)
		}
		*values = append(*values, args...)
		return nil
	}
}

// parseTags reads key=value pairs. nil when there are none: then tags stay as they are.
func parseTags(pairs []string) (map[string]string, error) { return parsePairs("--tags", pairs) }

func parsePairs(option string, pairs []string) (map[string]string, error) {
	var tags map[string]string
	for _, p := range pairs {
		key, value, found := strings.Cut(p, "=")
		if !found || key == "" {
			return nil, usage("%s takes key=value, not '%s'", option, p)
		}
		if tags == nil {
			tags = map[string]string{}
		}
		tags[key] = value
	}
	return tags, nil
}
