package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"berth.dev/berth/app"
	"berth.dev/berth/client"
)

func (c *cli) imageCommand() *cobra.Command {
	list := command("list", "List the images, and the nodes that have them", func(context.Context) error {
		all, err := app.ListImages(c.dataFolder())
		if err != nil {
			return err
		}
		return c.emitImages(all)
	})
	add := &cobra.Command{
		Use: "import FILE", Short: "Give every real node the images of an archive", Args: oneArgument("FILE"),
		Long: "Give every real node of this server's clusters the images of an archive, as 'docker save' writes it. The nodes that there are\n" +
			"have them some seconds later, others when they are created. Pods name them as usual.\n" +
			"A new image with the same name takes the place of the old one: pods that start afterwards have the new image.\n" +
			"The registry of the server has the images too: on other machines, sign in to its host and port with a client id and\n" +
			"secret ('docker login', 'crane auth login'), then push and pull there.",
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
		Use: "remove NAME", Short: "Remove an image", Args: oneArgument("NAME"),
		Long: "Remove an image of this name, or all names of the image with this id. Nodes forget it some seconds later; containers that\n" +
			"run on it go on.",
		RunE: func(_ *cobra.Command, args []string) error { return app.RemoveImage(c.dataFolder(), args[0]) },
	}
	return family("image", "Images for real nodes, on the machine of the server (--data-dir)", add, c.imageBuildCommand(), list, remove)
}

// emitImages shows one image, or a list of them.
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
		nodes, _ := o["nodes"].([]any)
		return row{{"Names", strings.Trim(fmt.Sprint(names), "[]")}, {"Digest", shortDigest(str(o, "digest"))}, {"Size", str(o, "size")},
			{"Imported", str(o, "imported")}, {"Nodes", fmt.Sprint(len(nodes))}, {"Id", str(o, "id")}}
	})
}

// shortDigest is a digest as engines show it in tables.
func shortDigest(digest string) string {
	_, sum, _ := strings.Cut(digest, ":")
	return sum[:min(len(sum), 12)]
}
