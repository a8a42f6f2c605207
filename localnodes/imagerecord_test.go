package main

import (
	"path/filepath"
	"reflect"
	"testing"
)

// TestImageRecord: what one run writes down the next one reads; a name belongs to the file that came last, and what failed is tried again.
func TestImageRecord(t *testing.T) {
	var r imageRecord
	path := filepath.Join(t.TempDir(), imagesFile)
	r.load(path)
	for _, step := range []struct {
		file string
		is   imageFile
	}{
		{"a", imageFile{Stamp: "1", Images: map[string]string{"x": "sha256:1", "y": "sha256:2"}}},
		{"b", imageFile{Stamp: "2", Images: map[string]string{"x": "sha256:3"}}},
		{"c", imageFile{Stamp: "3", Failed: true}},
		{"d", imageFile{Stamp: "4"}},
	} {
		if err := r.set(step.file, step.is); err != nil {
			t.Fatal(err)
		}
	}
	if f, there := r.file("c"); !there || f.Stamp != "3" {
		t.Errorf("what failed is tried again at once: %+v", f)
	}
	if err := r.remove("d"); err != nil {
		t.Fatal(err)
	}
	var next imageRecord
	next.load(path)
	want := map[string]imageFile{"a": {Stamp: "1", Images: map[string]string{"y": "sha256:2"}}, "b": {Stamp: "2",
		Images: map[string]string{"x": "sha256:3"}}}
	if got := next.all(); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v; want %+v", got, want)
	}
}
