package store

import (
	"context"
	"fmt"
	"io/fs"
	"sort"

	"berth.dev/berth"
)

// migrate applies the schema changes that the database does not have yet, each in a transaction that also records it.
func (s *Store) migrate(ctx context.Context, path string) error {
	names, err := fs.Glob(migrations, "sql/*.sql")
	if err != nil {
		return err
	}
	sort.Strings(names)
	if err := s.tx(ctx, func(tx *txn) error {
		_, err := tx.ExecContext(ctx, "CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL)")
		return err
	}); err != nil {
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
	// SQLite opens a read-only file without an error. A write that changes nothing reveals it now.
	_, err = s.write.ExecContext(ctx, "DELETE FROM schema_version WHERE version < 0")
	return err
}

// sums are the schema versions after which rows that there are get other checksums.
var sums = map[int]func(context.Context, *txn) error{7: sumAll, 11: sumOrigins}

func apply(ctx context.Context, tx *txn, text string, version int) error {
	var have int // another server may have started at the same time
	if err := tx.QueryRowContext(ctx, "SELECT COUNT(*) FROM schema_version WHERE version >= ?", version).Scan(&have); err != nil || have > 0 {
		return err
	}
	if _, err := tx.Tx.ExecContext(ctx, tx.store.engine.schema(text)); err != nil { // many statements that run once: not worth keeping parsed
		return err
	}
	if sum := sums[version]; sum != nil {
		if err := sum(ctx, tx); err != nil {
			return err
		}
	}
	_, err := tx.ExecContext(ctx, "INSERT INTO schema_version (version) VALUES (?)", version)
	return err
}
