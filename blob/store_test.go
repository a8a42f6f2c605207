package blob_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"

	"berth.dev/berth/blob"
)

// world is a store with one container, in a folder or in a bucket.
type world struct {
	*blob.Store
	t        *testing.T
	settings blob.Settings
	clock    *clockwork.FakeClock
	objects  string // the folder of the objects
}

// places opens a store in a folder of its own and in a bucket, and runs a test with each.
func places(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()
	for name, bucket := range map[string]bool{"folder": false, "bucket": true} {
		t.Run(name, func(t *testing.T) { test(t, open(t, bucket)) })
	}
}

func open(t *testing.T, bucket bool) *world {
	t.Helper()
	// The clock begins now, because a file system dates content by its own.
	w := &world{t: t, clock: clockwork.NewFakeClockAt(time.Now())}
	w.settings = blob.Settings{Folder: t.TempDir(), Clock: w.clock}
	w.objects = filepath.Join(w.settings.Folder, "files")
	if bucket {
		w.objects = t.TempDir()
		w.settings.Bucket = "file://" + filepath.ToSlash(w.objects) + "?metadata=skip"
	}
	w.reopen()
	if _, made, err := w.CreateContainer(t.Context(), "work", nil); err != nil || !made {
		t.Fatalf("creating the container: %v, %v", made, err)
	}
	return w
}

// reopen is what a new process does.
func (w *world) reopen() {
	w.t.Helper()
	store, err := blob.Open(w.t.Context(), w.settings)
	if err != nil {
		w.t.Fatal(err)
	}
	w.Store = store
	w.t.Cleanup(func() { _ = store.Close() })
}

func at(name string) blob.At { return blob.At{Container: "work", Name: name} }

func (w *world) put(name, content string) blob.Info {
	w.t.Helper()
	info, err := w.Put(w.t.Context(), at(name), strings.NewReader(content), blob.Change{})
	if err != nil {
		w.t.Fatalf("putting %q: %v", name, err)
	}
	return info
}

