package main

import (
	"context"

	"github.com/spf13/cobra"

	"berth.dev/berth/client"
)

func (c *cli) modelRegister() *cobra.Command {
	w := &where{}
	r := client.ModelRequest{}
	var tags, properties []string
	cmd := command("register", "Upload the files of a model and give it its next version", func(ctx context.Context) (err error) {
		if r.Tags, err = parsePairs("--tag", tags); err != nil {
			return err
		}
		if r.Properties, err = parsePairs("--property", properties); err != nil {
			return err
		}
		cl, err := c.connect()
		if err != nil {
			return err
		}
		r.Name = w.name
		c.note("Uploading %s...", r.Path)
		model, err := cl.RegisterModel(ctx, w.space(), r)
		if err != nil {
			return err
		}
		return c.emit(model, modelTable)
	})
	cmd.Example = "  berth ml model register -n mymodel -p model.pkl --tag area=retail"
	w.inWorkspace(cmd, "model")
	f := cmd.Flags()
	f.StringVarP(&r.Path, "path", "p", "", "file or folder with the model")
	w.wants = append(w.wants, want{value: &r.Path, options: "--path/-p"})
	f.StringVarP(&r.Description, "description", "d", "", "what it is")
	f.StringArrayVar(&tags, "tag", nil, "tag as key=value; may be repeated")
	f.StringArrayVar(&properties, "property", nil, "property as key=value, which does not change later; may be repeated")
	f.StringVar(&r.Framework, "model-framework", "", "framework of the model, such as ScikitLearn")
	f.StringVar(&r.FrameworkVersion, "model-framework-version", "", "version of the framework")
	return w.on(c, cmd)
}
