package blob_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"berth.dev/berth/blob"
	"berth.dev/berth/disk"
)

// bounded opens a store again, with a bound.
func (w *world) bounded(most int64) {
	w.settings.Max = most
	w.reopen()
}

func (w *world) takes(want int64) {
	w.t.Helper()
	if got := w.Used(); got != want {
		w.t.Errorf("the files take %d bytes; want %d", got, want)
	}
}

// TestBound: files take no more than they may, whichever way they come, and what goes gives its room back, also after the process ended.
func TestBound(t *testing.T) {
	places(t, func(t *testing.T, w *world) {
		w.bounded(1000)
		full := func(what string, err error) {
			t.Helper()
			var e *blob.FullError
			if !errors.As(err, &e) || e.Max != 1000 || !strings.Contains(err.Error(), "may take 1.0 kB (--files-max)") {
				t.Errorf("%s: %v", what, err)
			}
		}
		w.put("one", strings.Repeat("a", 400))
		w.put("same", strings.Repeat("a", 400)) // is kept once
		w.put("two", strings.Repeat("b", 300))
		w.takes(700)
		_, err := w.Put(t.Context(), at("three"), strings.NewReader(strings.Repeat("c", 301)), blob.Change{})
		full("a file too many", err)
		if _, err := w.Stat(t.Context(), at("three")); !errors.Is(err, blob.ErrNotFound) {
			t.Errorf("what was refused is there: %v", err)
		}
		full("what is announced", w.Fits(301))
		if err := w.Fits(300); err != nil {
			t.Error(err)
		}
		stage := func(id string, size int) error {
			return w.Stage(t.Context(), at("blocks"), []byte(id), strings.NewReader(strings.Repeat(id, size)))
		}
		for _, id := range []string{"x", "x", "y"} { // the first is replaced
			if err := stage(id, 70); err != nil {
				t.Fatal(err)
			}
		}
		full("a block too many", stage("z", 161))
		w.takes(840)
		w.reopen()
		w.takes(840)
		if _, err := w.Assemble(t.Context(), at("blocks"), [][]byte{[]byte("x"), []byte("y")}, blob.Change{}); err != nil {
			t.Fatal(err)
		}
		w.takes(840)
		if err := w.Delete(t.Context(), at("two"), nil); err != nil {
			t.Fatal(err)
		}
		if err := stage("left", 30); err != nil {
			t.Fatal(err)
		}
		w.clock.Advance(2 * time.Hour)
		w.collect(blob.Sweep{Rest: time.Hour, Uploads: time.Hour})
		w.takes(540)
		w.put("four", strings.Repeat("d", 460))
		w.reopen()
		w.takes(1000)
	})
}

// TestSpare: an upload leaves free of the disk what it must.
func TestSpare(t *testing.T) {
	w := open(t, false)
	_, all, err := disk.Free(w.settings.Folder)
	if err != nil {
		t.Skip(err)
	}
	w.settings.Spare = all
	w.reopen()
	_, err = w.Put(t.Context(), at("one"), strings.NewReader("a"), blob.Change{})
	var full *blob.FullError
	if !errors.As(err, &full) || full.Left != all || !strings.Contains(err.Error(), "the disk of this server has") {
		t.Errorf("%v", err)
	}
	w.takes(0)
}

// TestCollectLeavesWhatIsReferredTo: a name that was read a moment ago stays, although nothing refers to it yet.
func TestCollectLeavesWhatIsReferredTo(t *testing.T) {
	places(t, func(t *testing.T, w *world) {
		for _, name := range []string{"a/stat", "a/get", "b/listed", "c/idle"} {
			w.put(name, name)
		}
		w.clock.Advance(24 * time.Hour)
		if _, err := w.Stat(t.Context(), at("a/stat")); err != nil {
			t.Fatal(err)
		}
		w.content("a/get")
		if _, err := w.List(t.Context(), "work", blob.Query{Prefix: "b/"}); err != nil {
			t.Fatal(err)
		}
		w.clock.Advance(59 * time.Minute)
		sweep := blob.Sweep{Rest: time.Hour, Uploads: time.Hour, Keep: func(blob.At, blob.Info) bool { return false }}
		if swept := w.collect(sweep); swept != (blob.Swept{Names: 1, Contents: 1}) {
			t.Errorf("it removed %+v", swept)
		}
		w.clock.Advance(2 * time.Minute)
		if swept := w.collect(sweep); swept != (blob.Swept{Names: 3, Contents: 3}) {
			t.Errorf("an hour after they were read it removed %+v", swept)
		}
	})
}
