// Package store keeps resources, operations and secrets. It has the only SQL of the program. SQL that only SQLite understands is
// in the files sqlite_*.go; PostgreSQL runs all other SQL too.
//
// A resource and its operation change together, in one transaction, when a change is accepted and when it is finished: no
// reader ever sees a succeeded operation beside a resource that is still being created. The resource table is the work
// queue too: a due row is claimed by lease, and every later write of the claimer is fenced by lease owner and generation.
package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jonboulle/clockwork"

	"berth.dev/berth"
)

//go:embed sql/*.sql
var migrations embed.FS

// Errors that callers act on. Everything else is either a *berth.Error or unexpected.
var (
	ErrNotFound = errors.New("not in the store")
	// ErrMoved means that the resource changed between reading it and accepting the change: read again, decide again.
	ErrMoved = errors.New("the resource has changed in the meantime")
	// ErrLost means that another owner has the lease, or that a newer change was accepted: stop working on the resource.
	ErrLost = errors.New("the lease is lost")
)

// Sealer encrypts secrets at rest. label names the record that a value belongs to: a value opens only under its own label.
type Sealer interface {
	Seal(label string, value []byte) ([]byte, error)
	Open(label string, sealed []byte) ([]byte, error)
	Sealed(value []byte) bool // with the key that Seal uses now
}

// Options are the dependencies of a Store.
type Options struct {
	Clock  clockwork.Clock
	Sealer Sealer
	Log    *slog.Logger // names records that cannot be read; nil for none
	// Explain turns a fact (refusal.go of package berth) into the error for users. The store itself has no texts for users.
	Explain func(fact error) *berth.Error
}

// Store is one SQLite database: one writing connection, several reading ones.
type Store struct {
	write, read *sql.DB
	path        string
	clock       clockwork.Clock
	log         *slog.Logger
	explain     func(fact error) *berth.Error
	unreadable  asides
	damage      atomic.Pointer[error] // what Verify found wrong with the file; nil when sound
	sealer      Sealer
	sealing     sync.RWMutex // read-locked from the sealing of a secret to its commit; see Reseal
	// The most frequent queries are parsed once.
	get, getOp, due, nextDue *sql.Stmt

	feed          feed
	mu            sync.Mutex
	statements    map[string]*sql.Stmt // of the writing connection, by their text
	writes        chan write           // to commitLoop
	closed, ended chan struct{}        // Close was called; commitLoop has returned
	closing       sync.Once
}

// Open opens or creates the database file and updates its schema. It refuses a file that is not a database, is damaged, or was
// written by a newer Berth, with a *berth.Error that names the remedy, and never changes such a file.
func Open(ctx context.Context, path string, o Options) (*Store, error) {
	if o.Explain == nil {
		return nil, errors.New("store.Options.Explain is missing")
	}
	if err := foreign(ctx, path); err != nil {
		return nil, o.Explain(err)
	}
	private(path)
	s := &Store{
		path: path, clock: o.Clock, sealer: o.Sealer, log: o.Log, explain: o.Explain, statements: map[string]*sql.Stmt{},
		writes: make(chan write, maxBatch), closed: make(chan struct{}), ended: make(chan struct{}),
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	var err error
	if s.write, err = open(path, 1); err != nil {
		return nil, err
	}
	go s.commitLoop()
	if err := s.prepare(ctx, path); err != nil {
		err = openError(path, err)
		if fact, ok := errors.AsType[*berth.FileError](err); ok {
			err = s.explain(fact)
		}
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Store) prepare(ctx context.Context, path string) (err error) {
	if err := s.sound(ctx, path); err != nil {
		return err
	}
	if err := s.migrate(ctx, path); err != nil {
		return err
	}
	if s.read, err = open(path, 4); err != nil {
		return err
	}
	for _, q := range []struct {
		into **sql.Stmt
		text string
	}{
		{&s.get, resourceByKey}, {&s.getOp, operationByID},
		{&s.due, dueNow}, {&s.nextDue, nextDue},
	} {
		if *q.into, err = s.read.PrepareContext(ctx, q.text); err != nil {
			return err
		}
	}
	return nil
}

// Close waits for the writes under way and closes the database.
func (s *Store) Close() error {
	s.closing.Do(func() { close(s.closed) })
	<-s.ended
	var errs []error
	if s.read != nil {
		errs = append(errs, s.read.Close())
	}
	return errors.Join(append(errs, s.write.Close())...)
}

// Ping reads from the database. The error is a *berth.Error when Verify found the file damaged.
func (s *Store) Ping(ctx context.Context) error {
	if damage := s.damage.Load(); damage != nil {
		return *damage
	}
	var one int
	return s.read.QueryRowContext(ctx, "SELECT 1").Scan(&one)
}

// now is the time in the database's unit, microseconds.
func (s *Store) now() int64 { return micros(s.clock.Now()) }

func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func fromMicros(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.UnixMicro(n).UTC()
}
