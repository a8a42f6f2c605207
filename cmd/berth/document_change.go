package main

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"berth.dev/berth/client"
)

// Options that change a document, in the grammar of az's generic update.
const (
	setOption    = "set"
	addOption    = "add"
	removeOption = "remove"
)

// changed is one option that changes a document, with the words behind it.
type changed struct {
	option string
	words  []string
}

// changes are such options in the order in which they were typed.
type changes struct {
	all         []changed
	forceString bool
}

// changeOption is the value of one of the options: each use of it begins a change.
type changeOption struct {
	option string
	into   *changes
}

// String implements pflag.Value.
func (changeOption) String() string { return "" }

// Set implements pflag.Value.
func (o changeOption) Set(word string) error {
	o.into.all = append(o.into.all, changed{o.option, []string{word}})
	return nil
}

// Type implements pflag.Value. It is the word that the help has for values of options that may be repeated.
func (changeOption) Type() string { return "stringArray" }

// setFlag adds --set to a command.
func (c *changes) setFlag(cmd *cobra.Command) {
	cmd.Flags().Var(changeOption{setOption, c}, setOption,
		"change a field of it by its path, such as tags.stage=dev; several: --set a=b c.d=e")
	c.severalWords(cmd)
}

// updateFlags are for commands about what is there.
func (c *changes) updateFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.Var(changeOption{addOption, c}, addOption, "add to a list by its path: --add PATH VALUE, or KEY=VALUE pairs for an object")
	f.Var(changeOption{removeOption, c}, removeOption,
		"remove a field by its path, such as tags.stage, or an item of a list: --remove PATH INDEX")
	f.BoolVar(&c.forceString, "force-string", false, "what --set and --add give are texts, also when they look like JSON")
}

// severalWords lets the options take several words behind them, as az does. pflag takes one, and stops at the next: what follows belongs to
// the last of the options, up to the next option.
func (c *changes) severalWords(cmd *cobra.Command) {
	cmd.Flags().SetInterspersed(false)
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		for len(args) > 0 {
			next := slices.IndexFunc(args, func(word string) bool { return strings.HasPrefix(word, "-") && word != "-" })
			if next < 0 {
				next = len(args)
			}
			if next > 0 && len(c.all) == 0 {
				return noArguments(cmd, args[:next])
			}
			if next > 0 {
				last := &c.all[len(c.all)-1]
				last.words = append(last.words, args[:next]...)
			}
			if err := cmd.Flags().Parse(args[next:]); err != nil {
				return flagFault(cmd, err)
			}
			args = cmd.Flags().Args()
		}
		if help, err := cmd.Flags().GetBool("help"); err == nil && help {
			return pflag.ErrHelp
		}
		return nil
	}
}

// sets reports whether --set gives a field of the document a value.
func (c *changes) sets(field string) bool {
	return slices.ContainsFunc(c.all, func(one changed) bool {
		return one.option == setOption && slices.ContainsFunc(one.words, func(word string) bool { return strings.HasPrefix(word, field+"=") })
	})
}

// change carries out the options in the order in which they were typed.
func (d *document) change() error {
	for _, one := range d.all {
		carryOut := map[string]func([]string) error{setOption: d.setFields, addOption: d.addItems, removeOption: d.removeField}[one.option]
		if err := carryOut(one.words); err != nil {
			return err
		}
	}
	return nil
}

// setFields gives fields values: PATH=VALUE each.
func (d *document) setFields(words []string) error {
	for _, word := range words {
		path, value, found := strings.Cut(word, "=")
		if !found || path == "" {
			return usage("--set takes PATH=VALUE, such as tags.stage=dev, not '%s'", word)
		}
		at, last, err := d.walk("--set", path, true)
		if err != nil {
			return err
		}
		at[last] = d.valueOf(path, value)
	}
	return nil
}

// addItems adds to a list: each word as an item, and KEY=VALUE words that stand side by side as one object of texts.
func (d *document) addItems(words []string) error {
	path, values := words[0], words[1:]
	if len(values) == 0 {
		return usage("--add takes the path of a list and what is to be added, such as PATH VALUE, not only '%s'", path)
	}
	at, last, err := d.walk("--add", path, true)
	if err != nil {
		return err
	}
	list, is := at[last].([]any)
	if !is && at[last] != nil {
		return usage("--add: '%s' is no list; --set changes a field", path)
	}
	var pairs client.Object
	for _, word := range values {
		key, value, paired := strings.Cut(word, "=")
		switch {
		case paired && pairs == nil:
			pairs = client.Object{key: value}
			list = append(list, pairs)
		case paired:
			pairs[key] = value
		default:
			pairs = nil
			list = append(list, d.valueOf(path, word))
		}
	}
	at[last] = list
	return nil
}

// removeField removes a field, or an item of a list by its number.
func (d *document) removeField(words []string) error {
	path := words[0]
	at, last, err := d.walk("--remove", path, false)
	if err != nil {
		return err
	}
	value, there := at[last]
	switch list, is := value.([]any); {
	case !there:
		return usage("--remove: there is no '%s'", path)
	case len(words) == 1:
		delete(at, last)
	case len(words) > 2:
		return usage("--remove takes a path, or a path and an index, not '%s'", strings.Join(words, " "))
	case !is:
		return usage("--remove: '%s' is no list, so it has no item '%s'", path, words[1])
	default:
		n, err := strconv.Atoi(words[1])
		if err != nil || n < 0 || n >= len(list) {
			return usage("--remove: '%s' has no item '%s'; it has %d items, the first one is 0", path, words[1], len(list))
		}
		at[last] = slices.Delete(list, n, n+1)
	}
	return nil
}

// texts are the fields of a document whose values are texts, also when they look like numbers.
var texts = []string{"name", "description", "tags", "properties", "environment_variables"}

// valueOf is a value as it was typed: JSON where it is some, and else a text.
func (d *document) valueOf(path, typed string) any {
	field, _, _ := strings.Cut(path, ".")
	var value any
	if d.forceString || slices.Contains(texts, field) && !strings.HasPrefix(typed, "{") || json.Unmarshal([]byte(typed), &value) != nil {
		return typed
	}
	return value
}
