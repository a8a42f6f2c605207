package baseimage

import (
	"bytes"
	"io"
	"runtime"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"berth.dev/berth"
)

// writeImage writes an image of layers as an archive, and answers the digest of its configuration.
func writeImage(to io.Writer, ref string, layers []*tree) (string, error) {
	tag, err := name.NewTag(ref)
	if err != nil {
		return "", berth.Errorf(berth.CodeInvalidName, "'%s' is no name of an image. Give one such as example.com/python:1 (--name).", ref)
	}
	image := empty.Image
	for _, l := range layers {
		var text bytes.Buffer
		if err := l.write(&text); err != nil {
			return "", err
		}
		layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(text.Bytes())), nil },
			tarball.WithCompressedCaching)
		if err != nil {
			return "", err
		}
		if image, err = mutate.AppendLayers(image, layer); err != nil {
			return "", err
		}
	}
	file, err := image.ConfigFile()
	if err != nil {
		return "", err
	}
	file = file.DeepCopy()
	file.OS, file.Architecture = "linux", runtime.GOARCH
	file.Created = v1.Time{Time: layers[0].newest.UTC()}
	file.History = nil
	file.Config = v1.Config{
		Cmd: []string{"python3"}, // as root: a plain user's nodes know no other
		Env: []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8"},
	}
	if image, err = mutate.ConfigFile(image, file); err != nil {
		return "", err
	}
	id, err := image.ConfigName()
	if err != nil {
		return "", err
	}
	return id.String(), tarball.Write(tag, image, to)
}
