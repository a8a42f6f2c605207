package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"berth.dev/berth/client"
)

// document is an endpoint or a deployment in the words of YAML, as az ml has it: from a file, or as it is, with changes of its fields.
type document struct {
	file string
	changes
	content client.Object
}

func (d *document) flags(cmd *cobra.Command, what string) {
	cmd.Flags().StringVarP(&d.file, "file", "f", "", "YAML file of the "+what+", as az ml takes it; paths in it begin at its folder")
	d.setFlag(cmd)
}

// given reports whether the command has a file, or a change of what is there.
func (d *document) given() bool { return d.file != "" || len(d.all) > 0 }

// name is where a fault is, for messages.
func (d *document) name() string {
	switch {
	case d.file != "":
		return d.file
	case len(d.all) > 0:
		return "--" + d.all[0].option
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
