// Package store keeps resources, operations and secrets. It has the only SQL of the program. What only SQLite understands is in the
// files sqlite_*.go, what only PostgreSQL understands in postgres_*.go; both run all other SQL.
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
	Spans   berth.Spans // of accepted changes and of ends of operations; nil for none
}

// Store is one database: one writing connection, several reading ones.
type Store struct {
	engine      engine
	write, read *sql.DB
	path        string // the file; of PostgreSQL where it is and the name of the database
	clock       clockwork.Clock
	log         *slog.Logger
	explain     func(fact error) *berth.Error
	spans       berth.Spans
	unreadable  asides
	refusals    refusals
	damage      atomic.Pointer[error] // what Verify found wrong with the file; nil when sound
	sealer      Sealer
	sealing     sync.RWMutex // read-locked from the sealing of a secret to its commit; see Reseal
	// The most frequent queries are parsed once.
	get, getOp, due, nextDue *sql.Stmt

	feed          feed
	others        *others        // nil when there can be no other server
	beside        sync.WaitGroup // what runs beside commitLoop
	mu            sync.Mutex
	statements    map[string]*sql.Stmt // of the writing connection, by their text
	writes        chan write           // to commitLoop
	closed, ended chan struct{}        // Close was called; commitLoop has returned
	closing       sync.Once
}

var errNoExplain = errors.New("store.Options.Explain is missing")

// newStore makes a store that is not open yet.
func newStore(e engine, path string, o Options) *Store {
	s := &Store{
		engine: e, path: path, clock: o.Clock, sealer: o.Sealer, log: o.Log, explain: o.Explain, spans: o.Spans,
		statements: map[string]*sql.Stmt{}, writes: make(chan write, maxBatch), closed: make(chan struct{}), ended: make(chan struct{}),
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.spans == nil {
		s.spans = berth.NoSpans{}
	}
	return s
}

// opened brings a store up that has its writing connection. named turns an error of the database into a fact.
func (s *Store) opened(named func(path string, err error) error, prepare func() error) (*Store, error) {
	go s.commitLoop()
	err := prepare()
	if err == nil {
		return s, nil
	}
	err = named(s.path, err)
	if fact, ok := errors.AsType[*berth.FileError](err); ok {
		err = s.explain(fact)
	}
	return nil, errors.Join(err, s.Close())
}

// prepare parses the most frequent queries.
func (s *Store) prepare(ctx context.Context) (err error) {
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
	s.beside.Wait()
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
