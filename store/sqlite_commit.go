package store

import (
	"context"
	"errors"

	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"
)

// all runs the writes one after the other. It stops at an error that undoes them all: SQLite rolls the whole transaction back
// when the disk is full or broken, and later writes would run outside of it.
func (t *txn) all(ctx context.Context, all []write, errs []error) error {
	for i, w := range all {
		if errs[i] = w.ctx.Err(); errs[i] != nil {
			continue
		}
		errs[i] = t.alone(ctx, w.do, len(all) > 1)
		if e, ok := errors.AsType[*sqlite.Error](errs[i]); ok && e.Code()&0xff != lib.SQLITE_CONSTRAINT {
			return errs[i]
		}
	}
	return nil
}

// alone runs one write so that it can be undone without the others.
func (t *txn) alone(ctx context.Context, do func(*txn) error, guarded bool) error {
	if !guarded {
		return do(t)
	}
	if _, err := t.ExecContext(ctx, "SAVEPOINT one"); err != nil {
		return err
	}
	err := do(t)
	if err != nil {
		if _, undo := t.ExecContext(ctx, "ROLLBACK TO one"); undo != nil {
			return errors.Join(err, undo)
		}
	}
	_, release := t.ExecContext(ctx, "RELEASE one")
	return errors.Join(err, release)
}
