package main

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
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

// imagesPoll is how often the folder of archives is looked at: one stat when nothing has changed.
const imagesPoll = time.Second

// keepImages gives the node the images of the archives, those of a new archive soon after it has come.
func (n *node) keepImages(ctx context.Context) {
	imported, seen := map[string]bool{}, time.Time{} // by path and time of change
	tick := time.NewTicker(imagesPoll)
	defer tick.Stop()
	for n.awaitContainerd(ctx) == nil {
		if info, err := os.Stat(insideImages); err == nil && info.ModTime() != seen {
			if err := n.importArchives(ctx, imported); err != nil {
				n.report("images: %v", err)
			}
			seen = info.ModTime()
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// importArchives imports what is not in imported, and adds it. An archive does not change once it has its name.
func (n *node) importArchives(ctx context.Context, imported map[string]bool) error {
	archives, err := filepath.Glob(insideImages + "/*.tar")
	if err != nil || len(archives) == 0 {
		return err
	}
	client, err := containerd.New(n.socket(), containerd.WithTimeout(10*time.Second))
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }()
	ctx = namespaces.WithNamespace(ctx, kubeNamespace)
	times := map[string]time.Time{}
	for _, path := range archives {
		if info, err := os.Stat(path); err == nil {
			times[path] = info.ModTime()
		}
	}
	slices.SortFunc(archives, func(a, b string) int { return times[a].Compare(times[b]) }) // of two with the same name the newer one stays
	var errs []error
	for _, path := range archives {
		key := path + times[path].String()
		if imported[key] {
			continue
		}
		imported[key] = true // a bad one is not tried again before it changes
		if err := importFile(ctx, client, path); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", filepath.Base(path), err))
		}
	}
	return errors.Join(errs...)
}

func importFile(ctx context.Context, client *containerd.Client, path string) error {
	f, err := os.Open(path) // #nosec: a file of the server's own folder
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	return importArchive(ctx, client, f)
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
