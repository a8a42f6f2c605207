package images

import (
	"archive/tar"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// archiveOf writes an archive with these files, in pairs of name and content, and returns its path.
func archiveOf(t *testing.T, files ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "image.tar")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	w := tar.NewWriter(f)
	for i := 0; i < len(files); i += 2 {
		h := &tar.Header{Name: files[i], Mode: 0o644, Size: int64(len(files[i+1])), Typeflag: tar.TypeReg}
		if to, link := strings.CutPrefix(files[i+1], "-> "); link {
			h = &tar.Header{Name: files[i], Linkname: to, Typeflag: tar.TypeSymlink}
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			if _, err := w.Write([]byte(files[i+1])); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func configOf(layers ...string) string {
	ids := []string{}
	for _, l := range layers {
		ids = append(ids, fmt.Sprintf("%q", sum(l)))
	}
	return fmt.Sprintf(`{"os":"linux","architecture":%q,"rootfs":{"type":"layers","diff_ids":[%s]}}`, runtime.GOARCH, strings.Join(ids, ","))
}

func sum(text string) string { return fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(text))) }

// ociArchive is the files of an archive of OCI.
func ociArchive(name string) []string {
	config, layer := configOf("layer"), "layer"
	manifest := fmt.Sprintf(`{"schemaVersion":2,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":%q,"size":%d},
		"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":%q,"size":%d}]}`, sum(config), len(config), sum(layer),
		len(layer))
	index := fmt.Sprintf(`{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":%q,"size":%d,
		"annotations":{"io.containerd.image.name":%q}}]}`, sum(manifest), len(manifest), name)
	blob := func(text string) string { return "blobs/sha256/" + strings.TrimPrefix(sum(text), "sha256:") }
	return []string{"oci-layout", `{}`, blob(layer), layer, blob(manifest), manifest, "index.json", index, blob(config), config}
}

func open(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func namesIn(t *testing.T, s *Store) (out []string) {
	t.Helper()
	all, err := s.List()
	if err != nil {
		t.Fatal(err)
	}
	for _, image := range all {
		out = append(out, image.Names...)
	}
	slices.Sort(out)
	return out
}

func blobsIn(t *testing.T, s *Store) int {
	t.Helper()
	all, err := os.ReadDir(s.blobs())
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

// TestImport: archives of docker and of OCI, twice each; a layer that two images have is there once; what is removed leaves nothing.
func TestImport(t *testing.T) {
	s := open(t, t.TempDir())
	docker := archiveOf(t, "manifest.json", `[{"Config":"c.json","RepoTags":["python","me/model:1"],"Layers":["a/layer.tar","b/layer.tar"]}]`,
		"c.json", configOf("layer", "layer"), "a/layer.tar", "layer", "b/layer.tar", "-> ../a/layer.tar")
	oci := archiveOf(t, ociArchive("example.com/a:2")...)
	for range 2 {
		for _, file := range []string{docker, oci} {
			image, err := s.Import(file)
			if err != nil || image.Imported.IsZero() || image.Digest == "" || len(image.ID) != idLength || image.Size == 0 {
				t.Fatalf("%+v, %v", image, err)
			}
		}
	}
	want := []string{"docker.io/library/python:latest", "docker.io/me/model:1", "example.com/a:2"}
	if got := namesIn(t, s); !slices.Equal(got, want) {
		t.Errorf("%v; want %v", got, want)
	}
	if n := blobsIn(t, s); n != 5 { // a layer, two configurations, two manifests
		t.Errorf("%d blobs", n)
	}
	for _, name := range []string{"python", "me/model:1"} {
		if err := s.Remove(name); err != nil {
			t.Error(err)
		}
	}
	if n := blobsIn(t, s); n != 3 {
		t.Errorf("%d blobs after the first image went", n)
	}
	all, err := s.List()
	if err != nil || len(all) != 1 {
		t.Fatalf("%+v, %v", all, err)
	}
	if err := s.Remove(all[0].ID); err != nil {
		t.Error(err)
	}
	if err := s.Remove(all[0].ID); err == nil || !strings.Contains(err.Error(), "berth image list") {
		t.Errorf("removed twice: %v", err)
	}
	if n := blobsIn(t, s); n != 0 {
		t.Errorf("%d blobs of nobody", n)
	}
}

// TestImportAgain: a later image takes a name over, and what only the earlier one needed goes.
func TestImportAgain(t *testing.T) {
	s := open(t, t.TempDir())
	for _, layer := range []string{"first", "second"} {
		if _, err := s.Import(archiveOf(t, "manifest.json", `[{"Config":"c.json","RepoTags":["a:1"],"Layers":["l"]}]`, "c.json", configOf(layer),
			"l", layer)); err != nil {
			t.Fatal(err)
		}
	}
	all, err := s.List()
	if err != nil || len(all) != 1 || blobsIn(t, s) != 3 {
		t.Errorf("%+v, %v, %d blobs", all, err, blobsIn(t, s))
	}
	if _, err := os.Stat(filepath.Join(s.blobs(), strings.TrimPrefix(sum("second"), "sha256:"))); err != nil {
		t.Error(err)
	}
}

// TestArchivesOfEarlierVersions become images; one that cannot be read stays aside.
func TestArchivesOfEarlierVersions(t *testing.T) {
	dir := t.TempDir()
	text, err := os.ReadFile(archiveOf(t, "manifest.json", `[{"Config":"c","RepoTags":["a:1"]}]`, "c", configOf()))
	if err = errors.Join(err, os.WriteFile(filepath.Join(dir, "0123456789ab.tar"), text, 0o600),
		os.WriteFile(filepath.Join(dir, "damaged.tar"), []byte("no archive"), 0o600)); err != nil {
		t.Fatal(err)
	}
	s := open(t, dir)
	if err := s.TakeArchives(); err == nil || !strings.Contains(err.Error(), "the archive damaged of an earlier version") {
		t.Errorf("%v", err)
	}
	if got := namesIn(t, s); !slices.Equal(got, []string{"docker.io/library/a:1"}) {
		t.Errorf("%v", got)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*.tar*")); len(left) != 1 || filepath.Base(left[0]) != "damaged.tar.refused" {
		t.Errorf("%v", left)
	}
}

func TestImportRefused(t *testing.T) {
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte("no archive"), 0o600); err != nil {
		t.Fatal(err)
	}
	damaged := ociArchive("example.com/a:2")
	damaged[3] = "LAYER"
	lacks := ociArchive("example.com/a:2")
	lacks = slices.Delete(lacks, 2, 4)
	const one = `[{"Config":"c","RepoTags":["a"],"Layers":["l"]}]`
	for file, want := range map[string]string{
		text:                                    "docker save",
		archiveOf(t, "manifest.json", `[{}]`):   "No image in the archive has a name",
		archiveOf(t, "manifest.json", `[{"x":`): "is not an archive of images",
		archiveOf(t, "manifest.json", one, "l", "l", "c", `{"os":"linux","architecture":"s390x"}`): "is for linux/s390x",
		archiveOf(t, "manifest.json", one, "l", "l", "c", `{"os":"windows"}`):                      "is for windows/",
		archiveOf(t, "manifest.json", one, "l", "l"):                                               "its configuration",
		archiveOf(t, "manifest.json", one, "c", configOf("l")):                                     "its layer l is missing",
		archiveOf(t, "manifest.json", one, "c", configOf("l", "m"), "l", "l"):                      "has 2 layers",
		archiveOf(t, damaged...): "is damaged",
		archiveOf(t, lacks...):   "a blob of the image is not here",
	} {
		s := open(t, t.TempDir())
		if _, err := s.Import(file); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %q", err, want)
		}
		if got := namesIn(t, s); len(got) > 0 {
			t.Errorf("%v has a name", got)
		}
	}
}

// TestSweep: what a kill has left goes after a day, and what belongs to an image stays.
func TestSweep(t *testing.T) {
	s := open(t, t.TempDir())
	if _, err := s.Import(archiveOf(t, ociArchive("a:1")...)); err != nil {
		t.Fatal(err)
	}
	left := []string{filepath.Join(s.uploads(), "put-1"), filepath.Join(s.blobs(), strings.Repeat("ab", 32))}
	fresh := filepath.Join(s.uploads(), "put-2")
	for _, path := range append(left, fresh) {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	old := time.Now().Add(-2 * uploadLife)
	blobs, err := filepath.Glob(filepath.Join(s.blobs(), "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range append(blobs, left[0]) {
		if err := os.Chtimes(path, old, old); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Sweep(); err != nil {
		t.Fatal(err)
	}
	for _, path := range left {
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s stays: %v", path, err)
		}
	}
	if _, err := os.Stat(fresh); err != nil || blobsIn(t, s) != 3 {
		t.Errorf("%v, %d blobs", err, blobsIn(t, s))
	}
}
