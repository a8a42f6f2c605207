package blob_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"berth.dev/berth/blob"
)

func (w *world) collect(sweep blob.Sweep) blob.Swept {
	w.t.Helper()
	swept, err := w.Collect(context.WithoutCancel(w.t.Context()), sweep)
	if err != nil {
		w.t.Fatal(err)
	}
	return swept
}

func TestCollect(t *testing.T) {
	places(t, func(t *testing.T, w *world) {
		hour := blob.Sweep{Rest: time.Hour, Uploads: time.Hour, Keep: func(at blob.At, _ blob.Info) bool {
			return !strings.HasPrefix(at.Name, "tmp/")
		}}
		w.put("model", "weights")
		w.put("tmp/copy", "weights")
		w.put("tmp/other", "other")
		w.put("changed", "before")
		w.put("changed", "after")
		w.put("deleted", "deleted")
		if err := w.Delete(t.Context(), at("deleted"), nil); err != nil {
			t.Fatal(err)
		}
		if err := w.Stage(t.Context(), at("big"), []byte("1"), strings.NewReader("block")); err != nil {
			t.Fatal(err)
		}
		if swept := w.collect(hour); swept != (blob.Swept{}) {
			t.Errorf("at once it removed %+v", swept)
		}
		w.clock.Advance(2 * time.Hour)
		w.put("late", "before") // uses content that nothing used
		if swept := w.collect(hour); swept != (blob.Swept{Names: 2, Contents: 2, Blocks: 1}) {
			t.Errorf("after two hours it removed %+v", swept)
		}
		for name, want := range map[string]string{"model": "weights", "changed": "after", "late": "before"} {
			if got := w.content(name); got != want {
				t.Errorf("%s has %q", name, got)
			}
		}
		if _, err := w.Stat(t.Context(), at("tmp/copy")); !errors.Is(err, blob.ErrNotFound) {
			t.Errorf("tmp/copy: %v", err)
		}
		w.clock.Advance(2 * time.Hour)
		if swept := w.collect(hour); swept != (blob.Swept{}) || w.contents() != 3 {
			t.Errorf("the third time it removed %+v of 3 contents", swept)
		}
	})
}

// TestCollectWhileFilesChange sweeps while files are written over and over, by a clock for which everything is old at once: each file
// must be readable after each write. Its content is perhaps what a sweep has just taken.
func TestCollectWhileFilesChange(t *testing.T) {
	places(t, func(t *testing.T, w *world) {
		done := make(chan struct{})
		var writers, sweeper sync.WaitGroup
		sweeper.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					w.clock.Advance(2 * time.Hour)
					w.collect(blob.Sweep{Rest: time.Hour, Uploads: time.Hour})
				}
			}
		})
		for writer := range 3 {
			writers.Go(func() {
				for i := range 25 {
					name, want := fmt.Sprint("file-", writer), fmt.Sprint("content ", i%3)
					_, err := w.Put(t.Context(), at(name), strings.NewReader(want), blob.Change{})
					if err != nil {
						t.Errorf("putting %s: %v", name, err)
						return
					}
					_, r, err := w.Get(t.Context(), at(name), blob.Whole)
					if err != nil {
						t.Errorf("getting %s: %v", name, err)
						return
					}
					if data, err := io.ReadAll(r); err != nil || string(data) != want {
						t.Errorf("%s has %q, %v; want %q", name, data, err, want)
					}
					r.Close()
				}
			})
		}
		writers.Wait()
		close(done)
		sweeper.Wait()
	})
}
