package main

import (
	"github.com/spf13/cobra"

	"berth.dev/berth/app"
)

func (c *cli) adminBackup() *cobra.Command {
	return &cobra.Command{
		Use: "backup FILE", Short: "Back up the database and the keys of a server", Args: oneArgument("FILE"),
		Long: "Back up the database and the key files of the data folder (--data-dir) into one new file, a tar archive. The server may be\n" +
			"running; the backup is that of one moment, and is verified before it gets its name.\n" +
			"The file contains secrets: the key that opens every kubeconfig in the database, the signing keys, and the client secret of\n" +
			"the first caller. Only you can read it; protect it as you protect those. It does not contain the clusters themselves.",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := app.Backup(cmd.Context(), c.dataFolder(), args[0]); err != nil {
				return err
			}
			c.note("%s is a backup of %s. It contains secrets: keep it where only you can read it.", args[0], c.dataFolder())
			return nil
		},
	}
}
