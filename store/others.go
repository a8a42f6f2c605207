package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"berth.dev/berth"
)

const (
	// syncPatience is how long Sync waits for the database.
	syncPatience = 5 * time.Second
	// maxAsks is how many calls of Sync may wait for the same read.
	maxAsks = 1024
	// maxChanges is how many changes one read takes.
	maxChanges = 1000
	// keepChanges is how long changes stay for servers that have not read them. A server that was away for longer forgets all it knows.
	keepChanges = time.Hour
)

// others is the way to the other servers on the same database: each writes what it commits into the table changes, in the same
// transaction, and reads there what the others have committed.
type others struct {
	store *Store
	self  Server
	asks  chan chan error // to serve
	read  *sql.Stmt
	last  int64 // the newest change that was read; only of serve
}

// Server is one of several servers on a database.
type Server struct {
	ID   string // stays the same after a restart
	Name string // its host, for messages
}

// Sync returns when this process knows every change that another server had committed before the call: from then on Revision has
// another count, and the subscribers have heard of it. Call it before anything is answered from memory. Calls that wait at the same
// time share one read of the database. It returns at once for a database with one server.
func (s *Store) Sync(ctx context.Context) error {
	if s.others == nil {
		return nil
	}
	done := make(chan error, 1)
	select {
	case s.others.asks <- done:
	case <-ctx.Done():
		return ctx.Err()
	case <-s.closed:
		return errClosed
	}
	select {
	case err := <-done:
		return s.storageError(err)
	case <-ctx.Done():
		return ctx.Err()
	case <-s.ended:
		return errClosed
	}
}

// begin notes how far the changes have come. Call it before anything is read that is kept in memory.
func (o *others) begin(ctx context.Context) error {
	var err error
	if o.read, err = o.store.read.PrepareContext(ctx,
		"SELECT n, server, key, state, gone FROM changes WHERE n > ? ORDER BY n LIMIT ?"); err != nil {
		return err
	}
	return o.store.read.QueryRowContext(ctx, "SELECT COALESCE(MAX(n), 0) FROM changes").Scan(&o.last)
}

// serve answers the calls of Sync until the store is closed.
func (o *others) serve() {
	for {
		select {
		case <-o.store.closed:
			return
		case first := <-o.asks:
			all := []chan error{first}
			for more := true; more; { // all that wait already share the read, which begins only now
				select {
				case next := <-o.asks:
					all = append(all, next)
				default:
					more = false
				}
			}
			err := o.catchUp()
			for _, done := range all {
				done <- err
			}
		}
	}
}

// catchUp reads the changes up to now and tells this process of those of the other servers.
func (o *others) catchUp() error {
	ctx, cancel := context.WithTimeout(context.Background(), syncPatience)
	defer cancel()
	for {
		n, err := o.page(ctx)
		if errors.Is(err, context.DeadlineExceeded) {
			return &berth.UnavailableError{Why: errors.New("it has not answered in time")}
		}
		if err != nil || n < maxChanges {
			return err
		}
	}
}

func (o *others) page(ctx context.Context) (n int, err error) {
	rows, err := o.read.QueryContext(ctx, o.last, maxChanges)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for ; rows.Next(); n++ {
		var at, gone int64
		var server string
		var e Event
		if err := rows.Scan(&at, &server, &e.Key, &e.State, &gone); err != nil {
			return n, err
		}
		if at != o.last+1 { // this server was away for so long that what it has missed is gone
			o.store.feed.elsewhere(Event{Gone: true})
		}
		o.last = at
		if e.Gone = gone != 0; server != o.self.ID {
			o.store.feed.elsewhere(e)
		}
	}
	return n, rows.Err()
}

// write puts what a transaction has changed into it, and notifies the other servers when it commits.
func (o *others) write(ctx context.Context, tx *txn) error {
	if len(tx.events) == 0 {
		return nil
	}
	all := make([]change, len(tx.events))
	for i, e := range tx.events {
		all[i] = change{Key: plain(e.Key), State: string(e.State)}
		if e.Gone {
			all[i].Gone = 1
		}
	}
	_, err := tx.ExecContext(ctx, writeChanges, o.self.ID, o.store.now(), toJSON(all))
	return err
}

// change is an event as writeChanges reads it.
type change struct {
	Key   string `json:"key"`
	State string `json:"state"`
	Gone  int64  `json:"gone"`
}

// forget removes changes that all servers have read, and keeps the newest, from which the numbers go on.
func (o *others) forget(ctx context.Context) error {
	_, err := o.store.write.ExecContext(ctx, "DELETE FROM changes WHERE at < ? AND n < (SELECT MAX(n) FROM changes)",
		micros(o.store.clock.Now().Add(-keepChanges)))
	return err
}
