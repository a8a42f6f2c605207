package store

import (
	"sync"
	"time"
)

// MaxRefused is how many refused requests of a caller the activity log takes in a minute. Of more there is the number, in the next event:
// a caller without any rights must not fill the disk.
const MaxRefused = 60

const refusedWindow = time.Minute

// refusals counts the refused requests of each caller. Callers are those that have signed in, so there are not many.
type refusals struct {
	mu  sync.Mutex
	all map[string]*refused // by object id
}

type refused struct {
	since        time.Time
	logged, more int
}

// let reports whether the log takes another refused request of a caller, and how many it has not taken since the last one.
func (r *refusals) let(caller string, now time.Time) (unlogged int, lets bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	one := r.all[caller]
	if one == nil {
		one = &refused{since: now}
		if r.all == nil {
			r.all = map[string]*refused{}
		}
		r.all[caller] = one
	}
	if now.Sub(one.since) >= refusedWindow {
		one.since, one.logged = now, 0
	}
	if one.logged >= MaxRefused {
		one.more++
		return 0, false
	}
	one.logged++
	unlogged, one.more = one.more, 0
	return unlogged, true
}
