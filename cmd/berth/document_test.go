package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"berth.dev/berth/client"
)

// TestDocumentChanges: --set, --add and --remove have the grammar of az, and act in the order in which they were typed.
func TestDocumentChanges(t *testing.T) {
	for line, want := range map[string]string{
		"--set a=1 b.c=x":                      `{"a":1,"b":{"c":"x"},"list":["one"],"tags":{"t":"1"}}`,
		"--set a=1 --force-string":             `{"a":"1","list":["one"],"tags":{"t":"1"}}`,
		"--set tags.n=3 --name x":              `{"list":["one"],"tags":{"n":"3","t":"1"}}`,
		"--add list two 3 true":                `{"list":["one","two",3,true],"tags":{"t":"1"}}`,
		"--add list 3 --force-string":          `{"list":["one","3"],"tags":{"t":"1"}}`,
		"--add list a=1 b=2 x c=3":             `{"list":["one",{"a":"1","b":"2"},"x",{"c":"3"}],"tags":{"t":"1"}}`,
		`--add list {"a":1} --add deep.new y`:  `{"deep":{"new":["y"]},"list":["one",{"a":1}],"tags":{"t":"1"}}`,
		"--remove list 0 --add list two":       `{"list":["two"],"tags":{"t":"1"}}`,
		"--add list two --remove list 0":       `{"list":["two"],"tags":{"t":"1"}}`,
		"--add list=two":                       "--add takes the path of a list",
		"--remove list --add list a --set x=y": `{"list":["a"],"tags":{"t":"1"},"x":"y"}`,
		"--add tags x":                         "'tags' is no list", "--add list": "--add takes the path of a list",
		"--remove list 1": "no item '1'; it has 1 items", "--remove list x": "no item 'x'", "--remove tags 0": "'tags' is no list",
		"--remove list 0 0": "a path and an index", "--remove gone": "there is no 'gone'", "--set a": "PATH=VALUE", "--set =a": "PATH=VALUE",
		"--add list.0 x": "'list' has nothing in it", "--add list[0] x": "is not a path of names", "word": "unrecognized arguments: word",
		"--set a=1 --nosuch": "nosuch", "--name x word": "unrecognized arguments: word",
	} {
		d := &document{content: client.Object{"list": []any{"one"}, "tags": client.Object{"t": "1"}}}
		cmd := &cobra.Command{Use: "x", SilenceErrors: true, SilenceUsage: true, RunE: func(*cobra.Command, []string) error { return d.change() }}
		d.flags(cmd, "thing")
		d.updateFlags(cmd)
		cmd.Flags().String("name", "", "")
		cmd.SetArgs(strings.Fields(line))
		err := cmd.Execute()
		got, failed := json.Marshal(d.content)
		switch {
		case failed != nil:
			t.Errorf("%s: %v", line, failed)
		case strings.HasPrefix(want, "{") && (err != nil || string(got) != want):
			t.Errorf("%s: %s %v", line, got, err)
		case !strings.HasPrefix(want, "{") && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: %v", line, err)
		}
	}
}
