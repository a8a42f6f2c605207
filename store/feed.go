package store

import (
	"sync"
	"sync/atomic"

	"berth.dev/berth"
)

// Event reports that a row changed. It is sent after the commit. Read the row for its content.
type Event struct {
	Key   string
	State berth.State
	Gone  bool // the row was removed, and everything inside it
}

// feed notifies the rest of the program of changes. It knows only the changes of its own process, which are all of them while one
// server writes to one file. An engine with several servers replaces it by one that listens to the database (LISTEN and NOTIFY).
type feed struct {
	changes atomic.Uint64

	mu          sync.Mutex
	subscribers map[int]func(Event)
	next        int
}

// begin and end enclose every commit: the count is odd while one is under way.
func (f *feed) begin() { f.changes.Add(1) }
func (f *feed) end()   { f.changes.Add(1) }

func (f *feed) revision() (count uint64, settled bool) {
	n := f.changes.Load()
	return n, n%2 == 0
}

func (f *feed) subscribe(to func(Event)) (cancel func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.subscribers == nil {
		f.subscribers = map[int]func(Event){}
	}
	n := f.next
	f.next++
	f.subscribers[n] = to
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.subscribers, n)
	}
}

func (f *feed) publish(e Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, to := range f.subscribers {
		to(e)
	}
}

// Revision counts the commits. settled is false while a commit is under way. A read between two equal, settled counts is still
// up to date.
func (s *Store) Revision() (count uint64, settled bool) { return s.feed.revision() }

// Subscribe calls f after each commit that changed a resource, until the returned function is called. f must not block.
func (s *Store) Subscribe(f func(Event)) (cancel func()) { return s.feed.subscribe(f) }
