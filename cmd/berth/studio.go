package main

import (
	"context"
	"fmt"
	"os/exec"
	"runtime"

	"github.com/spf13/cobra"
)

func (c *cli) studioCommand() *cobra.Command {
	var noBrowser bool
	cmd := command("studio", "Open the web page, signed in", func(ctx context.Context) error {
		cl, err := c.connect()
		if err != nil {
			return err
		}
		link, err := cl.StudioLink(ctx)
		if err != nil {
			return err
		}
		if !noBrowser && c.outTerminal {
			open(ctx, link)
		}
		c.note("This link signs in once, within ten minutes:")
		_, err = fmt.Fprintln(c.out, link)
		return err
	})
	cmd.Long = "Open the web page, signed in. The printed link is valid once, for ten minutes. If your browser does not trust Berth's\n" +
		"authority, import the ca.pem of the data folder, or run the server with a certificate of your own (--tls-cert)."
	cmd.Flags().BoolVar(&noBrowser, "no-browser", false, "only print the link")
	return cmd
}

// open shows an address in the user's browser; where there is none the link is printed all the same.
func open(ctx context.Context, address string) {
	program := map[string][]string{"darwin": {"open"}, "windows": {"rundll32", "url.dll,FileProtocolHandler"}}[runtime.GOOS]
	if program == nil {
		program = []string{"xdg-open"}
	}
	_ = exec.CommandContext(ctx, program[0], append(program[1:], address)...).Start() // #nosec G204 -- an address of our own server
}
