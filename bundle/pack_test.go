package bundle_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"berth.dev/berth/bundle"
)

// packed are files with the contents that the test gives them.
type packed struct {
	contents map[string][]byte
	files    []bundle.File
}

func (p *packed) add(path string, content []byte) {
	name := digest(content)
	p.contents[name] = content
	p.files = append(p.files, bundle.File{Path: path, Digest: name, Size: int64(len(content))})
}

func (p *packed) open(_ context.Context, digest string, offset int64) (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader(p.contents[digest][offset:])), nil
}

func someFiles(many int) *packed {
	p := &packed{contents: map[string][]byte{}}
	for i := range many {
		p.add(fmt.Sprintf("models/m/1/%d/%d.bin", i%100, i), []byte(strings.Repeat(fmt.Sprint(i), i%300)))
	}
	p.add("PK/"+strings.Repeat("long/", 60)+"이름.txt", []byte("a long name"))
	return p
}

// TestPack: 20,000 small files come as a few archives, always the same, which can be read from any byte on.
func TestPack(t *testing.T) {
	p := someFiles(19_999)
	p.add("big", make([]byte, 2<<20))
	list, packs, err := bundle.PackSmall(t.Context(), p.files, p.open)
	if err != nil || len(list) != len(packs)+1 || len(packs) > 10 {
		t.Fatalf("%d files, %d of them archives: %v", len(list), len(packs), err)
	}
	again, _, err := bundle.PackSmall(t.Context(), p.files, p.open)
	if err != nil || fmt.Sprint(again) != fmt.Sprint(list) {
		t.Errorf("packed again they are others: %v", err)
	}
	found := 0
	for _, f := range list {
		whole := read(t, packs.Open(p.open), bundle.Part{Digest: f.Digest}, f.Size)
		if digest(whole) != f.Digest {
			t.Errorf("%s does not have its digest", f.Path)
		}
		for _, offset := range []int64{1, 511, 512, 1024, 1500, 4097, f.Size / 2, f.Size - 1, f.Size} {
			part := read(t, packs.Open(p.open), bundle.Part{Digest: f.Digest, Offset: offset}, min(5000, f.Size-offset))
			if !bytes.HasPrefix(whole[offset:], part) {
				t.Errorf("from byte %d on %s is another", offset, f.Path)
			}
		}
		for r := tar.NewReader(bytes.NewReader(whole)); f.Unpack; {
			h, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if h.Typeflag == tar.TypeReg {
				found++
			}
		}
	}
	if found != 20_000 {
		t.Errorf("the archives have %d files", found)
	}
	few, none, err := bundle.PackSmall(t.Context(), p.files[:100], p.open)
	if err != nil || len(none) != 0 || len(few) != 100 {
		t.Errorf("few files are packed: %d, %d, %v", len(few), len(none), err)
	}
}

// TestPackArrives: packed files come to where they would have come one by one.
func TestPackArrives(t *testing.T) {
	p := someFiles(600)
	list, packs, err := bundle.PackSmall(t.Context(), p.files, p.open)
	if err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	s := serve(t, t.TempDir())
	whole := read(t, packs.Open(p.open), bundle.Part{Digest: list[0].Digest}, list[0].Size)
	if status := put(t, s, list[0].Digest, 0, len(whole), whole); status != http.StatusOK {
		t.Fatal(status)
	}
	dir := t.TempDir()
	if err := bundle.Fetch(t.Context(), &bundle.List{From: s.URL, Files: list}, dir); err != nil {
		t.Fatal(err)
	}
	for _, f := range p.files {
		got, err := os.ReadFile(filepath.Join(dir, f.Path))
		if err != nil || !bytes.Equal(got, p.contents[f.Digest]) {
			t.Fatalf("%s has %d bytes: %v", f.Path, len(got), err)
		}
	}
}

// read reads so many bytes of a file.
func read(t *testing.T, open bundle.Open, from bundle.Part, n int64) []byte {
	t.Helper()
	r, err := open(t.Context(), from.Digest, from.Offset)
	if err != nil {
		t.Fatal(err)
	}
	all := make([]byte, n)
	_, err = io.ReadFull(r, all)
	if err = errors.Join(err, r.Close()); err != nil {
		t.Fatal(err)
	}
	return all
}

// TestPackOfShortFile: a file with fewer bytes than it should have makes no archive.
func TestPackOfShortFile(t *testing.T) {
	var files []bundle.File
	for i := range 600 {
		files = append(files, bundle.File{Path: fmt.Sprint(i), Digest: digest([]byte("abc")), Size: 4})
	}
	open := func(context.Context, string, int64) (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader("abc")), nil
	}
	if _, _, err := bundle.PackSmall(t.Context(), files, open); err == nil {
		t.Error("it was packed")
	}
}
