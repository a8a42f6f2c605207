package store

import (
	"context"
	"fmt"
	"io/fs"
	"sort"

	"berth.dev/berth"
)

// migrate applies the embedded files that the database has not seen, each in a transaction with its own mark.
func (s *Store) migrate(ctx context.Context, path string) error {
	names, err := fs.Glob(migrations, "sql/*.sql")
	if err != nil {
		return err
	}
	sort.Strings(names)
	if _, err := s.write.ExecContext(ctx, "CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL)"); err != nil {
		return err
	}
	var have int
	if err := s.write.QueryRowContext(ctx, "SELECT COALESCE(MAX(version), 0) FROM schema_version").Scan(&have); err != nil {
		return err
	}
	if have > len(names) {
		return &berth.FileError{Path: path, Fault: berth.FileNewer, Why: "a newer Berth wrote it", Schema: have, Own: len(names)}
	}
	for i := have; i < len(names); i++ {
		text, err := migrations.ReadFile(names[i])
		if err != nil {
			return err
		}
		if err := s.tx(ctx, func(tx *txn) error { return apply(ctx, tx, string(text), i+1) }); err != nil {
			return fmt.Errorf("%s: %w", names[i], err)
		}
	}
	// SQLite opens a file that is read-only without a word. A write that changes nothing finds it out now.
	_, err = s.write.ExecContext(ctx, "DELETE FROM schema_version WHERE version < 0")
	return err
}

// checksumVersion is the schema that brought checksums.
const checksumVersion = 7

func apply(ctx context.Context, tx *txn, text string, version int) error {
	if _, err := tx.Tx.ExecContext(ctx, text); err != nil { // once in a lifetime, and many statements: not to be kept
		return err
	}
	if version == checksumVersion {
		if err := sumAll(ctx, tx); err != nil {
			return err
		}
	}
	_, err := tx.ExecContext(ctx, "INSERT INTO schema_version (version) VALUES (?)", version)
	return err
}
