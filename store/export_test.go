package store

import "database/sql"

// WriteDB is the writing connection, for tests that break the database on purpose or read it directly.
func (s *Store) WriteDB() *sql.DB { return s.write }
