package store

import (
	"context"
	"errors"
)

// maxBatch is how many writes may share one commit.
const maxBatch = 64

// write is one call of tx that waits for its commit.
type write struct {
	ctx  context.Context
	do   func(*txn) error
	done chan error
	told *[]Event // what it has changed
}

// tx runs do in a writing transaction and returns when the disk has it. Writes that arrive while another commit is under way
// share the next commit, each behind its own savepoint. A commit mostly waits for the disk, so under load many writes share one
// wait. A write that fails is undone alone.
func (s *Store) tx(ctx context.Context, do func(*txn) error) error {
	w := write{ctx: ctx, do: do, done: make(chan error, 1), told: new([]Event)}
	select {
	case s.writes <- w:
	case <-s.closed:
		return errClosed
	}
	if err := <-w.done; err != nil {
		return s.storageError(err)
	}
	for _, e := range *w.told {
		s.feed.publish(e)
	}
	return nil
}

var errClosed = errors.New("the store is closed")

// commitLoop is the only goroutine that opens writing transactions.
func (s *Store) commitLoop() {
	defer close(s.ended)
	for {
		select {
		case w := <-s.writes:
			s.commit(s.batch(w))
		case <-s.closed:
			for { // writes that were queued before the end are still served
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

// batch adds the writes that wait already.
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

// commit runs the writes and answers each. When the commit itself fails, nothing is written and all get the error.
func (s *Store) commit(all []write) {
	ctx := context.Background() // the cancelation of one caller must not undo the writes of the others
	errs := make([]error, len(all))
	begun, err := s.write.BeginTx(ctx, nil)
	if err == nil {
		s.feed.begin()
		tx := &txn{Tx: begun, store: s}
		if err = s.engine.begin(ctx, begun); err == nil {
			err = tx.all(ctx, all, errs)
		}
		if err == nil && s.others != nil {
			err = s.others.write(ctx, tx)
		}
		switch {
		case err != nil, len(all) == 1 && errs[0] != nil:
			_ = begun.Rollback() // the error of the write is the one to report
		default:
			err = begun.Commit()
		}
		s.feed.end()
		s.keep(ctx, tx.fresh)
	}
	for i, w := range all {
		if err != nil {
			errs[i] = err
		}
		w.done <- errs[i]
	}
}
