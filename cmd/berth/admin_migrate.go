package main

import (
	"errors"
	"os"

	"github.com/spf13/cobra"

	"berth.dev/berth/app"
)

func (c *cli) adminMigrate() *cobra.Command {
	return &cobra.Command{
		Use: "migrate-database", Short: "Copy a server's database file into a PostgreSQL database", Args: cobra.NoArgs,
		Long: "Copy the database file of the data folder (--data-dir) into the empty PostgreSQL database that BERTH_DATABASE names, with the\n" +
			"keys that all servers on that database share, and compare the two by the numbers and checksums of their records. Stop the\n" +
			"server first, and start it afterwards with the same BERTH_DATABASE. The file stays as it is, and is not used any more.\n" +
			"BERTH_DATABASE is a URL such as postgres://berth@db.example.com/berth; a password comes from PGPASSWORD or a password file.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			address := os.Getenv("BERTH_DATABASE")
			if address == "" {
				return usage("%w", errors.New("set BERTH_DATABASE to the URL of an empty PostgreSQL database"))
			}
			done, err := app.MigrateDatabase(cmd.Context(), c.dataFolder(), address)
			if err != nil {
				return err
			}
			for _, t := range done {
				c.note("%s: %d records, checksum %x", t.Table, t.Records, uint64(t.Checksum)) // #nosec G115 -- the bits
			}
			c.note("Both databases are the same. Start the server with BERTH_DATABASE; it does not use berth.db in %s any more.", c.dataFolder())
			return nil
		},
	}
}
