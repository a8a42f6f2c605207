package store

import "database/sql"

// WriteDB is the writing connection, for tests that break the database on purpose or look under it.
func (s *Store) WriteDB() *sql.DB { return s.write }
