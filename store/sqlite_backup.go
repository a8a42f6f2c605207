package store

import "context"

// compact writes the file anew, without what was deleted and overwritten.
func (s *Store) compact(ctx context.Context) error {
	_, err := s.write.ExecContext(ctx, "VACUUM")
	return err
}
