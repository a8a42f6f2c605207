package studio

import (
	"fmt"
	"net/http"
	"sync"
	"time"
)

const (
	// gather is how long changes are gathered before the pages hear of them: a scale-out writes many rows at once.
	gather = 50 * time.Millisecond
	// pulse keeps a stream through what closes idle connections, and ends it when its session has ended.
	pulse = 20 * time.Second
)

// feed tells all open pages that something has changed, and nothing else: what it is, they ask with their own session.
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

// changed must not block: whoever writes to the store waits for it.
func (f *feed) changed() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.pending || len(f.waiting) == 0 {
		return
	}
	f.pending = true
	time.AfterFunc(gather, f.tell)
}

func (f *feed) tell() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pending = false
	for ch := range f.waiting {
		select {
		case ch <- struct{}{}:
		default: // it has not taken the last one yet, and will look anyway
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
			if _, err := s.Renew(v.session.Token); err != nil {
				_, _ = fmt.Fprint(w, "event: ended\ndata: \n\n")
				_ = out.Flush()
				return
			}
		}
	}
}
