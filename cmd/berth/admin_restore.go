package main

import (
	"github.com/spf13/cobra"

	"berth.dev/berth/app"
)

func (c *cli) adminRestore() *cobra.Command {
	return &cobra.Command{
		Use: "restore FILE", Short: "Replace the database and the keys of a server by a backup", Args: oneArgument("FILE"),
		Long: "Replace the database and the key files of the data folder (--data-dir) by a backup. Stop the server first. The backup is\n" +
			"verified before anything is changed; the present files are moved aside, not deleted. Clusters are not changed.",
		RunE: func(cmd *cobra.Command, args []string) error {
			done, err := app.Restore(cmd.Context(), c.dataFolder(), args[0])
			if err != nil {
				return err
			}
			c.note("%s is restored. The previous files are in %s; delete them when you no longer need them. Start the server: berth serve%s",
				args[0], done.Aside, dataDirHint(c.dataFolder()))
			return nil
		},
	}
}

// oneArgument requires exactly one argument, and names it when it is missing.
func oneArgument(name string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) != 1 {
			return usage("the following argument is required: %s", name)
		}
		return nil
	}
}
