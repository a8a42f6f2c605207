package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"berth.dev/berth"
)

const operationColumns = "id, resource_id, verb, location, generation, state, message, notes, fault, caller, started_at, ended_at, steps"

func scanOperation(r row) (*berth.Operation, error) {
	var resource, notes, fault, steps string
	var started, ended int64
	op := &berth.Operation{}
	err := r.Scan(&op.ID, &resource, &op.Verb, &op.Location, &op.Generation, &op.State, &op.Message, &notes, &fault, &op.Caller, &started, &ended, &steps)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	op.StartedAt, op.EndedAt = fromMicros(started), fromMicros(ended)
	if op.ResourceID, err = berth.ParseID(resource); err != nil {
		return nil, err
	}
	return op, errors.Join(fromJSON(notes, &op.Notes), fromJSON(fault, &op.Err), fromJSON(steps, &op.Steps))
}

// Operation reads one operation. ErrNotFound when there is none, or it ended too long ago.
func (s *Store) Operation(ctx context.Context, id string) (*berth.Operation, error) {
	return scanOperation(s.getOp.QueryRowContext(context.WithoutCancel(ctx), id))
}

// Operations lists the latest operations, the newest first; of one resource when its id is given, and only those under way
// when active.
func (s *Store) Operations(ctx context.Context, of berth.ID, active bool, limit int) (all []*berth.Operation, err error) {
	where, args := "1 = 1", []any{}
	if !of.IsZero() {
		where, args = "resource_key = ?", append(args, of.Key())
	}
	if active {
		where += " AND ended_at = 0"
	}
	rows, err := s.read.QueryContext(ctx, "SELECT "+operationColumns+" FROM operations WHERE "+where+" ORDER BY started_at DESC LIMIT ?", append(args, limit)...) // #nosec G202 -- all parts are constants of this file
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		op, err := scanOperation(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, op)
	}
	return all, rows.Err()
}

func insertOperation(ctx context.Context, tx *txn, op *berth.Operation) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO operations (id, resource_key, resource_id, subscription, verb, location, generation, state, message, notes, fault, caller, started_at, ended_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 'null', '', ?, ?, 0)`,
		op.ID, op.ResourceID.Key(), op.ResourceID.String(), op.ResourceID.Subscription, op.Verb, op.Location, op.Generation, op.State, op.Message, op.Caller, micros(op.StartedAt))
	return err
}

// endOperation closes an operation that is still under way.
func endOperation(ctx context.Context, tx *txn, id string, end *berth.Operation) error {
	if id == "" {
		return nil
	}
	_, err := tx.ExecContext(ctx, "UPDATE operations SET state = ?, message = '', notes = ?, fault = ?, ended_at = ? WHERE id = ? AND ended_at = 0",
		end.State, toJSON(end.Notes), faultJSON(end.Err), micros(end.EndedAt), id)
	return err
}

// Purge forgets operations that ended longer ago than keep.
func (s *Store) Purge(ctx context.Context, keep time.Duration) (int64, error) {
	res, err := s.write.ExecContext(ctx, "DELETE FROM operations WHERE ended_at > 0 AND ended_at < ?", micros(s.clock.Now().Add(-keep)))
	if err != nil {
		return 0, storageError(err)
	}
	return res.RowsAffected()
}
