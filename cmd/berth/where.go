package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"berth.dev/berth"
	"berth.dev/berth/client"
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
	run := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return w.missing(cmd.Context(), c, run(cmd, args)) }
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

// space is the workspace that was named.
func (w *where) space() client.WorkspaceName {
	return client.WorkspaceName{Group: w.group, Name: w.workspace}
}

// inWorkspace adds the three options that name something in a workspace.
func (w *where) inWorkspace(cmd *cobra.Command, what string) {
	w.nameFlag(cmd, what, "")
	w.groupFlag(cmd, true)
	w.workspaceFlag(cmd)
}

func (w *where) locationFlag(cmd *cobra.Command, required bool) {
	cmd.Flags().StringVarP(&w.location, "location", "l", "", "location, such as westeurope"+defaultNote("location"))
	w.wants = append(w.wants, want{&w.location, "--location/-l", "location", !required})
}

func defaultNote(key string) string {
	return "; default: see 'berth configure --defaults " + key + "='"
}

// missing names the group or the workspace when that is what does not exist: the refusal of what is in it does not always say so.
func (w *where) missing(ctx context.Context, c *cli, err error) error {
	code := berth.ErrorCode(err)
	if code != berth.CodeNotFound && code != berth.CodeParentNotFound && code != berth.CodeLocationRequired {
		return err
	}
	cl, unconnected := c.connect()
	if unconnected != nil {
		return err
	}
	if w.group != "" {
		if _, e := cl.GetGroup(ctx, w.group); client.IsNotFound(e) {
			return notFound("there is no resource group '%s'. `berth group list` shows those that exist", w.group)
		}
	}
	if w.workspace != "" {
		if _, e := cl.GetWorkspace(ctx, w.group, w.workspace); client.IsNotFound(e) {
			return notFound("there is no workspace '%s' in the resource group '%s'. `berth ml workspace list -g %s` shows those that exist",
				w.workspace, w.group, w.group)
		}
	}
	return err
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
