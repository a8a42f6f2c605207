package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"berth.dev/berth"
)

const (
	// pgReaders is how many connections read at once. With the writer and the one of the notifications, a server has ten connections.
	pgReaders = 8
	// writeLock is the key of the advisory lock that a writing transaction holds: "BERT" in ASCII.
	writeLock      = 0x42455254
	connectTimeout = 10 * time.Second
)

// OpenPostgres opens a PostgreSQL database and updates its schema. The address is a URL (postgres://…) or a text of keywords and
// values, as of psql; what it leaves out comes from the environment (PGPASSWORD, PGSERVICE, …), the password also from the user's
// password file. A *berth.Error names the remedy when the database cannot be used; it never contains the password.
//
// Several servers may open the same database. self must be another one for each, and stay the same when a server starts again.
func OpenPostgres(ctx context.Context, address string, self Server, o Options) (*Store, error) {
	if o.Explain == nil {
		return nil, errNoExplain
	}
	config, err := pgx.ParseConfig(address)
	if err != nil { // the password is masked in it
		return nil, o.Explain(&berth.FileError{Path: "postgres", Fault: berth.DatabaseUnreachable, Why: err.Error()})
	}
	tune(config)
	s := newStore(postgresEngine{}, pgName(config), o)
	s.others = &others{store: s, self: self, asks: make(chan chan error, maxAsks)}
	servers := &postgresServers{others: s.others, config: config, missing: map[string]time.Time{}}
	s.write = openPostgres(config, 1)
	return s.opened(pgOpenError, func() error {
		if err := pgForeign(ctx, s.write, s.path); err != nil {
			return err
		}
		if err := s.migrate(ctx, s.path); err != nil {
			return err
		}
		s.read = openPostgres(config, pgReaders)
		if err := errors.Join(s.prepare(ctx), s.others.begin(ctx), servers.join(ctx)); err != nil {
			return err
		}
		s.beside.Go(s.others.serve)
		s.beside.Go(servers.run)
		return nil
	})
}

// pgName is how messages call the database.
func pgName(c *pgx.ConnConfig) string {
	return "postgres://" + net.JoinHostPort(c.Host, strconv.Itoa(int(c.Port))) + "/" + c.Database
}

// tune sets what this package relies on, whatever the defaults of the database are.
func tune(c *pgx.ConnConfig) {
	set := func(name, value string) {
		if c.RuntimeParams == nil {
			c.RuntimeParams = map[string]string{}
		}
		c.RuntimeParams[name] = value
	}
	set("default_transaction_isolation", "read committed") // each statement behind the write lock sees all that was committed
	// A server that was stopped in the middle of a transaction must not keep the write lock from the others.
	set("idle_in_transaction_session_timeout", "10s")
	set("lock_timeout", "60s")
	if c.RuntimeParams["application_name"] == "" {
		set("application_name", "berth")
	}
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = connectTimeout
	}
}

// pgForeign refuses a database, or a schema of one, in which another program has tables.
func pgForeign(ctx context.Context, db *sql.DB, name string) error {
	var tables, ours int
	err := db.QueryRowContext(ctx, `SELECT COUNT(*), COUNT(CASE WHEN table_name = 'schema_version' THEN 1 END)
		FROM information_schema.tables WHERE table_schema = current_schema()`).Scan(&tables, &ours)
	if err == nil && tables > 0 && ours == 0 {
		return &berth.FileError{Path: name, Fault: berth.FileForeign, Why: "it belongs to another program"}
	}
	return err
}

func pgOpenError(path string, err error) error {
	if fact, ours := errors.AsType[*berth.FileError](err); ours {
		return fact
	}
	return &berth.FileError{Path: path, Fault: berth.DatabaseUnreachable, Why: firstLine(err)}
}

func firstLine(err error) string {
	why, _, _ := strings.Cut(strings.TrimSpace(err.Error()), "\n")
	return why
}

// postgresEngine is the engine of PostgreSQL.
type postgresEngine struct{}

// begin takes the lock of all writers. The writes of all servers go one after the other, as those of one server on SQLite do, so what a
// transaction has read stays true until it ends.
func (postgresEngine) begin(ctx context.Context, tx *sql.Tx) error {
	_, err := tx.ExecContext(ctx, "SELECT pg_advisory_xact_lock(?)", writeLock)
	return err
}

var typeWords = regexp.MustCompile(`\b(BLOB|TEXT)\b`)

// schema: texts are compared byte by byte, as in SQLite and in Go, whatever the language of the database is.
func (postgresEngine) schema(text string) string {
	return typeWords.ReplaceAllStringFunc(text, func(word string) string {
		if word == "BLOB" {
			return "BYTEA"
		}
		return `TEXT COLLATE "C"`
	})
}

// integrity finds nothing: PostgreSQL verifies its pages itself when the cluster has checksums.
func (postgresEngine) integrity(context.Context, *sql.DB) (string, error) { return "", nil }

func (postgresEngine) compact(ctx context.Context, db *sql.DB) error {
	_, err := db.ExecContext(ctx, "VACUUM FULL secrets")
	return err
}

// fault knows a full disk, and a database that cannot be reached or does not write.
func (postgresEngine) fault(err error) (fact error, undone bool) {
	if err == nil {
		return nil, false
	}
	e, answered := errors.AsType[*pgconn.PgError](err)
	switch {
	case !answered:
		if lost(err) {
			return &berth.UnavailableError{Why: errors.New(firstLine(err))}, true
		}
		return nil, false
	case e.Code == "53100": // disk_full
		return &berth.FullError{}, false
	case strings.HasPrefix(e.Code, "53"), strings.HasPrefix(e.Code, "57P"), e.Code == "25006", e.Code == "55P03", e.Code == "25P03":
		// No resources or connections, a shutdown, a standby, a lock that another server holds too long, a transaction that was idle.
		return &berth.UnavailableError{Why: errors.New(e.Message)}, strings.HasPrefix(e.Code, "57P") || e.Code == "25P03"
	}
	return nil, false
}

// lost reports whether an error is that of a connection.
func lost(err error) bool {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) { // the caller's own end
		return false
	}
	_, network := errors.AsType[net.Error](err)
	_, connecting := errors.AsType[*pgconn.ConnectError](err)
	closed := slices.ContainsFunc([]error{driver.ErrBadConn, sql.ErrConnDone, pgconn.ErrConnClosed, io.EOF, io.ErrUnexpectedEOF},
		func(e error) bool { return errors.Is(err, e) })
	return network || connecting || closed
}
