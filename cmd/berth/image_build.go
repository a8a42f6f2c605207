package main

import (
	"context"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"berth.dev/berth/app"
	"berth.dev/berth/client"
)

func (c *cli) imageBuildCommand() *cobra.Command {
	o, file := app.BaseImage{}, ""
	cmd := command("build", "Build a base image of Python and give it to every real node", func(ctx context.Context) error {
		return c.imageBuild(ctx, o, file)
	})
	cmd.Long = "Build a base image of Python from the packages of Debian or Ubuntu, and import it. Neither root nor a container engine is\n" +
		"needed. Packages come from the mirror of the machine's apt, or from --mirror; their signatures and digests are verified, and\n" +
		"none of their scripts runs. The image also has uv, which resolves and installs wheels; it comes from the index of the\n" +
		"machine's pip, or from --index-url. The same packages make the same image: --lock FILE keeps which they are."
	cmd.Example = "  berth image build --lock python.lock\n" +
		"  berth image build --mirror file:///srv/mirror --suite NAME --uv=false --file python.tar"
	f := cmd.Flags()
	f.StringVar(&o.Mirror, "mirror", "", "address of a mirror of packages (default: those of the machine's apt)")
	f.StringSliceVar(&o.Suites, "suite", nil, "suite of the mirror; may be repeated (default: the machine's release)")
	f.StringSliceVar(&o.Keyrings, "keyring", nil, "file with the keys that may sign the suites (default: those that the machine trusts)")
	f.StringVar(&o.Lock, "lock", "", "file with the exact packages: used when it exists, else written")
	f.StringVar(&o.Name, "name", "", "name of the image (default: berth.dev/python:3.X, as the packages are)")
	f.BoolVar(&o.UV, "uv", true, "with uv, which resolves and installs wheels")
	f.StringVar(&o.Index, "index-url", "", "address of an index of Python packages, for uv (default: that of the machine's pip)")
	f.StringVar(&file, "file", "", "write the archive to this file, and import nothing")
	return cmd
}

// imageBuild writes an archive and imports it, or leaves it in a file.
func (c *cli) imageBuild(ctx context.Context, o app.BaseImage, file string) error {
	o.Progress = func(line string) { c.note("%s", line) }
	to := file
	if to == "" {
		dir, err := os.MkdirTemp("", "berth-image-")
		if err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(dir) }()
		to = filepath.Join(dir, "image.tar")
	}
	built, err := app.BuildImage(ctx, o, to)
	if err != nil {
		return err
	}
	c.note("%s has %d packages and %d MB of files.", built.Name, built.Packages, built.Unpacked>>20)
	if file != "" {
		return c.emit(client.Object{"names": []any{built.Name}, "image": built.ID, "file": file}, nil)
	}
	image, err := app.ImportImage(c.dataFolder(), to)
	if err != nil {
		return err
	}
	return c.emitImages(image)
}
