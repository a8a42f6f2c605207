package main

import (
	"bufio"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

func yesFlag(cmd *cobra.Command, yes *bool) {
	cmd.Flags().BoolVarP(yes, "yes", "y", false, "do not ask for confirmation")
}

// confirm asks before a deletion. Without a terminal, the user confirms with --yes.
func (c *cli) confirm(yes bool, what string) error {
	if yes {
		return nil
	}
	if !c.inTerminal {
		return usage("cannot ask for confirmation to %s, because standard input is not a terminal. Add --yes (-y) to confirm", what)
	}
	answers := bufio.NewScanner(c.in)
	for {
		c.say("%s", c.text(fmt.Sprintf("Are you sure you want to %s? (y/n): ", what)))
		if !answers.Scan() {
			return errSilent
		}
		switch strings.ToLower(strings.TrimSpace(answers.Text())) {
		case "y", "yes":
			return nil
		case "n", "no":
			c.say("%s\n", c.text("Nothing was changed."))
			return errSilent
		}
	}
}
