package main

import (
	"github.com/spf13/cobra"

	"berth.dev/berth/app"
)

func (c *cli) adminVerify() *cobra.Command {
	return &cobra.Command{
		Use: "verify [FILE]", Short: "Verify a backup, or the data folder of a server", Args: cobra.MaximumNArgs(1),
		Long: "Read all of a backup, or without FILE all of the data folder (--data-dir), whose server may be running: whether the file is\n" +
			"sound, whether every record is as it was written, and whether the key opens every secret. Nothing is changed.",
		RunE: func(cmd *cobra.Command, args []string) error {
			path := c.dataFolder()
			if len(args) == 1 {
				path = args[0]
			}
			if err := app.Verify(cmd.Context(), path); err != nil {
				return err
			}
			c.note("%s is sound.", path)
			return nil
		},
	}
}
