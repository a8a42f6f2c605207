package main

import (
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// likeCommands are the commands that a mistyped word may mean: below cmd, or, when it has none, anywhere.
func likeCommands(cmd *cobra.Command, word string) []string {
	cmd.SuggestionsMinimumDistance = 2
	if like := cmd.SuggestionsFor(word); len(like) > 0 {
		return like
	}
	var found []string
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		for _, sub := range c.Commands() {
			if sub.Name() == word && !sub.Hidden {
				found = append(found, "'"+sub.CommandPath()+"'")
			}
			walk(sub)
		}
	}
	walk(cmd.Root())
	if len(found) > 3 { // a verb such as list: no help
		return nil
	}
	return found
}

var (
	unknownOption = regexp.MustCompile(`^unknown (?:shorthand )?flag: (?:'.' in )?(-+)(\S+)$`)
	badNumber     = regexp.MustCompile(`^invalid argument ("[^"]*") for "([^"]*)" flag: strconv\.Parse(?:Int|Uint|Float)\b.*$`)
	badSwitch     = regexp.MustCompile(`^invalid argument ("[^"]*") for "([^"]*)" flag: strconv\.ParseBool\b.*$`)
)

// flagFault turns what the reader of options says into a sentence for the user. When the options belong to a mistyped command, the
// command is the mistake.
func flagFault(cmd *cobra.Command, err error) error {
	if cmd.HasSubCommands() {
		if args := cmd.Flags().Args(); len(args) > 0 {
			return noArguments(cmd, args)
		}
	}
	text := err.Error()
	if m := badNumber.FindStringSubmatch(text); m != nil {
		return usage("%s must be a whole number, not %s", m[2], m[1])
	}
	if m := badSwitch.FindStringSubmatch(text); m != nil {
		return usage("%s must be true or false, not %s", m[2], m[1])
	}
	m := unknownOption.FindStringSubmatch(text)
	if m == nil {
		return usage("%s", text)
	}
	option := m[1] + m[2]
	message := "unrecognized option: " + option
	if like := likeOptions(cmd, m[2]); m[1] == "--" && len(like) > 0 {
		message += ". Did you mean " + strings.Join(like, " or ") + "?"
	}
	return usage("%s", message)
}

// likeOptions are the options of a command that a mistyped one may mean.
func likeOptions(cmd *cobra.Command, typed string) (found []string) {
	name, _, _ := strings.Cut(typed, "=")
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden && (edits(f.Name, name) <= 2 || strings.HasPrefix(f.Name, name)) {
			found = append(found, "--"+f.Name)
		}
	})
	return found
}

// edits is how many letters must be put in, taken out or replaced to make one word of the other.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := slices.Clone(row)
		row[0] = i + 1
		for j := range len(b) {
			replaced := before[j]
			if a[i] != b[j] {
				replaced++
			}
			row[j+1] = min(replaced, before[j+1]+1, row[j]+1)
		}
	}
	return row[len(b)]
}
