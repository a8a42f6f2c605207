package main

import (
	"strings"

	"github.com/spf13/cobra"
)

// where selects a resource: the options that nearly every command has. An option that is left out comes from the
// defaults that `berth configure` stores.
type where struct {
	name, group, workspace, location string

	wants []want
}

// want is an option that must have a value in the end.
type want struct {
	value   *string
	options string
	key     string // of the configured default; empty for none
	spare   bool   // may stay empty
}

// on lets a command check, before it runs, that every required option has a value.
func (w *where) on(c *cli, cmd *cobra.Command) *cobra.Command {
	cmd.PreRunE = func(*cobra.Command, []string) error { return w.resolve(c) }
	return cmd
}

func (w *where) nameFlag(cmd *cobra.Command, of, key string) {
	cmd.Flags().StringVarP(&w.name, "name", "n", "", "name of the "+of)
	w.wants = append(w.wants, want{value: &w.name, options: "--name/-n", key: key})
}

func (w *where) groupFlag(cmd *cobra.Command, required bool) {
	cmd.Flags().StringVarP(&w.group, "resource-group", "g", "", "name of the resource group"+defaultNote("group"))
	w.wants = append(w.wants, want{&w.group, "--resource-group/-g", "group", !required})
}

func (w *where) workspaceFlag(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&w.workspace, "workspace-name", "w", "", "name of the workspace"+defaultNote("workspace"))
	w.wants = append(w.wants, want{value: &w.workspace, options: "--workspace-name/-w", key: "workspace"})
}

func (w *where) locationFlag(cmd *cobra.Command, required bool) {
	cmd.Flags().StringVarP(&w.location, "location", "l", "", "location, such as westeurope"+defaultNote("location"))
	w.wants = append(w.wants, want{&w.location, "--location/-l", "location", !required})
}

func defaultNote(key string) string {
	return "; default: see 'berth configure --defaults " + key + "='"
}

// resolve fills in defaults and names, all together, the options that are still missing.
func (w *where) resolve(c *cli) error {
	defaults, err := readDefaults()
	if err != nil {
		return err
	}
	missing := []string{}
	for _, want := range w.wants {
		if *want.value == "" {
			*want.value = defaults[want.key]
		}
		if *want.value == "" && !want.spare {
			missing = append(missing, want.options)
		}
	}
	if len(missing) > 0 {
		return usage("the following arguments are required: %s", strings.Join(missing, ", "))
	}
	return nil
}
