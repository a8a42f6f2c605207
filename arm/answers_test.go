package arm_test

import (
	"net/http"
	"strconv"
	"sync"
	"testing"

	"berth.dev/berth/app/apptest"
)

// TestReadYourWrites: whoever has been told that a write is done reads it, or a later one, while others read all the time
// and answers are kept in memory.
func TestReadYourWrites(t *testing.T) {
	f := newFront(t)
	const turns = 60
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for last := -1; ; {
				select {
				case <-stop:
					return
				default:
				}
				n := turn(f.Do(http.MethodGet, f.workspace, nil))
				if n < last {
					t.Errorf("after turn %d comes turn %d", last, n)
				}
				last = n
			}
		})
	}
	for i := range turns {
		f.Want(http.StatusOK, f.Do(http.MethodPatch, f.workspace, object{"tags": object{"turn": strconv.Itoa(i)}}))
		if n := turn(f.Do(http.MethodGet, f.workspace, nil)); n != i {
			t.Fatalf("turn %d was accepted and turn %d is read", i, n)
		}
	}
	close(stop)
	readers.Wait()
}

// turn is what the workspace's tag says; -1 before there is one.
func turn(r *apptest.Response) int {
	n, err := strconv.Atoi(text(apptest.At(r.Body, "tags.turn")))
	if err != nil {
		return -1
	}
	return n
}

func text(v any) string {
	s, _ := v.(string)
	return s
}
