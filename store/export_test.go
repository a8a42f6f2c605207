package store

import "database/sql"

// WriteDB is the writing connection, for tests that break the database on purpose or read it directly.
func (s *Store) WriteDB() *sql.DB { return s.write }

// Typed reports whether the engine refuses values that are not of a column's type.
func (s *Store) Typed() bool { _, ok := s.engine.(postgresEngine); return ok }
