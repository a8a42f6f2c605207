package store

import (
	"context"
	"database/sql"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// asides are the records that could not be read, so that the log names each once. They are not kept in the database: every
// read finds them again, and their bytes stay as they are, for a repair.
type asides struct {
	count atomic.Int64 // of all, so that a healthy store takes no lock
	mu    sync.Mutex
	round int            // of Verify
	all   map[string]int // the round in which each was found last
}

// add reports whether the record is new.
func (a *asides) add(table, key string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	name := table + " " + key
	if a.all == nil {
		a.all = map[string]int{}
	}
	_, known := a.all[name]
	a.all[name] = a.round
	a.count.Store(int64(len(a.all)))
	return !known
}

// forget drops a record that is gone, or can be read again.
func (a *asides) forget(table, key string) {
	if a.count.Load() == 0 {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.all, table+" "+key)
	a.count.Store(int64(len(a.all)))
}

// forgetAll drops a resource that is gone, with its secrets.
func (a *asides) forgetAll(key string) {
	if a.count.Load() == 0 {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	maps.DeleteFunc(a.all, func(name string, _ int) bool {
		return name == "resources "+key || strings.HasPrefix(name, "secrets "+label(key, ""))
	})
	a.count.Store(int64(len(a.all)))
}

// mark is the records that are known now. sweep drops those of them that were not found again since: they are deleted, or can
// be read. Secrets stay, because only their use opens them.
func (a *asides) mark() map[string]int {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.round++
	return maps.Clone(a.all)
}

func (a *asides) sweep(before map[string]int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	maps.DeleteFunc(a.all, func(name string, met int) bool {
		_, old := before[name]
		return old && met < a.round && !strings.HasPrefix(name, "secrets ")
	})
	a.count.Store(int64(len(a.all)))
}

// names are the table and the key of each record.
func (a *asides) names() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Sorted(maps.Keys(a.all))
}

// setAside notes a record that cannot be read, and names it in the log the first time.
func (s *Store) setAside(table, key string, why error) {
	if s.unreadable.add(table, key) {
		if table == "resources" && s.removed(key) {
			s.unreadable.forget(table, key)
			return
		}
		s.log.Error("a stored record cannot be read; all other records are served", "table", table, "key", key, "why", why)
	}
}

// removed reports whether a resource is gone that a reader has found: it may have read what was there before the deletion, whose forget
// was then too early. A deletion after this answer forgets the record itself.
func (s *Store) removed(key string) bool {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second) // the reader may hold the last connection
	defer cancel()
	var one int
	err := s.read.QueryRowContext(ctx, "SELECT 1 FROM resources WHERE key = ?", key).Scan(&one)
	return errors.Is(err, sql.ErrNoRows)
}

// Unreadable counts the records that were found unreadable since the start.
func (s *Store) Unreadable() int { return int(s.unreadable.count.Load()) }
