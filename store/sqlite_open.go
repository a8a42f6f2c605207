package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"

	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"berth.dev/berth"
)

// sqlite is the engine of a database file.
type sqliteEngine struct{}

// begin does nothing: the connection opens its transactions with the write lock.
func (sqliteEngine) begin(context.Context, *sql.Tx) error { return nil }

func (sqliteEngine) schema(text string) string { return text }

// compact rewrites the file without deleted and overwritten values.
func (sqliteEngine) compact(ctx context.Context, db *sql.DB) error {
	_, err := db.ExecContext(ctx, "VACUUM")
	return err
}

// fault knows a full disk. SQLite rolls the whole transaction back when the disk is full or broken, and later writes would run
// outside of it.
func (sqliteEngine) fault(err error) (fact error, undone bool) {
	e, ours := errors.AsType[*sqlite.Error](err)
	if !ours {
		return nil, false
	}
	if e.Code()&0xff == lib.SQLITE_FULL {
		fact = &berth.FullError{}
	}
	return fact, e.Code()&0xff != lib.SQLITE_CONSTRAINT
}

func (sqliteEngine) integrity(ctx context.Context, db *sql.DB) (string, error) {
	return integrity(ctx, db)
}

// Open opens or creates a database file and updates its schema. It refuses a file that is not a database, is damaged, or was
// written by a newer Berth, with a *berth.Error that names the remedy, and never changes such a file.
func Open(ctx context.Context, path string, o Options) (*Store, error) {
	if o.Explain == nil {
		return nil, errNoExplain
	}
	if err := foreign(ctx, path); err != nil {
		return nil, o.Explain(err)
	}
	private(path)
	write, err := open(path, 1)
	if err != nil {
		return nil, err
	}
	s := newStore(sqliteEngine{}, path, o)
	s.write = write
	return s.opened(openError, func() error {
		if err := s.sound(ctx, path); err != nil {
			return err
		}
		if err := s.migrate(ctx, path); err != nil {
			return err
		}
		s.read, err = open(path, 4)
		return errors.Join(err, s.prepare(ctx))
	})
}

// sound reads through the file once, so that damage is found now and not by the request that meets it. It takes about
// 20 ms for ten thousand resources.
func (s *Store) sound(ctx context.Context, path string) error {
	var found string
	if err := s.write.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&found); err != nil {
		return err
	}
	if found != "ok" {
		return damaged(path, found)
	}
	return nil
}

// private creates the file and makes it readable by its owner only, because it contains keys and kubeconfigs. SQLite gives its
// other files the same mode. Opening the database, which follows, reports any error.
func private(path string) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return
	}
	defer func() { _ = f.Close() }()
	if info, err := f.Stat(); err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0 {
		_ = f.Chmod(info.Mode().Perm() &^ 0o077)
	}
}

// foreign refuses the database of another program before it is opened for writing, which alone would change its journal mode.
// Opening the database, which follows, reports a file that cannot be read.
func foreign(ctx context.Context, path string) error {
	if _, err := os.Stat(path); err != nil {
		return nil
	}
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?mode=ro")
	if err != nil {
		return nil
	}
	defer func() { _ = db.Close() }()
	var tables, ours int
	err = db.QueryRowContext(ctx, `SELECT COUNT(*), COUNT(CASE WHEN name = 'schema_version' THEN 1 END)
		FROM sqlite_master WHERE type = 'table'`).Scan(&tables, &ours)
	if err == nil && tables > 0 && ours == 0 {
		return &berth.FileError{Path: path, Fault: berth.FileForeign, Why: "it belongs to another program"}
	}
	return nil
}

func open(path string, conns int) (*sql.DB, error) {
	q := url.Values{}
	for _, p := range []string{"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)"} {
		q.Add("_pragma", p)
	}
	q.Set("_txlock", "immediate")
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?"+q.Encode())
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	return db, nil
}

func openError(path string, err error) error {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		switch e.Code() & 0xff {
		case lib.SQLITE_CORRUPT, lib.SQLITE_NOTADB:
			return damaged(path, e.Error())
		case lib.SQLITE_CANTOPEN, lib.SQLITE_READONLY, lib.SQLITE_PERM:
			return &berth.FileError{Path: path, Fault: berth.FileUnusable, Why: e.Error()}
		}
	}
	return err
}

func damaged(path, why string) error {
	why, _, _ = strings.Cut(why, "\n") // the other lines help only to repair the file
	return &berth.FileError{Path: path, Fault: berth.FileDamaged, Why: why}
}
