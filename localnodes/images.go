package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	containerd "github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/errdefs"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// kubeNamespace is where containerd's CRI looks for images.
const kubeNamespace = "k8s.io"

// imageStore is the images of one node: its containerd, and which files they came from.
type imageStore struct {
	*containerd.Client
	record *imageRecord
}

// openImages connects to the node's containerd, which must answer already.
func (n *node) openImages() (imageStore, error) {
	client, err := containerd.New(n.socket(), containerd.WithTimeout(10*time.Second), containerd.WithDefaultNamespace(kubeNamespace))
	return imageStore{client, &n.record}, err
}

// programOf is the program in each of the images that every node has.
var programOf = map[string]string{pauseImage: "pause", helloImage: "hello", feImage: "berth-fe"}

// laterImages are those that a node gets while its kubelet starts: they are large.
var laterImages = []string{helloImage, feImage}

// importLater gives the node those, and closes done.
func (n *node) importLater(ctx context.Context, done chan<- struct{}) {
	for ctx.Err() == nil {
		err := n.importPrograms(ctx, laterImages...)
		if err == nil {
			close(done)
			return
		}
		n.report("its own images are tried again in %s: %v", lastDelay, err)
		select {
		case <-ctx.Done():
		case <-time.After(lastDelay):
		}
	}
}

// importPrograms gives the node images of programs.
func (n *node) importPrograms(ctx context.Context, refs ...string) error {
	images, err := n.openImages()
	if err != nil {
		return err
	}
	defer func() { _ = images.Close() }()
	for _, ref := range refs {
		path := filepath.Join(insideBin, programOf[ref])
		stamp, err := stampOf(path)
		if err == nil {
			err = images.keep(ctx, path, stamp, func() (source, error) { return programSource(ref, path, stamp) })
		}
		if err != nil {
			return fmt.Errorf("%s: %w", ref, err)
		}
	}
	return nil
}

// imagesPoll is how often the index of the server's images is looked at: one stat when nothing has changed.
const imagesPoll = time.Second

// keepImages gives the node the images of the server, a new one soon after it has come, and takes away those that are gone. Its containerd
// is asked only when there is something to do.
func (n *node) keepImages(ctx context.Context) {
	seen := time.Time{}
	tick := time.NewTicker(imagesPoll)
	defer tick.Stop()
	for {
		if info, err := os.Stat(insideIndex); err == nil && info.ModTime() != seen && n.awaitContainerd(ctx) == nil {
			if err := n.importStored(ctx); err != nil {
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

// importStored imports what the node does not have yet.
func (n *node) importStored(ctx context.Context) error {
	index, err := readIndex(insideImages)
	if err != nil {
		return err
	}
	images, err := n.openImages()
	if err != nil {
		return err
	}
	defer func() { _ = images.Close() }()
	errs := []error{offerMirror(), images.forget(ctx, index)}
	for _, d := range index.Manifests {
		name := d.Annotations[ocispec.AnnotationRefName]
		if programOf[name] != "" { // the node has its own
			continue
		}
		if err := images.keep(ctx, storedKey(name), d.Digest.String(), func() (source, error) { return storedSource(name, d), nil }); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
		}
	}
	return errors.Join(errs...)
}

// keep imports an image under a key of the record, unless the node has just this.
func (s imageStore) keep(ctx context.Context, key, stamp string, of func() (source, error)) error {
	known, there := s.record.file(key)
	if there && known.Stamp == stamp && (known.Failed || s.has(ctx, known)) {
		return nil
	}
	from, err := of()
	if err != nil {
		return err
	}
	got, err := s.take(ctx, from)
	return errors.Join(err, s.record.set(key, imageFile{stamp, got, err != nil})) // a bad one is not tried again before it changes
}

// has reports whether the node has the images of a file.
func (s imageStore) has(ctx context.Context, f imageFile) bool {
	for name, digest := range f.Images {
		if i, err := s.ImageService().Get(ctx, name); err != nil || i.Target.Digest.String() != digest {
			return false
		}
	}
	return true
}

// forget takes away the images that the server does not have any more. Containers that run on them go on.
func (s imageStore) forget(ctx context.Context, index ocispec.Index) error {
	var errs []error
	stays := func(key string) bool {
		return slices.ContainsFunc(index.Manifests, func(d ocispec.Descriptor) bool {
			return storedKey(d.Annotations[ocispec.AnnotationRefName]) == key
		})
	}
	for key, f := range s.record.all() {
		if !strings.HasPrefix(key, storedKey("")) || stays(key) {
			continue
		}
		for name, digest := range f.Images {
			if i, err := s.ImageService().Get(ctx, name); err != nil || i.Target.Digest.String() != digest {
				continue // another one has the name now
			}
			if err := s.ImageService().Delete(ctx, name); err != nil && !errdefs.IsNotFound(err) {
				errs = append(errs, err)
			}
		}
		errs = append(errs, s.record.remove(key))
	}
	return errors.Join(errs...)
}

// unpacking is held while an image is unpacked, so that the other nodes find it unpacked.
var unpacking sync.Mutex

// take imports an image and unpacks what no node of the cluster has unpacked. The packed layers are not kept. It answers the digest by the
// name.
func (s imageStore) take(ctx context.Context, from source) (map[string]string, error) {
	unpacking.Lock()
	defer unpacking.Unlock()
	if err := from.fits(); err != nil {
		return nil, err
	}
	image, err := s.Pull(ctx, from.name, containerd.WithResolver(from), containerd.WithPullUnpack, containerd.WithPullSnapshotter(layersName),
		containerd.WithChildLabelMap(images.ChildGCLabelsFilterLayers))
	if err != nil {
		return nil, err
	}
	return map[string]string{image.Name(): image.Target().Digest.String()}, nil
}
