package main

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"

	"github.com/spf13/cobra"

	"berth.dev/berth/client"
)

func (c *cli) modelDownload() *cobra.Command {
	var folder string
	var overwrite bool
	cmd := c.onModel("download", "Download the files of a version of a model",
		func(ctx context.Context, cl *client.Client, o *modelOptions, id string) error {
			names, err := cl.DownloadModel(ctx, o.space(), id, folder, overwrite)
			if errors.Is(err, fs.ErrExist) {
				return usage("in the folder %s there is a file of the model already. Add --overwrite to replace it", folder)
			}
			if err != nil {
				return err
			}
			files := []any{}
			for _, name := range names {
				files = append(files, filepath.Join(folder, filepath.FromSlash(name)))
			}
			return c.emit(client.Object{"files": files}, nil)
		})
	cmd.Example = "  berth ml model download -i mymodel:1 -t ."
	cmd.Flags().StringVarP(&folder, "target-dir", "t", ".", "folder for the files")
	cmd.Flags().BoolVar(&overwrite, "overwrite", false, "replace files that are there")
	return cmd
}
