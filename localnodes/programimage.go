package main

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"sync"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Images that every node has: of one program each, which was built with Berth.
const (
	pauseImage = "berth.dev/pause:1"
	helloImage = "berth.dev/hello:1"
	feImage    = "berth.dev/fe:1" // the router, and the files of models
)

// programs are the images of programs by their names and the stamps of the files, so that each file is read once for its digest, however
// many nodes there are. What is kept is small: the layer itself is read from the file.
var programs struct {
	sync.Mutex
	made map[[2]string]source
}

// programSource is an image that holds one program, by the path of its file and its stamp.
func programSource(ref, path, stamp string) (source, error) {
	programs.Lock()
	defer programs.Unlock()
	key := [2]string{ref, stamp}
	if made, known := programs.made[key]; known {
		return made, nil
	}
	made, err := programImage(ref, programLayer(path))
	if err != nil {
		return source{}, err
	}
	if programs.made == nil {
		programs.made = map[[2]string]source{}
	}
	programs.made[key] = made
	return made, nil
}

// programImage is an image of one static program. It is the same at each start. Its layer is not packed: it goes no further than into the
// folder beside the program, and packing it would be most of the work.
func programImage(ref string, layer programLayer) (source, error) {
	content, err := layer.open()
	if err != nil {
		return source{}, err
	}
	defer func() { _ = content.Close() }()
	digester := digest.Canonical.Digester()
	size, err := io.Copy(digester.Hash(), content)
	if err != nil {
		return source{}, err
	}
	files := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageLayer, Digest: digester.Digest(), Size: size}
	blobs := map[digest.Digest][]byte{}
	config, err := describe(blobs, ocispec.MediaTypeImageConfig, ocispec.Image{
		Platform: ocispec.Platform{OS: "linux", Architecture: runtime.GOARCH},
		RootFS:   ocispec.RootFS{Type: "layers", DiffIDs: []digest.Digest{files.Digest}},
		Config:   ocispec.ImageConfig{Entrypoint: []string{"/" + layer.name()}}, // as root: a plain user's namespace has no other
	})
	if err != nil {
		return source{}, err
	}
	target, err := describe(blobs, ocispec.MediaTypeImageManifest, ocispec.Manifest{Versioned: specs.Versioned{SchemaVersion: 2},
		MediaType: ocispec.MediaTypeImageManifest, Config: config, Layers: []ocispec.Descriptor{files}})
	if err != nil {
		return source{}, err
	}
	return source{ref, target, func(d digest.Digest) (io.ReadCloser, error) {
		if d == files.Digest {
			return layer.open()
		}
		text, there := blobs[d]
		if !there {
			return nil, fmt.Errorf("%s: %w", d, os.ErrNotExist)
		}
		return io.NopCloser(bytes.NewReader(text)), nil
	}}, nil
}

// describe keeps a part of an image under its digest.
func describe(blobs map[digest.Digest][]byte, kind string, part any) (ocispec.Descriptor, error) {
	text, err := json.Marshal(part)
	d := ocispec.Descriptor{MediaType: kind, Digest: digest.FromBytes(text), Size: int64(len(text))}
	blobs[d.Digest] = text
	return d, err
}

// programLayer is the path of a program, as a layer that holds it alone.
type programLayer string

func (p programLayer) name() string { return filepath.Base(string(p)) }

// open reads the layer: an archive of the one file. The file is never in memory as a whole.
func (p programLayer) open() (io.ReadCloser, error) {
	f, err := os.Open(string(p))
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	var header, end bytes.Buffer
	w := tar.NewWriter(&header)
	if err := w.WriteHeader(&tar.Header{Name: p.name(), Mode: 0o755, Size: info.Size(), Typeflag: tar.TypeReg}); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	// What follows the file is known: zeros up to a whole block, and two blocks more.
	end.Write(make([]byte, (blockSize-info.Size()%blockSize)%blockSize+2*blockSize))
	return struct {
		io.Reader
		io.Closer
	}{io.MultiReader(&header, io.LimitReader(f, info.Size()), &end), f}, nil
}

// blockSize is that of an archive of tar.
const blockSize = 512
