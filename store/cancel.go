package store

import (
	"context"

	"berth.dev/berth"
)

// Cancel ends the wish that is under way on a resource, whoever works on it: the worker finds its lease lost. CodeConflict
// when nothing is under way.
func (s *Store) Cancel(ctx context.Context, r *berth.Resource, why *berth.Error) error {
	err := s.tx(ctx, func(tx *txn) error {
		res, err := tx.ExecContext(ctx, "UPDATE resources SET state = ?, fault = ?, generation = generation + 1, due_at = NULL WHERE key = ? AND operation_id = ? AND state NOT IN (?, ?, ?, ?)",
			berth.StateCanceled, faultJSON(why), r.ID.Key(), r.OperationID, berth.StateSucceeded, berth.StateFailed, berth.StateCanceled, berth.StateDeleting)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			if err == nil {
				err = berth.Errorf(berth.CodeConflict, "'%s' is not under way, so there is nothing to cancel.", r.ID.Name())
			}
			return err
		}
		return s.endOperation(ctx, tx, r.OperationID, end{berth.StateCanceled, nil, why})
	})
	if err == nil {
		s.publish(Event{Key: r.ID.Key(), State: berth.StateCanceled})
	}
	return err
}
