package main

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"time"

	containerd "github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/pkg/namespaces"
	"github.com/containerd/errdefs"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// Images that every node has: of one program each, which was built with Berth.
const (
	pauseImage = "berth.dev/pause:1"
	helloImage = "berth.dev/hello:1"
)

// kubeNamespace is where containerd's CRI looks for images.
const kubeNamespace = "k8s.io"

// importImages gives the node its own images, those that are there already excepted.
func (n *node) importImages(ctx context.Context) error {
	client, err := containerd.New(n.socket(), containerd.WithTimeout(10*time.Second))
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }()
	ctx = namespaces.WithNamespace(ctx, kubeNamespace)
	for ref, program := range map[string]string{pauseImage: "pause", helloImage: "hello"} {
		if err := importProgram(ctx, client, ref, program); err != nil {
			return fmt.Errorf("%s: %w", ref, err)
		}
	}
	return nil
}

// importProgram imports an image that holds one program, unless the node has just this one.
func importProgram(ctx context.Context, client *containerd.Client, ref, program string) error {
	image, err := programImage(program)
	if err != nil {
		return err
	}
	if have, err := client.GetImage(ctx, ref); err == nil {
		digest, err := image.ConfigName()
		if config, configErr := have.Config(ctx); err == nil && configErr == nil && config.Digest.String() == digest.String() {
			return nil
		}
	} else if !errdefs.IsNotFound(err) {
		return err
	}
	tag, err := name.NewTag(ref)
	if err != nil {
		return err
	}
	var archive bytes.Buffer // a few MB
	if err := tarball.Write(tag, image, &archive); err != nil {
		return err
	}
	return importArchive(ctx, client, &archive)
}

// importArchive imports every image of an archive of docker or OCI, and unpacks it.
func importArchive(ctx context.Context, client *containerd.Client, archive io.Reader) error {
	imported, err := client.Import(ctx, archive)
	if err != nil {
		return err
	}
	for _, i := range imported {
		if err := containerd.NewImage(client, i).Unpack(ctx, ""); err != nil {
			return err
		}
	}
	return nil
}

// programImage is an image of one static program. It is the same at each start.
func programImage(program string) (v1.Image, error) {
	text, err := os.ReadFile(filepath.Join(insideBin, program))
	if err != nil {
		return nil, err
	}
	var files bytes.Buffer
	w := tar.NewWriter(&files)
	if err := w.WriteHeader(&tar.Header{Name: program, Mode: 0o755, Size: int64(len(text)), Typeflag: tar.TypeReg}); err != nil {
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
	return mutate.ConfigFile(image, &v1.ConfigFile{
		OS: "linux", Architecture: runtime.GOARCH, RootFS: mustFile(image).RootFS,
		Config: v1.Config{Entrypoint: []string{"/" + program}}, // as root: a plain user's namespace has no other
	})
}

func mustFile(image v1.Image) *v1.ConfigFile {
	file, err := image.ConfigFile()
	if err != nil {
		panic(err) // an image in memory has one
	}
	return file
}
