package store

import (
	"context"
	"errors"
	"slices"
)

// all runs the writes one after the other. It stops at an error that undoes them all.
func (t *txn) all(ctx context.Context, all []write, errs []error) error {
	for i, w := range all {
		if errs[i] = w.ctx.Err(); errs[i] != nil {
			continue
		}
		from := len(t.events)
		if errs[i] = t.alone(ctx, w.do, len(all) > 1); errs[i] == nil {
			*w.told = slices.Clone(t.events[from:])
			continue
		}
		t.events = t.events[:from]
		if _, undone := t.store.engine.fault(errs[i]); undone || errors.Is(errs[i], errUndo) {
			return errs[i]
		}
	}
	return nil
}

// errUndo: a write could not be undone alone, because the connection is gone or the database has given up the transaction.
var errUndo = errors.New("the write cannot be undone alone")

// alone runs one write so that it can be undone without the others.
func (t *txn) alone(ctx context.Context, do func(*txn) error, guarded bool) error {
	if !guarded {
		return do(t)
	}
	if _, err := t.ExecContext(ctx, "SAVEPOINT one"); err != nil {
		return errors.Join(err, errUndo)
	}
	err := do(t)
	if err != nil {
		if _, undo := t.ExecContext(ctx, "ROLLBACK TO one"); undo != nil {
			return errors.Join(err, undo, errUndo)
		}
	}
	if _, release := t.ExecContext(ctx, "RELEASE one"); release != nil {
		return errors.Join(err, release, errUndo)
	}
	return err
}
