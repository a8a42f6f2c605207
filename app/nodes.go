package app

import (
	"context"

	"berth.dev/berth/provider/local"
)

// Check is one thing that real nodes need of this machine.
type Check = local.Check

// Image is one archive of images for real nodes.
type Image = local.Image

// CheckNodes tries on this machine what real nodes need, in a folder below dir. The error says that nothing could be tried.
func CheckNodes(ctx context.Context, c Config, dir string) ([]Check, error) {
	return local.Preflight(ctx, c.KubeBinary, dir)
}

// ImportImage gives the real nodes of a server's clusters the images of an archive.
func ImportImage(dataDir, file string) (Image, error) { return local.ImportImage(dataDir, file) }

// ListImages are the archives of a server.
func ListImages(dataDir string) ([]Image, error) { return local.ListImages(dataDir) }

// RemoveImage removes the archive that holds an image of this name. Nodes that have the image keep it.
func RemoveImage(dataDir, name string) error { return local.RemoveImage(dataDir, name) }
