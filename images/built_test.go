package images

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestTake: an archive of somebody who is not trusted gives its image the one name that is expected, and no other.
func TestTake(t *testing.T) {
	s := open(t, t.TempDir())
	take := func(name string, files ...string) error {
		t.Helper()
		f, err := os.Open(archiveOf(t, files...))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = f.Close() }()
		return s.Take(name, f)
	}
	const name = BuiltPrefix + "a:1"
	two := append(ociArchive("berth.dev/python:3.11"), "manifest.json", `[{"Config":"c","RepoTags":["`+name+`"],"Layers":["l"]},
		{"Config":"c","RepoTags":["berth.dev/python:3.11"],"Layers":["l"]}]`, "c", configOf("layer"), "l", "layer")
	for what, files := range map[string][]string{"another name": ociArchive("berth.dev/python:3.11"), "one name more": two,
		"no image": {"a", "b"}} {
		if err := take(name, files...); err == nil {
			t.Errorf("%s: it was taken", what)
		}
	}
	if all, err := s.List(); err != nil || len(all) != 0 {
		t.Errorf("%v, %v", all, err)
	}
	if err := take(name, ociArchive(name)...); err != nil {
		t.Error(err)
	}
	if there, err := s.Has(name); err != nil || !there {
		t.Errorf("%t, %v", there, err)
	}
	if there, err := s.Has(BuiltPrefix + "b:1"); err != nil || there {
		t.Errorf("%t, %v", there, err)
	}
	if err := (registry{store: s}).writable("built/a", "1"); err == nil || !strings.Contains(err.Error(), "name of an image of Berth") {
		t.Errorf("a client may push it: %v", err)
	}
	if left, err := os.ReadDir(s.uploads()); err != nil || len(left) != 0 {
		t.Errorf("%d files stay, %v", len(left), err)
	}
}

// TestKeepProgram: the image of a program is made once, and anew when the program is another one.
func TestKeepProgram(t *testing.T) {
	s, program := open(t, t.TempDir()), filepath.Join(t.TempDir(), "berth-build")
	var digests []string
	for _, text := range []string{"one", "one", "another"} {
		if err := os.WriteFile(program, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := s.KeepProgram("berth.dev/build:1", program); err != nil {
			t.Fatal(err)
		}
		all, err := s.List()
		if err != nil || len(all) != 1 || all[0].Names[0] != "berth.dev/build:1" {
			t.Fatalf("%+v, %v", all, err)
		}
		digests = append(digests, all[0].Digest)
	}
	if digests[0] != digests[1] || digests[1] == digests[2] {
		t.Errorf("%v", digests)
	}
}
