package local

import (
	"archive/tar"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// archive writes an archive with these files and returns its path.
func archive(t *testing.T, files ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "image.tar")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	w := tar.NewWriter(f)
	for i := 0; i < len(files); i += 2 {
		if err := w.WriteHeader(&tar.Header{Name: files[i], Mode: 0o644, Size: int64(len(files[i+1])), Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(files[i+1])); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestImages(t *testing.T) {
	dir := t.TempDir()
	docker := archive(t, "manifest.json", `[{"Config":"c.json","RepoTags":["python","me/model:1"]}]`, "c.json", `{"os":"linux"}`)
	oci := archive(t, "oci-layout", `{}`, "index.json", `{"manifests":[{"annotations":{"io.containerd.image.name":"example.com/a:2"}}]}`)
	for range 2 { // the same content is there once
		for _, file := range []string{docker, oci} {
			if _, err := ImportImage(dir, file); err != nil {
				t.Fatal(err)
			}
		}
	}
	var names []string
	all, err := ListImages(dir)
	for _, image := range all {
		names = append(names, image.Names...)
	}
	slices.Sort(names)
	want := []string{"docker.io/library/python:latest", "docker.io/me/model:1", "example.com/a:2"}
	if err != nil || len(all) != 2 || !slices.Equal(names, want) {
		t.Fatalf("%+v, %v", all, err)
	}
	if err := RemoveImage(dir, "python"); err != nil {
		t.Error(err)
	}
	if err := RemoveImage(dir, "python"); err == nil || !strings.Contains(err.Error(), "berth image list") {
		t.Errorf("removed twice: %v", err)
	}
	if all, err = ListImages(dir); err != nil || len(all) != 1 {
		t.Errorf("%+v, %v", all, err)
	}
}

func TestImagesRefused(t *testing.T) {
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte("no archive"), 0o600); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{
		text:                                 "docker save",
		archive(t, "manifest.json", `[{}]`):  "No image in the archive has a name",
		archive(t, "manifest.json", `{"x":`): "is not an archive of images",
		archive(t, "manifest.json", `[{"Config":"c","RepoTags":["a"]}]`, "c", `{"os":"linux","architecture":"s390x"}`): "is for linux/s390x",
		archive(t, "manifest.json", `[{"Config":"c","RepoTags":["a"]}]`, "c", `{"os":"windows"}`):                      "is for windows/",
	} {
		dir := t.TempDir()
		if _, err := ImportImage(dir, file); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %q", err, want)
		}
		if left, _ := filepath.Glob(filepath.Join(dir, ImagesFolder, "*")); len(left) > 0 {
			t.Errorf("%v stay", left)
		}
	}
}
