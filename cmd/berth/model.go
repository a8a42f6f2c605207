package main

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"berth.dev/berth/client"
)

func (c *cli) modelCommand() *cobra.Command {
	return family("model", "Models: files with a name and versions",
		c.modelRegister(), c.modelList(), c.modelShow(), c.modelDownload(), c.modelDelete(), c.modelDeploy())
}

// modelOptions name a version of a model: by its id, or by name and version.
type modelOptions struct {
	where
	id, version string
}

func (o *modelOptions) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVarP(&o.id, "model-id", "i", "", "id of the model, as NAME:VERSION")
	f.StringVarP(&o.name, "name", "n", "", "name of the model, instead of its id")
	f.StringVarP(&o.version, "version", "v", "", "version of the model (with --name; default: the newest)")
	o.groupFlag(cmd, true)
	o.workspaceFlag(cmd)
}

// model is the id that the options name.
func (o *modelOptions) model() (string, error) {
	switch {
	case (o.id == "") == (o.name == ""):
		return "", usage("name the model with --model-id NAME:VERSION, or with --name")
	case o.id != "" && o.version != "":
		return "", usage("--model-id has the version already; use --version with --name")
	case o.version != "":
		return o.name + ":" + o.version, nil
	}
	return o.id + o.name, nil
}

func modelTable(v any) []row {
	return each(v, func(o client.Object) row {
		return row{{"Name", str(o, "name")}, {"Version", str(o, "version")}, {"Created", str(o, "createdTime")},
			{"Tags", pairs(o, "kvTags")}, {"Description", str(o, "description")}}
	})
}

// pairs are the texts of an object as key=value.
func pairs(o client.Object, key string) string {
	inner, _ := o[key].(client.Object)
	words := []string{}
	for _, name := range slices.Sorted(maps.Keys(inner)) {
		words = append(words, name+"="+str(inner, name))
	}
	return strings.Join(words, " ")
}

// onModel is a command about a version of a model.
func (c *cli) onModel(use, short string,
	run func(ctx context.Context, cl *client.Client, o *modelOptions, id string) error) *cobra.Command {
	o := &modelOptions{}
	cmd := command(use, short, func(ctx context.Context) error {
		id, err := o.model()
		if err != nil {
			return err
		}
		cl, err := c.connect()
		if err != nil {
			return err
		}
		return run(ctx, cl, o, id)
	})
	o.flags(cmd)
	return o.on(c, cmd)
}
