package images

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path"
	"runtime"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"berth.dev/berth"
)

// JudgeRegistry reports what is wrong with the name of a registry and a folder in it, such as "registry.example.com/berth".
func JudgeRegistry(registry string) error {
	if _, err := name.NewRepository(registry + "/image"); err != nil || !strings.Contains(registry, "/") || strings.Contains(registry, "://") {
		return fmt.Errorf("'%s' does not name a registry and a folder in it, such as registry.example.com/berth", registry)
	}
	return nil
}

// Push copies an image of the store to another registry, under the last part of its name, and returns how pods name it there: by its
// digest. What the registry has is not sent again. The registry is asked with what `docker login` has stored for it.
func (s *Store) Push(ctx context.Context, image, registry string) (string, error) {
	d, err := s.find(wholeName(image))
	if err != nil {
		return "", fmt.Errorf("there is no image '%s': %w", image, err)
	}
	to, err := target(image, registry)
	if err != nil {
		return "", err
	}
	hash, folder := v1.Hash{Algorithm: d.Digest.Algorithm().String(), Hex: d.Digest.Encoded()}, layout.Path(s.dir)
	if isIndex(d.MediaType) {
		index, err := folder.ImageIndex()
		if err == nil {
			index, err = index.ImageIndex(hash)
		}
		if err == nil {
			err = remote.WriteIndex(to, index, pushing(ctx)...)
		}
		return to.Context().Digest(hash.String()).String(), pushError(registry, err)
	}
	one, err := folder.Image(hash)
	if err != nil {
		return "", err
	}
	return push(ctx, to, one)
}

// PushProgram does it for the image of one static program, which is built on the way.
func PushProgram(ctx context.Context, program, image, registry string) (string, error) {
	to, err := target(image, registry)
	if err != nil {
		return "", err
	}
	built, err := programImage(program)
	if err != nil {
		return "", err
	}
	return push(ctx, to, built)
}

func target(image, registry string) (name.Tag, error) {
	return name.NewTag(registry + "/" + path.Base(image))
}

func pushing(ctx context.Context) []remote.Option {
	return []remote.Option{remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain)}
}

func push(ctx context.Context, to name.Tag, image v1.Image) (string, error) {
	hash, err := image.Digest()
	if err != nil {
		return "", err
	}
	return to.Context().Digest(hash.String()).String(), pushError(to.Context().String(), remote.Write(to, image, pushing(ctx)...))
}

func pushError(where string, err error) error {
	if err == nil {
		return nil
	}
	return berth.Errorf(berth.CodeProviderUnavailable, "An image could not be pushed to %s: %s.", where, berth.Sentence(err))
}

// programImage has one file, and is the same at each call.
func programImage(program string) (v1.Image, error) {
	text, err := os.ReadFile(program) // #nosec G304 -- beside berth
	if err != nil {
		return nil, err
	}
	entry := path.Base(program)
	var files bytes.Buffer
	w := tar.NewWriter(&files)
	if err := w.WriteHeader(&tar.Header{Name: entry, Mode: 0o755, Size: int64(len(text)), Typeflag: tar.TypeReg}); err != nil {
		return nil, err
	}
	if _, err := w.Write(text); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(files.Bytes())), nil })
	if err != nil {
		return nil, err
	}
	image, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		return nil, err
	}
	file, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	return mutate.ConfigFile(image, &v1.ConfigFile{OS: "linux", Architecture: runtime.GOARCH, RootFS: file.RootFS,
		Config: v1.Config{Entrypoint: []string{"/" + entry}}})
}
