package studio

import (
	"fmt"
	"net/http"
	"sync"
	"time"
)

const (
	// gather is how long changes are gathered before pages are notified, because a scale-out writes many rows at once.
	gather = 50 * time.Millisecond
	// pulse keeps proxies from closing an idle stream, and ends the stream when its session has ended.
	pulse = 20 * time.Second
)

// feed notifies all open pages that something has changed. It does not name the change: each page reloads with its own session.
type feed struct {
	mu      sync.Mutex
	waiting map[chan struct{}]struct{}
	pending bool
	done    chan struct{}
	cancel  func()
	once    sync.Once
}

func newFeed(changes func(func()) func()) *feed {
	f := &feed{waiting: map[chan struct{}]struct{}{}, done: make(chan struct{})}
	f.cancel = changes(f.changed)
	return f
}

func (f *feed) close() { f.once.Do(func() { f.cancel(); close(f.done) }) }

// changed must not block, because the writer of the store waits for it.
func (f *feed) changed() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.pending || len(f.waiting) == 0 {
		return
	}
	f.pending = true
	time.AfterFunc(gather, f.notify)
}

func (f *feed) notify() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pending = false
	for ch := range f.waiting {
		select {
		case ch <- struct{}{}:
		default: // it has not taken the last notification yet, and will reload anyway
		}
	}
}

func (f *feed) join() (ch chan struct{}, leave func()) {
	ch = make(chan struct{}, 1)
	f.mu.Lock()
	f.waiting[ch] = struct{}{}
	f.mu.Unlock()
	return ch, func() {
		f.mu.Lock()
		delete(f.waiting, ch)
		f.mu.Unlock()
	}
}

// events is the stream of server-sent events that open pages listen to.
func (s *Studio) events(w http.ResponseWriter, r *http.Request) {
	v := &visit{Studio: s, w: w, r: r}
	if !v.enter() {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	out := http.NewResponseController(w)
	if out.SetWriteDeadline(time.Time{}) != nil {
		w.WriteHeader(http.StatusNotImplemented)
		return
	}
	changed, leave := s.feed.join()
	defer leave()
	w.Header().Set("Content-Type", "text/event-stream")
	beat := time.NewTicker(pulse)
	defer beat.Stop()
	for event := "hello"; ; {
		if _, err := fmt.Fprintf(w, "event: %s\ndata: \n\n", event); err != nil || out.Flush() != nil {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-s.feed.done:
			return
		case <-changed:
			event = "changed"
		case <-beat.C:
			event = "pulse"
			if v.over() {
				_, _ = fmt.Fprint(w, "event: ended\ndata: \n\n")
				_ = out.Flush()
				return
			}
		}
	}
}
