package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"berth.dev/berth/app"
)

func (*cli) serveCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "serve", Short: "Run the control plane",
		Long: "Run the control plane: Azure Resource Manager over HTTPS, with a real Kubernetes cluster behind each " +
			"cluster resource.\nThe first start makes a certificate authority and credentials in the data folder.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			config, err := app.LoadConfig(cmd.Flags(), os.Getenv)
			if err != nil {
				return usage("%w", err)
			}
			out := cmd.OutOrStdout()
			return app.Serve(cmd.Context(), config, cmd.ErrOrStderr(), func(i app.Info) {
				if err := notifyReady(); err != nil {
					_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "systemd was not told that Berth is ready, and will stop it: %v\n", err)
				}
				_, _ = fmt.Fprintf(out, "Berth is ready at %s\n  reached from %s\n  data folder  %s\n  credentials  %s\n  first step   berth group "+
					"create -n demo -l westeurope%s\nStop it with Ctrl-C; its clusters stop too, and come back at the next start.\n",
					i.Endpoint, i.Reach, i.DataDir, i.CredentialsFile, dataDirHint(i.DataDir))
			})
		},
	}
	app.AddFlags(cmd.Flags())
	return cmd
}

// dataDirHint is what must be added to a command to reach a server in another than the default data folder.
func dataDirHint(dir string) string {
	if dir == app.DefaultConfig().DataDir {
		return ""
	}
	return " --data-dir " + dir
}
