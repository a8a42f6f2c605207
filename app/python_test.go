package app_test

import (
	"archive/tar"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"berth.dev/berth/app"
)

// TestImportedPython: models are served in the image of Python with the lowest version, so that importing another one changes nothing.
func TestImportedPython(t *testing.T) {
	dir := t.TempDir()
	for _, step := range []struct{ name, want string }{
		{"", ""}, {"example.com/python:3.9", ""}, {"berth.dev/python:3.13", "berth.dev/python:3.13"},
		{"berth.dev/python:3.14", "berth.dev/python:3.13"}, {"berth.dev/python:3.9", "berth.dev/python:3.9"},
	} {
		if step.name != "" {
			if _, err := app.ImportImage(dir, archiveOf(t, step.name)); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := app.ImportedPython(dir); err != nil || got != step.want {
			t.Errorf("after %q: %q, %v; want %q", step.name, got, err, step.want)
		}
	}
}

// archiveOf is an archive of an image without layers.
func archiveOf(t *testing.T, name string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "image.tar")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	to := tar.NewWriter(f)
	manifest := fmt.Sprintf(`[{"Config":"c.json","RepoTags":[%q]}]`, name)
	for _, part := range [][2]string{{"c.json", `{"os":"linux"}`}, {"manifest.json", manifest}} {
		if err := to.WriteHeader(&tar.Header{Name: part[0], Mode: 0o600, Size: int64(len(part[1]))}); err != nil {
			t.Fatal(err)
		}
		if _, err := to.Write([]byte(part[1])); err != nil {
			t.Fatal(err)
		}
	}
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
	return file
}
