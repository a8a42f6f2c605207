package store

import (
	"context"
	"errors"

	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"
)

// maxBatch is how many writes may share one commit.
const maxBatch = 64

// write is one change that waits for its commit.
type write struct {
	ctx  context.Context
	do   func(*txn) error
	done chan error
}

// tx runs do in a writing transaction and returns when it is on the disk. Writes that come while another commit is under
// way share the next one, each behind a savepoint of its own: a commit is mostly waiting for the disk, so under load many
// wishes cost one wait. A write that fails is undone alone.
func (s *Store) tx(ctx context.Context, do func(*txn) error) error {
	w := write{ctx: ctx, do: do, done: make(chan error, 1)}
	select {
	case s.writes <- w:
	case <-s.closed:
		return errors.New("the store is closed")
	}
	return storageError(<-w.done)
}

// commitLoop is the only one who opens writing transactions.
func (s *Store) commitLoop() {
	defer close(s.ended)
	for {
		select {
		case w := <-s.writes:
			s.commit(s.batch(w))
		case <-s.closed:
			for { // who was quicker than the end is still served
				select {
				case w := <-s.writes:
					s.commit(s.batch(w))
				default:
					return
				}
			}
		}
	}
}

// batch takes along what waits already.
func (s *Store) batch(first write) []write {
	all := []write{first}
	for len(all) < maxBatch {
		select {
		case w := <-s.writes:
			all = append(all, w)
		default:
			return all
		}
	}
	return all
}

// commit runs the writes and answers each. When the commit itself fails, none has happened and all are told.
func (s *Store) commit(all []write) {
	ctx := context.Background() // one caller's impatience must not undo the others
	errs := make([]error, len(all))
	begun, err := s.write.BeginTx(ctx, nil)
	if err == nil {
		s.changes.Add(1) // odd: a commit is under way
		tx := &txn{Tx: begun, store: s}
		err = tx.all(ctx, all, errs)
		switch {
		case err != nil, len(all) == 1 && errs[0] != nil:
			_ = begun.Rollback() // the write's error is the one to tell
		default:
			err = begun.Commit()
		}
		s.changes.Add(1)
		s.keep(ctx, tx.fresh)
	}
	for i, w := range all {
		if err != nil {
			errs[i] = err
		}
		w.done <- errs[i]
	}
}

// all runs the writes one after the other. It ends early with an error that undoes them all: SQLite gives the whole
// transaction up when the disk is full or broken, and what came after would run outside of it.
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
