package main

import (
	"bufio"
	"strings"

	"github.com/spf13/cobra"
)

func yesFlag(cmd *cobra.Command, yes *bool) {
	cmd.Flags().BoolVarP(yes, "yes", "y", false, "do not ask for confirmation")
}

// confirm asks before something is deleted. Where nobody can be asked, the answer must be on the command line.
func (c *cli) confirm(yes bool, what string) error {
	if yes {
		return nil
	}
	if !c.inTerminal {
		return usage("nobody can be asked whether to %s: standard input is no terminal. Add --yes (-y) if you are sure", what)
	}
	answers := bufio.NewScanner(c.in)
	for {
		c.say("Are you sure you want to %s? (y/n): ", what)
		if !answers.Scan() {
			return errSilent
		}
		switch strings.ToLower(strings.TrimSpace(answers.Text())) {
		case "y", "yes":
			return nil
		case "n", "no":
			c.say("Nothing was changed.\n")
			return errSilent
		}
	}
}
