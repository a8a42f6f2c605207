package main

import (
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// manCommand writes what packages hold beside the program. The time in the pages is that of SOURCE_DATE_EPOCH, when it is set.
func (*cli) manCommand() *cobra.Command {
	return &cobra.Command{
		Use: "man FOLDER", Short: "Write the manual pages and the shell completions into a folder", Args: oneArgument("FOLDER"),
		Hidden: true,
		Long: "Write the manual pages (man1/) and the completions of bash, zsh, fish and PowerShell (completions/) into a folder. Packages of\n" +
			"Berth have them already.",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := writeManual(cmd.Root(), filepath.Join(args[0], "man1")); err != nil {
				return err
			}
			return writeCompletions(cmd.Root(), filepath.Join(args[0], "completions"))
		},
	}
}

func writeManual(root *cobra.Command, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil { // #nosec G301 -- everybody may read a manual
		return err
	}
	root.InitDefaultCompletionCmd()
	return doc.GenManTree(root, &doc.GenManHeader{Source: version, Manual: "Berth"}, dir)
}

// writeCompletions writes a file for each shell, by the name under which the shell looks for it.
func writeCompletions(root *cobra.Command, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil { // #nosec G301 -- everybody may read a manual
		return err
	}
	for name, write := range map[string]func(file string) error{
		"berth.bash": func(file string) error { return root.GenBashCompletionFileV2(file, true) },
		"_berth":     root.GenZshCompletionFile,
		"berth.fish": func(file string) error { return root.GenFishCompletionFile(file, true) },
		"berth.ps1":  root.GenPowerShellCompletionFileWithDesc,
	} {
		if err := write(filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return nil
}
