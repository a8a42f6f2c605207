package main

import (
	"context"
	"errors"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"berth.dev/berth"
	"berth.dev/berth/app"
)

// nodesFlag is --nodes of the commands that create a cluster.
func nodesFlag(cmd *cobra.Command, nodes *string) {
	cmd.Flags().StringVar(nodes, "nodes", "", "what runs the nodes: real or simulated (default: the server's choice)")
}

// chooseNodes adds the tag that --nodes stands for.
func chooseNodes(tags map[string]string, nodes string) map[string]string {
	if nodes == "" {
		return tags
	}
	if tags == nil {
		tags = map[string]string{}
	}
	tags[berth.TagNodes] = nodes
	return tags
}

func (c *cli) doctorCommand() *cobra.Command {
	cmd := command("doctor", "Check whether this machine can run real nodes", c.doctor)
	cmd.Long = "Check on this machine, by trying, everything that the real nodes of a local cluster need. 'berth serve' does the\n" +
		"same before it creates its first cluster; where real nodes are not possible, it simulates them."
	return cmd
}

func (c *cli) doctor(ctx context.Context) error {
	config, err := app.LoadConfig(pflag.NewFlagSet("doctor", pflag.ContinueOnError), os.Getenv)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "berth-doctor-")
	if err != nil {
		return err
	}
	checks, err := app.CheckNodes(ctx, config, dir)
	if err = errors.Join(err, os.RemoveAll(dir)); err != nil {
		return err
	}
	for _, check := range checks {
		if !check.OK {
			c.say("%s %-16s %s\n", c.paint(red, "✗"), check.Name, check.Message)
			return errors.New("real nodes are not possible on this machine; 'berth serve' simulates nodes here")
		}
		c.say("%s %-16s %s\n", c.paint(green, "✓"), check.Name, check.Message)
	}
	c.say("This machine can run real nodes.\n")
	return nil
}
