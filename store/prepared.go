package store

import (
	"context"
	"database/sql"
)

// txn is a writing transaction whose statements are parsed once and kept: parsing SQL is a third of the work of a small
// write. There are only a few dozen texts, all constants of this package, so nothing is ever thrown away.
type txn struct {
	*sql.Tx
	store  *Store
	fresh  []string // texts that were used for the first time
	events []Event  // what it changes, to be published after the commit
}

// tell notes what the transaction changes.
func (t *txn) tell(e Event) { t.events = append(t.events, e) }

// ExecContext runs a statement, a kept one when there is one. It runs to its end even when the caller cancels: SQLite undoes the
// whole transaction when a statement is interrupted, and it may contain the writes of others.
func (t *txn) ExecContext(ctx context.Context, text string, args ...any) (sql.Result, error) {
	ctx = context.WithoutCancel(ctx)
	if s := t.kept(ctx, text); s != nil {
		return s.ExecContext(ctx, args...)
	}
	return t.Tx.ExecContext(ctx, text, args...)
}

// QueryRowContext reads one row, with a kept statement when there is one.
func (t *txn) QueryRowContext(ctx context.Context, text string, args ...any) *sql.Row {
	ctx = context.WithoutCancel(ctx)
	if s := t.kept(ctx, text); s != nil {
		return s.QueryRowContext(ctx, args...)
	}
	return t.Tx.QueryRowContext(ctx, text, args...)
}

func (t *txn) kept(ctx context.Context, text string) *sql.Stmt {
	t.store.mu.Lock()
	s := t.store.statements[text]
	t.store.mu.Unlock()
	if s == nil {
		t.fresh = append(t.fresh, text)
		return nil
	}
	return t.StmtContext(ctx, s)
}

// keep parses the statements that were used for the first time. Call it after the transaction, which has the only writing
// connection. A statement that cannot be kept is parsed again at every use.
func (s *Store) keep(ctx context.Context, texts []string) {
	for _, text := range texts {
		stmt, err := s.write.PrepareContext(ctx, text)
		if err != nil {
			return
		}
		s.mu.Lock()
		if s.statements[text] == nil {
			s.statements[text] = stmt
			stmt = nil
		}
		s.mu.Unlock()
		if stmt != nil {
			_ = stmt.Close() // another caller has kept it already
		}
	}
}
