package app

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"berth.dev/berth/baseimage"
	"berth.dev/berth/images"
	"berth.dev/berth/provider/local"
)

// Check is one thing that real nodes need of this machine.
type Check = local.Check

// Image is one image for real nodes.
type Image = images.Image

// CheckNodes tries on this machine what real nodes need, in a folder below dir. The error says that nothing could be tried.
func CheckNodes(ctx context.Context, c Config, dir string) ([]Check, error) {
	return local.Preflight(ctx, c.KubeBinary, dir)
}

// openImages opens the images of a server, which may run.
func openImages(ctx context.Context, dataDir, kube string, log *slog.Logger) (*images.Store, error) {
	s, err := images.Open(filepath.Join(dataDir, local.ImagesFolder))
	if err != nil {
		return nil, err
	}
	s.Unpack = func(soon []images.Descriptor) {
		if err := local.UnpackImages(ctx, kube, dataDir, soon); err != nil {
			log.Warn("an image was not unpacked for all clusters; each unpacks it for itself", "reason", err)
		}
	}
	return s, nil
}

// ImportImage gives the real nodes of a server's clusters the images of an archive.
func ImportImage(dataDir, file string) (Image, error) {
	s, err := openImages(context.Background(), dataDir, "", slog.New(slog.DiscardHandler))
	if err != nil {
		return Image{}, err
	}
	return s.Import(file)
}

// ListImages are the images of a server, with the nodes that have them.
func ListImages(dataDir string) ([]Image, error) {
	s, err := openImages(context.Background(), dataDir, "", slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	have, err := local.NodesWithImages(dataDir)
	if err != nil {
		return nil, err
	}
	all, err := s.List()
	for i, image := range all {
		nodes := have[image.Names[0]+"@"+image.Digest]
		for _, name := range image.Names[1:] {
			nodes = slices.DeleteFunc(nodes, func(node string) bool { return !slices.Contains(have[name+"@"+image.Digest], node) })
		}
		slices.Sort(nodes)
		all[i].Nodes = append(all[i].Nodes, nodes...)
	}
	return all, err
}

// RemoveImage takes away an image of this name, or all names of the one with this id. Nodes forget it some seconds later.
func RemoveImage(dataDir, name string) error {
	s, err := openImages(context.Background(), dataDir, "", slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	return s.Remove(name)
}

// pythonImages begins the names of the images that BuildImage makes.
const pythonImages = "berth.dev/python:"

// ImportedPython is the image of Python in which models are served: of those that were imported, the one with the lowest version, so that
// another one changes nothing. It is empty when there is none.
func ImportedPython(dataDir string) (name string, err error) {
	all, err := ListImages(dataDir)
	for _, image := range all {
		for _, n := range image.Names {
			if strings.HasPrefix(n, pythonImages) && (name == "" || len(n) < len(name) || len(n) == len(name) && n < name) {
				name = n
			}
		}
	}
	return name, err
}

// BaseImage says what base image is built, and BuiltImage what was.
type (
	BaseImage  = baseimage.Options
	BuiltImage = baseimage.Result
)

// BuildImage builds a base image and writes its archive to a file.
func BuildImage(ctx context.Context, o BaseImage, file string) (BuiltImage, error) {
	f, err := os.CreateTemp(filepath.Dir(file), ".build-*") // never half an archive under the name
	if err != nil {
		return BuiltImage{}, err
	}
	built, err := baseimage.Build(ctx, o, f)
	if err = errors.Join(err, f.Chmod(0o644), f.Close()); err == nil {
		err = os.Rename(f.Name(), file)
	}
	if err != nil {
		return BuiltImage{}, errors.Join(err, os.Remove(f.Name()))
	}
	return built, nil
}
