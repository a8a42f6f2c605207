package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"berth.dev/berth/client"
)

func (c *cli) environmentCommand() *cobra.Command {
	return family("environment", "Environments: the packages that entry scripts need",
		c.environmentRegister(), c.environmentList(), c.environmentShow())
}

func environmentTable(v any) []row {
	return each(v, func(o client.Object) row {
		return row{{"Name", str(o, "name")}, {"Version", str(o, "version")}, {"Image", str(o, "docker", "baseImage")}}
	})
}

func (c *cli) environmentList() *cobra.Command {
	w := &where{}
	cmd := command("list", "List the environments of a workspace, in their newest versions", func(ctx context.Context) error {
		cl, err := c.connect()
		if err != nil {
			return err
		}
		list, err := cl.ListEnvironments(ctx, w.space())
		if err != nil {
			return err
		}
		return c.emit(list, environmentTable)
	})
	w.groupFlag(cmd, true)
	w.workspaceFlag(cmd)
	return w.on(c, cmd)
}

func (c *cli) environmentShow() *cobra.Command {
	w := &where{}
	var version string
	cmd := command("show", "Show an environment", func(ctx context.Context) error {
		cl, err := c.connect()
		if err != nil {
			return err
		}
		environment, err := cl.GetEnvironment(ctx, w.space(), w.name, version)
		if err != nil {
			return err
		}
		return c.emit(environment, environmentTable)
	})
	w.inWorkspace(cmd, "environment")
	cmd.Flags().StringVarP(&version, "version", "v", "", "version of the environment (default: the newest)")
	return w.on(c, cmd)
}

// environmentFile is the file of a saved environment (Environment.save_to_directory).
const environmentFile = "azureml_environment.json"

func (c *cli) environmentRegister() *cobra.Command {
	w := &where{}
	var folder string
	cmd := command("register", "Register an environment that is saved in a folder", func(ctx context.Context) error {
		text, err := os.ReadFile(filepath.Join(folder, environmentFile))
		if err != nil {
			return fmt.Errorf("the environment cannot be read: %w", err)
		}
		var saved struct{ Name, Version string }
		if err := json.Unmarshal(text, &saved); err != nil {
			return usage("%s is no saved environment: it is not valid JSON", filepath.Join(folder, environmentFile))
		}
		if saved.Name == "" {
			return usage("the environment in %s has no name", filepath.Join(folder, environmentFile))
		}
		cl, err := c.connect()
		if err != nil {
			return err
		}
		environment, err := cl.RegisterEnvironment(ctx, w.space(), saved.Name, saved.Version, text)
		if err != nil {
			return err
		}
		return c.emit(environment, environmentTable)
	})
	cmd.Long = "Register an environment that is saved in a folder, as azureml-core's Environment.save_to_directory writes it."
	w.groupFlag(cmd, true)
	w.workspaceFlag(cmd)
	cmd.Flags().StringVarP(&folder, "directory", "d", "", "folder with the file "+environmentFile)
	w.wants = append(w.wants, want{value: &folder, options: "--directory/-d"})
	return w.on(c, cmd)
}
