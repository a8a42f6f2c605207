package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/diff/apply"
	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/containerd/v2/core/snapshots"
	"github.com/containerd/containerd/v2/pkg/namespaces"
	"github.com/containerd/containerd/v2/pkg/rootfs"
	"github.com/containerd/errdefs"
	"github.com/containerd/platforms"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/identity"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sys/unix"
)

// The unpacked layers of the server's own images are on the machine once, for all clusters: beside the images, unpacked by this program
// before any node hears of the image. Who unpacks is in a user namespace that belongs to the layers alone, and clusters see them read-only:
// no cluster can change what another one runs.

// partShare unpacks; the outside of it is the command layers.
const partShare = "share"

// chainsFolder has a link to the files of each unpacked layer, by the digest of its chain.
const chainsFolder = "chains"

// shareRequest is the standard input of the command layers: what there shall be, besides what the index of the images lists.
type shareRequest struct {
	Images []ocispec.Descriptor `json:"images"` // that will be in the index
	Used   []string             `json:"used"`   // chains (hexadecimal) that a cluster still has; the command layers finds them
}

// fitLayers is the command layers. It makes the namespaces for share, one at a time.
func fitLayers(s settings) error {
	if err := errors.Join(os.MkdirAll(s.dir, 0o700), handOver(s.dir, idBase(s.dir))); err != nil {
		return err
	}
	lock, err := os.OpenFile(s.dir+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = lock.Close() }()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return err
	}
	s.base = idBase(s.dir)
	cmd, err := s.first(partShare)
	if err != nil {
		return err
	}
	request, err := withUsed(os.Stdin, filepath.Dir(s.images))
	if err != nil {
		return err
	}
	cmd.Stdin = bytes.NewReader(request)
	runtime.LockOSThread() // a child with Pdeathsig dies with the thread that started it
	return cmd.Run()
}

// withUsed adds to a request what the clusters of a data folder use now. It is read under the lock: what a cluster takes up while others
// unpack stays.
func withUsed(in io.Reader, dataDir string) ([]byte, error) {
	var request shareRequest
	if err := json.NewDecoder(io.LimitReader(in, maxIndex)).Decode(&request); err != nil {
		return nil, fmt.Errorf("standard input: %w", err)
	}
	links, err := filepath.Glob(filepath.Join(dataDir, "clusters", "*", "kube", "nodes", "layers", "snapshots", "*", "fs"))
	if err != nil {
		return nil, err
	}
	for _, link := range links {
		to, err := os.Readlink(link)
		if found := sharedLayer.FindStringSubmatch(to); err == nil && found != nil {
			request.Used = append(request.Used, found[1])
		}
	}
	return json.Marshal(request)
}

// sharedLayer is the link of a layer of a cluster to one that all share (layers.go). Who is root inside a cluster can claim that it has
// one, and no more.
var sharedLayer = regexp.MustCompile(`^/opt/layers/chains/([0-9a-f]{64})$`)

// share is the part inside.
func share(s settings) error {
	var want shareRequest
	if err := json.NewDecoder(io.LimitReader(os.Stdin, maxIndex)).Decode(&want); err != nil {
		return fmt.Errorf("standard input: %w", err)
	}
	ctx := namespaces.WithNamespace(context.Background(), kubeNamespace)
	store, err := openLayers(ctx, s.dir)
	if err != nil {
		return err
	}
	defer func() { _ = store.Close() }()
	if err := dropUnfinished(ctx, store); err != nil {
		return err
	}
	index, err := readIndex(s.images)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	keep, errs := want.Used, []error(nil)
	for _, d := range append(index.Manifests, want.Images...) {
		chains, err := shareImage(ctx, store, blobFolder(s.images), d)
		keep, errs = append(keep, chains...), append(errs, err)
	}
	return errors.Join(errors.Join(errs...), linkChains(ctx, store, s.dir, keep))
}

// dropUnfinished removes what a kill has left half unpacked: nobody else is at work.
func dropUnfinished(ctx context.Context, store *layers) error {
	var unfinished []string
	err := store.Walk(ctx, func(_ context.Context, info snapshots.Info) error {
		if info.Kind != snapshots.KindCommitted {
			unfinished = append(unfinished, info.Name)
		}
		return nil
	})
	if errdefs.IsNotFound(err) { // there is nothing yet
		err = nil
	}
	for _, name := range unfinished {
		err = errors.Join(err, store.Remove(ctx, name))
	}
	return err
}

