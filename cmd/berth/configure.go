package main

import (
	"context"
	"maps"
	"slices"

	"github.com/spf13/cobra"
)

func (c *cli) configureCommand() *cobra.Command {
	var list bool
	var pairs []string
	cmd := command("configure", "Store default values for options", func(context.Context) error { return c.configure(pairs, list) })
	cmd.Long = "Store default values for options: group, workspace (or workspace_name), location, compute.\n" +
		"An empty value removes a default."
	cmd.Example = "  berth configure --defaults group=myresourcegroup workspace=myworkspace location=westeurope"
	cmd.Flags().StringArrayVarP(&pairs, "defaults", "d", nil, "defaults as key=value key=value …")
	cmd.Flags().BoolVarP(&list, "list-defaults", "l", false, "list the defaults")
	listOption(cmd, "defaults", &pairs)
	return cmd
}

func (c *cli) configure(pairs []string, list bool) error {
	defaults, err := readDefaults()
	if err != nil {
		return err
	}
	if len(pairs) == 0 && !list {
		return usage("use --defaults key=value or --list-defaults")
	}
	for _, p := range pairs {
		key, value, err := parseDefault(p)
		if err != nil {
			return err
		}
		if value == "" {
			delete(defaults, key)
		} else {
			defaults[key] = value
		}
	}
	if len(pairs) > 0 {
		if err := writeDefaults(defaults); err != nil {
			return err
		}
	}
	if !list {
		return nil
	}
	out := []map[string]string{}
	for _, key := range slices.Sorted(maps.Keys(defaults)) {
		out = append(out, map[string]string{"name": key, "value": defaults[key]})
	}
	return c.emit(out, nil)
}
