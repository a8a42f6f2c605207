package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"berth.dev/berth/client"
)

// document is an endpoint or a deployment in the words of YAML, as az ml has it: from a file, or as it is, with the changes of --set and
// --remove.
type document struct {
	file        string
	set, remove []string
	content     client.Object
}

func (d *document) flags(cmd *cobra.Command, what string) {
	f := cmd.Flags()
	f.StringVarP(&d.file, "file", "f", "", "YAML file of the "+what+", as az ml takes it; paths in it begin at its folder")
	f.StringArrayVar(&d.set, "set", nil, "change a field of it by its path, such as tags.stage=dev; several: --set a=b c.d=e")
	listOption(cmd, "set", &d.set)
}

// removeFlag is for commands about what is there.
func (d *document) removeFlag(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&d.remove, "remove", nil, "remove a field by its path, such as tags.stage; may be repeated")
}

// given reports whether the command has a file, or a change of what is there.
func (d *document) given() bool { return d.file != "" || len(d.set) > 0 || len(d.remove) > 0 }

// name is where a fault is, for messages.
func (d *document) name() string {
	if d.file != "" {
		return d.file
	}
	return "--set"
}

// read reads the file, and changes it.
func (d *document) read() error {
	d.content = client.Object{}
	if d.file != "" {
		text, err := os.ReadFile(d.file)
		if err != nil {
			return fmt.Errorf("the file cannot be read: %w", err)
		}
		if err := yaml.UnmarshalStrict(text, &d.content); err != nil {
			return d.unusable(err)
		}
		if d.content == nil { // an empty file
			d.content = client.Object{}
		}
	}
	return d.change()
}

// load reads the file, changes it, and decodes it.
func (d *document) load(into any) error {
	if err := d.read(); err != nil {
		return err
	}
	return d.decode(into)
}

func (d *document) unusable(err error) error {
	return usage("%s cannot be used: %s", d.name(), strings.ReplaceAll(err.Error(), "\n", " "))
}

// decode reads what is in the document, and refuses fields that are not known: they would be lost.
func (d *document) decode(into any) error {
	text, err := json.Marshal(d.content)
	if err != nil {
		return err
	}
	if err := yaml.UnmarshalStrict(text, into); err != nil {
		return d.unusable(err)
	}
	return nil
}

// change carries out --set and --remove.
func (d *document) change() error {
	for _, one := range d.set {
		path, value, found := strings.Cut(one, "=")
		if !found || path == "" {
			return usage("--set takes PATH=VALUE, such as tags.stage=dev, not '%s'", one)
		}
		at, last, err := d.walk("--set", path, true)
		if err != nil {
			return err
		}
		at[last] = valueOf(path, value)
	}
	for _, path := range d.remove {
		at, last, err := d.walk("--remove", path, false)
		if err != nil {
			return err
		}
		if _, there := at[last]; !there {
			return usage("--remove: there is no '%s'", path)
		}
		delete(at, last)
	}
	return nil
}

// walk is the object in which the last word of a path stands. A dot in a word is written with a backslash before it.
func (d *document) walk(option, path string, add bool) (at client.Object, last string, err error) {
	const dot = "\x00"
	words := strings.Split(strings.ReplaceAll(path, `\.`, dot), ".")
	for i := range words {
		if words[i] = strings.ReplaceAll(words[i], dot, "."); words[i] == "" || strings.Contains(words[i], "[") {
			return nil, "", usage("%s: '%s' is not a path of names with dots between them", option, path)
		}
	}
	at = d.content
	for i, word := range words[:len(words)-1] {
		inner, is := at[word].(client.Object)
		if !is && at[word] != nil {
			return nil, "", usage("%s: '%s' has nothing in it", option, strings.Join(words[:i+1], "."))
		}
		if !is {
			inner = client.Object{}
			if add {
				at[word] = inner
			}
		}
		at = inner
	}
	return at, words[len(words)-1], nil
}

// texts are the fields of a document whose values are texts, also when they look like numbers.
var texts = []string{"name", "description", "tags", "properties", "environment_variables"}

// valueOf is a value as it was typed: JSON where it is some, and else a text.
func valueOf(path, typed string) any {
	field, _, _ := strings.Cut(path, ".")
	var value any
	if slices.Contains(texts, field) && !strings.HasPrefix(typed, "{") || json.Unmarshal([]byte(typed), &value) != nil {
		return typed
	}
	return value
}