// blobFolder reads the blobs of images from their folder.
type blobFolder string

func (b blobFolder) open(d digest.Digest) (*os.File, error) {
	if d.Validate() != nil || d.Algorithm() != digest.SHA256 {
		return nil, fmt.Errorf("%q: %w", d, errNoDigest)
	}
	return os.Open(filepath.Join(string(b), "blobs", "sha256", d.Encoded()))
}

// blobFile is one of them.
type blobFile struct {
	*os.File
	size int64
}

// Size is its length.
func (b blobFile) Size() int64 { return b.size }

// ReaderAt opens a blob.
func (b blobFolder) ReaderAt(_ context.Context, d ocispec.Descriptor) (content.ReaderAt, error) {
	f, err := b.open(d.Digest)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	return blobFile{f, info.Size()}, err
}

// shareImage unpacks the layers of an image that are not there, and answers all of its chains. An image for another platform has none.
func shareImage(ctx context.Context, store *layers, from blobFolder, d ocispec.Descriptor) (chains []string, err error) {
	manifest, err := images.Manifest(ctx, from, d, platforms.Default())
	if errdefs.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", d.Digest, err)
	}
	ids, err := images.RootFS(ctx, from, manifest.Config)
	if err == nil && len(ids) != len(manifest.Layers) {
		err = fmt.Errorf("it has %d layers and %d digests of them", len(manifest.Layers), len(ids))
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", d.Digest, err)
	}
	var all []rootfs.Layer
	for i, id := range ids {
		all = append(all, rootfs.Layer{Diff: ocispec.Descriptor{MediaType: ocispec.MediaTypeImageLayer, Digest: id}, Blob: manifest.Layers[i]})
	}
	for _, chain := range identity.ChainIDs(slices.Clone(ids)) { // it writes into what it gets
		chains = append(chains, chain.Encoded())
	}
	if _, err := rootfs.ApplyLayers(ctx, all, store, apply.NewFileSystemApplier(from)); err != nil {
		return chains, fmt.Errorf("%s: %w", d.Digest, err)
	}
	return chains, nil
}

// linkChains makes the links of the layers that stay, and removes the others: first their links, then what nothing is built on.
func linkChains(ctx context.Context, store *layers, dir string, keep []string) error {
	if err := os.MkdirAll(filepath.Join(dir, chainsFolder), 0o755); err != nil {
		return err
	}
	var gone []string
	err := store.Walk(ctx, func(_ context.Context, info snapshots.Info) error {
		chain := digest.Digest(info.Name)
		if info.Kind != snapshots.KindCommitted || chain.Validate() != nil {
			return nil
		}
		if !slices.Contains(keep, chain.Encoded()) {
			gone = append(gone, info.Name)
			return os.RemoveAll(filepath.Join(dir, chainsFolder, chain.Encoded()))
		}
		return nil
	})
	if errdefs.IsNotFound(err) { // as above
		err = nil
	}
	for left := len(gone) + 1; err == nil && len(gone) < left; { // one that others are built on goes in a later round
		left = len(gone)
		gone = slices.DeleteFunc(gone, func(name string) bool { return store.Remove(ctx, name) == nil })
	}
	for _, chain := range keep {
		err = errors.Join(err, linkChain(ctx, store, dir, chain))
	}
	return err
}

// linkChain makes the link of one layer. One that could not be unpacked has none.
func linkChain(ctx context.Context, store *layers, dir, chain string) error {
	link := filepath.Join(dir, chainsFolder, chain)
	if _, err := os.Lstat(link); err == nil {
		return nil
	}
	key := "link " + chain
	mounts, err := store.View(ctx, key, "sha256:"+chain)
	if errdefs.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	files, err := topmost(mounts)
	if err = errors.Join(err, store.Remove(ctx, key)); err != nil {
		return err
	}
	relative, err := filepath.Rel(filepath.Dir(link), files)
	if err != nil {
		return err
	}
	return os.Symlink(relative, link)
}
