package main

import (
	"cmp"
	"context"
	"os"

	"github.com/spf13/cobra"

	"berth.dev/berth/app"
)

// adminCommand administers a server: rotate-key sends it a request, the others work with its data folder on this machine.
func (c *cli) adminCommand() *cobra.Command {
	rotate := command("rotate-key", "Encrypt the secrets in the server's database with a new key", func(ctx context.Context) error {
		cl, err := c.connect()
		if err != nil {
			return err
		}
		if err := cl.RotateSecretKey(ctx); err != nil {
			return err
		}
		c.note("Every secret is encrypted with a new key, and the old key is deleted. " +
			"Old copies of secrets-key.txt open only old copies of the database.")
		return nil
	})
	return family("admin", "Administer a server", c.adminBackup(), c.adminMigrate(), c.adminRestore(), rotate, c.adminVerify())
}

// dataFolder is the folder of the server on this machine, as berth serve finds it.
func (c *cli) dataFolder() string {
	return cmp.Or(c.dataDir, os.Getenv("BERTH_DATA_DIR"), app.DefaultConfig().DataDir)
}
