package store

import (
	"context"
	"errors"

	"berth.dev/berth"
)

// Cancel ends the change that is under way on a resource, whose worker then loses its lease. CodeConflict (409) when no change
// is under way.
func (s *Store) Cancel(ctx context.Context, r *berth.Resource, why *berth.Error) error {
	return s.tx(ctx, func(tx *txn) error {
		now, row, err := s.queryResource(ctx, tx, r.ID.Key())
		if err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
		if now == nil || now.OperationID != r.OperationID || now.State.Terminal() || now.State == berth.StateDeleting {
			return s.explain(&berth.IdleError{ID: r.ID})
		}
		row.state, row.fault = text(berth.StateCanceled), text(faultJSON(why))
		row.generation++
		if _, err := tx.ExecContext(ctx, resourceUpdate+", due_at = NULL WHERE key = ?", row.set(row.key)...); err != nil {
			return err
		}
		tx.tell(Event{Key: r.ID.Key(), State: berth.StateCanceled})
		return s.endOperation(ctx, tx, r.OperationID, end{berth.StateCanceled, nil, why})
	})
}
