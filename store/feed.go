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

// Keys of events that are not about a resource.
const (
	ApplicationsChanged = "applications"
	PeopleChanged       = "people"  // persons, and the groups that they are in
	KeysChanged         = "keys"    // see PutShared
	ServersChanged      = "servers" // another server has ended
)

// feed notifies the rest of the program of changes: those of its own process, and those of other servers on the same database as far as
// they were read (see Sync).
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

// elsewhere publishes what another server has committed.
func (f *feed) elsewhere(e Event) {
	f.changes.Add(2)
	f.publish(e)
}

func (f *feed) publish(e Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, to := range f.subscribers {
		to(e)
	}
}

// Revision counts the commits that this process knows of. settled is false while a commit is under way. A read between two equal,
// settled counts is still up to date; with several servers, as of the last Sync.
func (s *Store) Revision() (count uint64, settled bool) { return s.feed.revision() }

// Subscribe calls f after each commit that changed a resource, by any server, until the returned function is called. f must not block.
func (s *Store) Subscribe(f func(Event)) (cancel func()) { return s.feed.subscribe(f) }
