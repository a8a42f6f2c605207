package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"berth.dev/berth/app"
	"berth.dev/berth/client"
)

func (c *cli) imageCommand() *cobra.Command {
	list := &cobra.Command{Use: "list", Short: "List the archives of images", Args: noArguments, RunE: func(*cobra.Command, []string) error {
		all, err := app.ListImages(c.dataFolder())
		if err != nil {
			return err
		}
		return c.emitImages(all)
	}}
	add := &cobra.Command{
		Use: "import FILE", Short: "Give every real node the images of an archive", Args: oneArgument("FILE"),
		Long: "Give every real node of this server's clusters the images of an archive, as 'docker save' writes it. The nodes that there are\n" +
			"have them some seconds later, others when they are created. Pods name them as usual; imagePullPolicy must not be Always.",
		Example: "  docker save example.com/model:1 -o model.tar && berth image import model.tar",
		RunE: func(_ *cobra.Command, args []string) error {
			image, err := app.ImportImage(c.dataFolder(), args[0])
			if err != nil {
				return err
			}
			c.note("Imported %s.", strings.Join(image.Names, ", "))
			return c.emitImages(image)
		},
	}
	remove := &cobra.Command{
		Use: "remove NAME", Short: "Remove the archive of an image", Args: oneArgument("NAME"),
		Long: "Remove the archive that holds an image of this name. Nodes that have the image keep it.",
		RunE: func(_ *cobra.Command, args []string) error { return app.RemoveImage(c.dataFolder(), args[0]) },
	}
	return family("image", "Images for real nodes, on the machine of the server (--data-dir)", add, list, remove)
}

// emitImages shows one archive, or a list of them.
func (c *cli) emitImages(images any) error {
	v, err := plain(images)
	if err != nil {
		return err
	}
	return c.emit(v, imageTable)
}

func imageTable(v any) []row {
	return each(v, func(o client.Object) row {
		names, _ := o["names"].([]any)
		return row{{"Names", strings.Trim(fmt.Sprint(names), "[]")}, {"Id", str(o, "id")}, {"Size", str(o, "size")}}
	})
}
