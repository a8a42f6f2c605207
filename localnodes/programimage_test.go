package main

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// TestProgramImage: the image of a program holds that program alone, each part under its digest; it is made once for all nodes, and anew
// for a later program.
func TestProgramImage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hello")
	for _, size := range []int{0, 1, blockSize, 3*blockSize + 7} {
		text := bytes.Repeat([]byte("x"), size)
		if err := os.WriteFile(path, text, 0o700); err != nil {
			t.Fatal(err)
		}
		stamp, err := stampOf(path)
		if err != nil {
			t.Fatal(err)
		}
		image, err := programSource("example.com/hello:1", path, stamp)
		if err != nil {
			t.Fatal(err)
		}
		if err := image.fits(); err != nil {
			t.Error(err)
		}
		var manifest ocispec.Manifest
		if err := json.Unmarshal(blobOf(t, image, image.target), &manifest); err != nil || len(manifest.Layers) != 1 {
			t.Fatalf("%+v, %v", manifest, err)
		}
		var config ocispec.Image
		if err := json.Unmarshal(blobOf(t, image, manifest.Config), &config); err != nil ||
			len(config.Config.Entrypoint) != 1 || config.Config.Entrypoint[0] != "/hello" {
			t.Errorf("%+v, %v", config, err)
		}
		files := tar.NewReader(bytes.NewReader(blobOf(t, image, manifest.Layers[0])))
		header, err := files.Next()
		if err != nil || header.Name != "hello" || header.Mode != 0o755 {
			t.Fatalf("%+v, %v", header, err)
		}
		if got, err := io.ReadAll(files); err != nil || !bytes.Equal(got, text) {
			t.Errorf("%d bytes of %d, %v", len(got), size, err)
		}
		if _, err := files.Next(); err != io.EOF {
			t.Errorf("after the program: %v", err)
		}
		if again, err := programSource("example.com/hello:1", path, stamp); err != nil || again.target.Digest != image.target.Digest {
			t.Errorf("for the next node: %v, %v", again.target, err)
		}
	}
}

// blobOf reads a part of an image, which has the digest and the size that are said of it.
func blobOf(t *testing.T, image source, d ocispec.Descriptor) []byte {
	t.Helper()
	fetch, err := image.Fetcher(context.Background(), image.name)
	if err != nil {
		t.Fatal(err)
	}
	r, err := fetch.Fetch(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	text, err := io.ReadAll(r)
	if err != nil || digest.FromBytes(text) != d.Digest || int64(len(text)) != d.Size {
		t.Errorf("%s: %d bytes, %v", d.Digest, len(text), err)
	}
	return text
}
