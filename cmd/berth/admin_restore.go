package main

import (
	"github.com/spf13/cobra"

	"berth.dev/berth/app"
)

func (c *cli) adminRestore() *cobra.Command {
	return &cobra.Command{
		Use: "restore FILE", Short: "Put a backup in the place of a server's database and keys", Args: oneArgument("FILE"),
		Long: "Put a backup in the place of the database and the key files of the data folder (--data-dir). Stop the server first. The backup\n" +
			"is verified before anything is changed; what was in the folder is moved aside, not deleted. Clusters stay as they are.",
		RunE: func(cmd *cobra.Command, args []string) error {
			done, err := app.Restore(cmd.Context(), c.dataFolder(), args[0])
			if err != nil {
				return err
			}
			c.note("%s is restored. What was there before is in %s; delete that when you need it no more. Start the server: berth serve%s",
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