func (w *world) content(name string) string {
	w.t.Helper()
	_, r, err := w.Get(w.t.Context(), at(name), blob.Whole)
	if err != nil {
		w.t.Fatalf("getting %q: %v", name, err)
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	if err != nil {
		w.t.Fatalf("reading %q: %v", name, err)
	}
	return string(data)
}

// contents counts the objects with content.
func (w *world) contents() (n int) { return count(w.t, filepath.Join(w.objects, "content")) }

func count(t *testing.T, folder string) (n int) {
	t.Helper()
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && !strings.HasSuffix(path, ".attrs") {
			n++
		}
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return n
}

func TestPutAndGet(t *testing.T) {
	places(t, func(t *testing.T, w *world) {
		sum := sha256.Sum256([]byte("weights"))
		first := w.put("models/a.pkl", "weights")
		if first.Digest != hex.EncodeToString(sum[:]) || first.Size != 7 || len(first.MD5) != 16 || first.ETag == "" {
			t.Errorf("the file is described as %+v", first)
		}
		w.put("models/b.pkl", "weights")
		w.put("empty", "")
		if n := w.contents(); n != 2 {
			t.Errorf("%d contents for two that differ", n)
		}
		w.clock.Advance(time.Minute)
		second := w.put("models/a.pkl", "other weights")
		if second.ETag == first.ETag || !second.Created.Equal(first.Created) || !second.Modified.After(first.Modified) {
			t.Errorf("the file was %+v and is %+v", first, second)
		}
		w.reopen()
		for name, want := range map[string]string{"models/a.pkl": "other weights", "models/b.pkl": "weights", "empty": ""} {
			if got := w.content(name); got != want {
				t.Errorf("%s has %q", name, got)
			}
		}
		_, r, err := w.Get(t.Context(), at("models/a.pkl"), blob.Span{Offset: 6, Length: 3})
		if err != nil {
			t.Fatal(err)
		}
		if data, _ := io.ReadAll(r); string(data) != "wei" {
			t.Errorf("the range has %q", data)
		}
		r.Close()
		r, err = w.Content(t.Context(), first.Digest, blob.Whole)
		if err != nil {
			t.Fatal(err)
		}
		if data, _ := io.ReadAll(r); string(data) != "weights" {
			t.Errorf("the content by its digest is %q", data)
		}
		r.Close()
	})
}

func TestPutRefused(t *testing.T) {
	places(t, func(t *testing.T, w *world) {
		w.put("model", "old")
		broken := errors.New("the connection broke")
		refused := errors.New("not now")
		for name, c := range map[string]struct {
			at     blob.At
			body   io.Reader
			change blob.Change
			want   error
		}{
			"a reader that breaks": {at("model"), io.MultiReader(strings.NewReader("half"), &failing{broken}), blob.Change{}, broken},
			"not allowed": {at("model"), strings.NewReader("new"), blob.Change{Allow: func(now *blob.Info) error {
				if now == nil || now.Size != 3 {
					t.Errorf("asked about %+v", now)
				}
				return refused
			}}, refused},
			"another MD5": {at("model"), strings.NewReader("new"),
				blob.Change{Properties: blob.Properties{MD5: make([]byte, 16)}}, blob.ErrMD5},
			"no container": {blob.At{Container: "none", Name: "model"}, strings.NewReader("new"), blob.Change{}, blob.ErrNoContainer},
		} {
			if _, err := w.Put(t.Context(), c.at, c.body, c.change); !errors.Is(err, c.want) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if got := w.content("model"); got != "old" {
			t.Errorf("the file has %q", got)
		}
		if n := count(t, filepath.Join(w.settings.Folder, "arriving")); n != 0 {
			t.Errorf("%d files stayed where content arrives", n)
		}
	})
}

type failing struct{ err error }

func (f *failing) Read([]byte) (int, error) { return 0, f.err }

func TestUpdateAndDelete(t *testing.T) {
	places(t, func(t *testing.T, w *world) {
		first := w.put("model", "weights")
		second, err := w.Update(t.Context(), at("model"), func(now *blob.Info) error {
			now.Metadata = map[string]string{"version": "1"}
			return nil
		})
		if err != nil || second.ETag == first.ETag || second.Digest != first.Digest {
			t.Fatalf("updated: %+v, %v", second, err)
		}
		if got, err := w.Stat(t.Context(), at("model")); err != nil || got.Metadata["version"] != "1" {
			t.Errorf("found %+v, %v", got, err)
		}
		refused := errors.New("not now")
		if err := w.Delete(t.Context(), at("model"), func(*blob.Info) error { return refused }); !errors.Is(err, refused) {
			t.Errorf("deleted: %v", err)
		}
		if err := w.Delete(t.Context(), at("model"), nil); err != nil {
			t.Errorf("deleted: %v", err)
		}
		for name, err := range map[string]error{
			"stat":   second2(w.Stat(t.Context(), at("model"))),
			"delete": w.Delete(t.Context(), at("model"), nil),
			"update": second2(w.Update(t.Context(), at("model"), func(*blob.Info) error { return nil })),
		} {
			if !errors.Is(err, blob.ErrNotFound) {
				t.Errorf("%s of a deleted file: %v", name, err)
			}
		}
	})
}

func second2(_ blob.Info, err error) error { return err }

func TestContainers(t *testing.T) {
	places(t, func(t *testing.T, w *world) {
		for _, name := range []string{"", "ab", "-ab", "ab-", "a--b", "Abc", "a_b", "a.b", "../x", "a/b", strings.Repeat("a", 64), "$root"} {
			if _, _, err := w.CreateContainer(t.Context(), name, nil); !errors.Is(err, blob.ErrName) {
				t.Errorf("a container named %q: %v", name, err)
			}
		}
		w.put("model", "weights")
		if _, made, err := w.CreateContainer(t.Context(), "work", nil); err != nil || made {
			t.Errorf("made again: %v, %v", made, err)
		}
		if _, _, err := w.CreateContainer(t.Context(), "abc", map[string]string{"of": "x"}); err != nil {
			t.Error(err)
		}
		all, err := w.Containers(t.Context())
		if err != nil || len(all) != 2 || all[0].Name != "abc" || all[0].Metadata["of"] != "x" || all[1].Name != "work" {
			t.Errorf("the containers are %+v, %v", all, err)
		}
		if err := w.DeleteContainer(t.Context(), "work"); err != nil {
			t.Fatal(err)
		}
		if _, err := w.List(t.Context(), "work", blob.Query{}); !errors.Is(err, blob.ErrNoContainer) {
			t.Errorf("listing a deleted container: %v", err)
		}
		if _, _, err := w.CreateContainer(t.Context(), "work", nil); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Stat(t.Context(), at("model")); !errors.Is(err, blob.ErrNotFound) {
			t.Errorf("a file came back with its container: %v", err)
		}
	})
}

func TestBlocks(t *testing.T) {
	places(t, func(t *testing.T, w *world) {
		ids := [][]byte{[]byte("block-1"), []byte("block-2"), bytes.Repeat([]byte{0xff}, blob.MaxBlockID)}
		var all sync.WaitGroup
		for i, id := range ids {
			all.Go(func() {
				if err := w.Stage(t.Context(), at("big"), id, strings.NewReader(fmt.Sprint(i, i, i))); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		w.reopen() // the server starts again in the middle of an upload
		if _, err := w.Stat(t.Context(), at("big")); !errors.Is(err, blob.ErrNotFound) {
			t.Errorf("blocks alone are a file: %v", err)
		}
		staged, err := w.Blocks(at("big"))
		if err != nil || len(staged) != 3 || staged[0].Size != 5 || string(staged[0].ID) != "block-1" {
			t.Errorf("the blocks are %+v, %v", staged, err)
		}
		if _, err := w.Assemble(t.Context(), at("big"), [][]byte{ids[0], []byte("other")}, blob.Change{}); !errors.Is(err, blob.ErrNoBlock) {
			t.Errorf("a block that was not uploaded: %v", err)
		}
		order := [][]byte{ids[2], ids[0], ids[0], ids[1]}
		for range 2 { // the second time is a client that has lost the answer
			if _, err := w.Assemble(t.Context(), at("big"), order, blob.Change{}); err != nil {
				t.Fatal(err)
			}
			if got := w.content("big"); got != "2 2 20 0 00 0 01 1 1" {
				t.Errorf("the file has %q", got)
			}
		}
		if _, err := w.Assemble(t.Context(), at("big"), ids, blob.Change{}); !errors.Is(err, blob.ErrNoBlock) {
			t.Errorf("the blocks of a file that is made, in another order: %v", err)
		}
		if staged, err := w.Blocks(at("big")); err != nil || len(staged) != 0 {
			t.Errorf("blocks stayed: %v, %v", staged, err)
		}
		if err := w.Stage(t.Context(), at("big"), make([]byte, blob.MaxBlockID+1), strings.NewReader("")); !errors.Is(err, blob.ErrName) {
			t.Errorf("a long id: %v", err)
		}
		if n := count(t, filepath.Join(w.settings.Folder, "arriving")); n != 0 {
			t.Errorf("%d files stayed where content arrives", n)
		}
	})
}

// TestBlocksOfAnotherBoot: the machine has started again since the blocks came, so perhaps they are not whole.
func TestBlocksOfAnotherBoot(t *testing.T) {
	w := open(t, false)
	if err := w.Stage(t.Context(), at("big"), []byte("1"), strings.NewReader("block")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(w.settings.Folder, "boot"), []byte("before"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		w.reopen()
		if staged, err := w.Blocks(at("big")); err != nil || len(staged) != 0 {
			t.Errorf("the blocks are %v, %v", staged, err)
		}
	}
}

func TestDamagedRecord(t *testing.T) {
	w := open(t, false)
	w.put("model", "weights")
	err := filepath.WalkDir(filepath.Join(w.objects, "names"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		return os.WriteFile(path, []byte(`{"sha256":"../../secret"}`), 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Stat(t.Context(), at("model")); err == nil || errors.Is(err, blob.ErrNotFound) {
		t.Errorf("a damaged record: %v", err)
	}
	// A sweep that cannot read a record does not know what is used, so it removes nothing.
	w.clock.Advance(time.Hour)
	if swept, err := w.Collect(t.Context(), blob.Sweep{Rest: time.Minute}); err == nil || swept.Contents != 0 {
		t.Errorf("swept %+v, %v", swept, err)
	}
}

func names(page blob.Page) (all []string) {
	for _, info := range page.Files {
		all = append(all, info.Name)
	}
	return all
}

// everything lists with all pages.
func (w *world) everything(q blob.Query) (files, prefixes []string) {
	w.t.Helper()
	for {
		page, err := w.List(context.WithoutCancel(w.t.Context()), "work", q)
		if err != nil {
			w.t.Fatal(err)
		}
		if n := len(page.Files) + len(page.Prefixes); q.Max > 0 && n > q.Max || n == 0 && page.Next != "" {
			w.t.Fatalf("a page has %d entries", n)
		}
		files, prefixes = append(files, names(page)...), append(prefixes, page.Prefixes...)
		if q.Marker = page.Next; q.Marker == "" {
			return files, prefixes
		}
	}
}

func sorted(all []string) []string {
	all = slices.Clone(all)
	slices.Sort(all)
	return all
}
