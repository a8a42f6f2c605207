package blob_test

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"berth.dev/berth/blob"
)

// odd are names that file systems, URLs or lists could mistake for others.
var odd = []string{"a", "A", "a/b", "a//b", "a/", "a.b", "a-b", "a b", "a!", "a%2fb", "a%2e%2e", "%2e%2e/a", "..a", "a..", "...", ".a",
	"a.attrs", "a.tmp", "a__0x2f__b", "con", "nul.txt", "a:b", "a*?\"<>|", "~", "$", "\u00e9", "e\u0301", "모델/가중치.pkl", "🚢", "a/b/c/d",
	"a/b.c",
	strings.Repeat("x", 31), strings.Repeat("x", 32), strings.Repeat("x", 33), strings.Repeat("x", 64), strings.Repeat("x", 32) + "/y",
	strings.Repeat("y", 96), strings.Repeat("y", 96) + "z"}

func TestNames(t *testing.T) {
	places(t, func(t *testing.T, w *world) {
		longest := 1024
		if w.settings.Bucket != "" {
			longest = 450
		}
		all := append(slices.Clone(odd), strings.Repeat("z", longest), strings.Repeat("a/", 200)+"b")
		for i, name := range all {
			w.put(name, fmt.Sprint("content ", i))
		}
		for i, name := range all {
			if got := w.content(name); got != fmt.Sprint("content ", i) {
				t.Errorf("%q has %q", name, got)
			}
		}
		for _, max := range []int{0, 1, 3, 10} {
			if files, _ := w.everything(blob.Query{Max: max}); !slices.Equal(files, sorted(all)) {
				t.Errorf("in pages of %d: %q\nwant %q", max, files, sorted(all))
			}
		}
		for _, prefix := range append(slices.Clone(all), "x", strings.Repeat("x", 30), strings.Repeat("x", 63), "모", "\xeb", "none", "..", "") {
			for _, delimiter := range []string{"", "/", "x", "//"} {
				for _, max := range []int{0, 2} {
					files, prefixes := w.everything(blob.Query{Prefix: prefix, Delimiter: delimiter, Max: max})
					wantFiles, wantPrefixes := listed(all, prefix, delimiter)
					if !slices.Equal(files, wantFiles) || !slices.Equal(prefixes, wantPrefixes) {
						t.Errorf("prefix %q, delimiter %q, in pages of %d: %q and %q\nwant %q and %q",
							prefix, delimiter, max, files, prefixes, wantFiles, wantPrefixes)
					}
				}
			}
		}
	})
}

// listed is what a list is to have.
func listed(all []string, prefix, delimiter string) (files, prefixes []string) {
	for _, name := range sorted(all) {
		rest, ok := strings.CutPrefix(name, prefix)
		if !ok {
			continue
		}
		if i := strings.Index(rest, delimiter); delimiter != "" && i >= 0 {
			prefixes = append(prefixes, prefix+rest[:i]+delimiter)
		} else {
			files = append(files, name)
		}
	}
	return files, slices.Compact(prefixes)
}

func TestNamesRefused(t *testing.T) {
	places(t, func(t *testing.T, w *world) {
		for _, name := range []string{"", ".", "..", "../a", "a/../b", "a/..", "./a", "a/.", "a/./b", "/a", "//a", `a\b`, `..\a`,
			"a\x00b", "a\nb", "a\x7fb", "a\u0085b", "a\uFFFEb", "\xff", strings.Repeat("a", 1025), strings.Repeat("a/", 254) + "b"} {
			_, put := w.Put(t.Context(), at(name), strings.NewReader("x"), blob.Change{})
			_, stat := w.Stat(t.Context(), at(name))
			stage := w.Stage(t.Context(), at(name), []byte("1"), strings.NewReader("x"))
			if !errors.Is(put, blob.ErrName) || !errors.Is(stat, blob.ErrName) || !errors.Is(stage, blob.ErrName) {
				t.Errorf("%q: %v, %v, %v", name, put, stat, stage)
			}
		}
		for _, container := range []string{"..", "work/..", "../work", "", "wor", "WORK"} {
			where := blob.At{Container: container, Name: "a"}
			if _, err := w.Put(t.Context(), where, strings.NewReader("x"), blob.Change{}); err == nil {
				t.Errorf("there is a container %q", container)
			}
		}
		if _, err := w.List(t.Context(), "work", blob.Query{Marker: "../../x"}); !errors.Is(err, blob.ErrMarker) {
			t.Errorf("a marker that no list gave: %v", err)
		}
		for _, digest := range []string{"", "..", "../../../etc/passwd", strings.Repeat("A", 64), strings.Repeat("a", 63)} {
			if _, err := w.Content(t.Context(), digest, blob.Whole); !errors.Is(err, blob.ErrNotFound) {
				t.Errorf("content %q: %v", digest, err)
			}
		}
	})
}

// FuzzName puts files with any names: each is refused, or found again, alone, under its own name and inside of the folder.
func FuzzName(f *testing.F) {
	for _, name := range append(slices.Clone(odd), "../a", "a\x00", "/a", "\xff", strings.Repeat("a/", 300)) {
		f.Add(name, name[:len(name)/2])
	}
	f.Fuzz(func(t *testing.T, name, prefix string) {
		w := open(t, false)
		if _, err := w.Put(t.Context(), at(name), strings.NewReader(name), blob.Change{}); err != nil {
			if !errors.Is(err, blob.ErrName) {
				t.Fatalf("%q: %v", name, err)
			}
			if n := w.contents(); n != 0 {
				t.Fatalf("%q was refused and left %d contents", name, n)
			}
			return
		}
		if got := w.content(name); got != name {
			t.Fatalf("%q has %q", name, got)
		}
		files, _ := w.everything(blob.Query{Prefix: prefix})
		if strings.HasPrefix(name, prefix) != slices.Equal(files, []string{name}) {
			t.Fatalf("the files that begin with %q are %q", prefix, files)
		}
		err := filepath.WalkDir(w.settings.Folder, func(path string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() && strings.Trim(filepath.Base(path), "0123456789abcdef!") != "" && filepath.Base(path) != "work" &&
				filepath.Base(path) != "boot" {
				t.Errorf("%q made %s", name, path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}
