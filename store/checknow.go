package store

import (
	"context"
	"time"

	"berth.dev/berth"
)

// CheckNow makes the next check of a settled resource due at once; asked is the time at which it is due. It changes nothing
// when the resource is never checked, is due already, or is being worked on.
func (s *Store) CheckNow(ctx context.Context, id berth.ID) (asked time.Time, err error) {
	now := s.now()
	err = s.tx(ctx, func(tx *txn) error {
		tx.tell(Event{Key: id.Key(), State: berth.StateSucceeded}) // wakes the engines
		_, err := tx.ExecContext(ctx, "UPDATE resources SET due_at = ? WHERE key = ? AND due_at > ? AND lease_owner = '' AND state IN (?, ?, ?)",
			now, id.Key(), now, string(berth.StateSucceeded), string(berth.StateFailed), string(berth.StateCanceled))
		return err
	})
	return fromMicros(now), err
}
