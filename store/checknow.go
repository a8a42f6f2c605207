package store

import (
	"context"
	"time"

	"berth.dev/berth"
)

// CheckNow makes a settled resource due at once. asked is the moment after which the check that was asked for begins. A resource that
// is being changed is left alone: its change checks it.
func (s *Store) CheckNow(ctx context.Context, r *berth.Resource) (asked time.Time, err error) {
	now := s.now()
	_, err = s.write.ExecContext(ctx, "UPDATE resources SET due_at = ? WHERE key = ? AND state IN (?, ?, ?)",
		now, r.ID.Key(), berth.StateSucceeded, berth.StateFailed, berth.StateCanceled)
	if err == nil {
		s.publish(Event{Key: r.ID.Key(), State: r.State})
	}
	return fromMicros(now), storageError(err)
}
