package store

import (
	"context"
	"database/sql"
)

// engine is what differs between the databases under a Store. All other SQL of this package runs on both.
type engine interface {
	// begin readies a writing transaction: once it returns, the transaction sees all that was committed, and no other process
	// writes until it ends.
	begin(ctx context.Context, tx *sql.Tx) error
	// schema is a schema change in the types of the database.
	schema(text string) string
	// integrity lists the faults of tables and indexes that the database can find by itself; empty when there are none.
	integrity(ctx context.Context, db *sql.DB) (found string, err error)
	// compact rewrites the files so that they have no deleted and overwritten secrets any more.
	compact(ctx context.Context, db *sql.DB) error
	// fault is the fact about an error that users can act on; nil for other errors. undone: the whole transaction is undone.
	fault(err error) (fact error, undone bool)
}

// storageError names a fault of the database that the user can repair.
func (s *Store) storageError(err error) error {
	if fact, _ := s.engine.fault(err); fact != nil {
		return s.explain(fact)
	}
	return err
}
