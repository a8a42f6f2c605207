package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"

	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/containerd/v2/core/remotes"
	"github.com/containerd/errdefs"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// source is where an image comes from that needs no registry. To containerd's client it is one.
type source struct {
	name   string
	target ocispec.Descriptor
	open   func(digest.Digest) (io.ReadCloser, error)
}

// Resolve answers what has the name.
func (s source) Resolve(context.Context, string) (string, ocispec.Descriptor, error) {
	return s.name, s.target, nil
}

// Fetcher reads the blobs of the image.
func (s source) Fetcher(context.Context, string) (remotes.Fetcher, error) {
	return remotes.FetcherFunc(func(_ context.Context, d ocispec.Descriptor) (io.ReadCloser, error) { return s.open(d.Digest) }), nil
}

// Pusher is for what is written to.
func (s source) Pusher(context.Context, string) (remotes.Pusher, error) {
	return nil, errdefs.ErrNotImplemented
}

// maxManifest bounds what describes an image, in bytes; images/store.go has the same.
const maxManifest = 4 << 20

// fits reports an image for another platform. What has manifests of several is left to containerd, which takes its own.
func (s source) fits() error {
	if !images.IsManifestType(s.target.MediaType) {
		return nil
	}
	var m ocispec.Manifest
	var p ocispec.Platform
	if err := s.read(s.target.Digest, &m); err != nil {
		return err
	}
	if err := s.read(m.Config.Digest, &p); err != nil {
		return err
	}
	if p.OS != "linux" || p.Architecture != runtime.GOARCH {
		return fmt.Errorf("it is for %s/%s, and this machine runs linux/%s", p.OS, p.Architecture, runtime.GOARCH)
	}
	return nil
}

// read decodes what describes the image.
func (s source) read(d digest.Digest, into any) error {
	r, err := s.open(d)
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }()
	return json.NewDecoder(io.LimitReader(r, maxManifest)).Decode(into)
}

// insideIndex lists the images of the server; images/store.go writes it, in the layout of OCI.
const insideIndex = insideImages + "/" + ocispec.ImageIndexFile

// maxIndex bounds it, in bytes.
const maxIndex = 8 << 20

func readIndex(dir string) (index ocispec.Index, err error) {
	f, err := os.Open(filepath.Join(dir, ocispec.ImageIndexFile))
	if err != nil {
		return index, err
	}
	defer func() { _ = f.Close() }()
	return index, json.NewDecoder(io.LimitReader(f, maxIndex)).Decode(&index)
}

// storedKey is how the record of a node calls an image of the server.
func storedKey(name string) string { return insideImages + "/" + name }

var errNoDigest = errors.New("it is no digest of a blob")

// storedSource is an image of the server.
func storedSource(name string, target ocispec.Descriptor) source {
	return source{name, target, func(d digest.Digest) (io.ReadCloser, error) { return blobFolder(insideImages).open(d) }}
}
