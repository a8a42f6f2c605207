package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"berth.dev/berth"
)

// firstOperationColumns are those that there were before originVersion.
const firstOperationColumns = "id, resource_key, resource_id, verb, location, generation, state, message, notes, fault, caller, " +
	"started_at, ended_at, steps"

const operationColumns = firstOperationColumns + ", origin"

// operationRow is a row of the table operations, undecoded.
type operationRow struct {
	id, resourceKey, resourceID, verb, location text
	generation                                  number
	state, message, notes, fault, caller        text
	startedAt, endedAt                          number
	steps, origin                               text
	differs                                     int64 // see resourceRow
}

const operationByID = "SELECT " + operationColumns + ", checksum FROM operations WHERE id = ?"

func (w *operationRow) scan(r row) error {
	var sum checksum
	err := r.Scan(&w.id, &w.resourceKey, &w.resourceID, &w.verb, &w.location, &w.generation, &w.state, &w.message, &w.notes, &w.fault,
		&w.caller, &w.startedAt, &w.endedAt, &w.steps, &w.origin, &sum)
	if errors.Is(err, sql.ErrNoRows) {
		return ErrNotFound
	}
	w.differs = sum.differs(w.content())
	return err
}

// content is the checksum of the row's content.
func (w *operationRow) content() int64 {
	return checksumOf(w.id, w.resourceKey, w.resourceID, w.verb, w.location, w.generation, w.state, w.message, w.notes, w.fault,
		w.caller, w.startedAt, w.endedAt, w.steps, w.origin)
}

// decode turns a row into an operation. The error is the reason why a row cannot be read; the operation then has the fields that
// can be.
func (w *operationRow) decode() (*berth.Operation, error) {
	op := &berth.Operation{
		ID: string(w.id), Verb: berth.Verb(w.verb), Location: string(w.location), Generation: int64(w.generation), State: berth.State(w.state),
		Message: string(w.message), Caller: string(w.caller), StartedAt: fromMicros(int64(w.startedAt)), EndedAt: fromMicros(int64(w.endedAt)),
	}
	var err error
	if op.ResourceID, err = berth.ParseID(string(w.resourceID)); err != nil {
		op.ResourceID, _ = berth.ParseID(string(w.resourceKey)) // zero when the key is no id either
		return op, fmt.Errorf("the id of its resource: %w", err)
	}
	switch {
	case w.differs != 0:
		return op, errChecksum
	case op.ResourceID.Key() != string(w.resourceKey):
		return op, errors.New("the id of its resource differs from its key")
	case !known(op.State):
		return op, fmt.Errorf("%q is not a state", w.state)
	case w.generation == noNumber, w.startedAt == noNumber, w.endedAt == noNumber:
		return op, errors.New("a column that must be a number is not one")
	}
	for _, part := range []struct {
		name string
		from text
		into any
	}{{"notes", w.notes, &op.Notes}, {"fault", w.fault, &op.Err}, {"steps", w.steps, &op.Steps}, {"origin", w.origin, &op.Origin}} {
		if err := fromJSON(string(part.from), part.into); err != nil {
			return op, fmt.Errorf("its %s: %w", part.name, err)
		}
	}
	return op, nil
}

// operation is the operation of a row. One that cannot be read is shown as Failed, with the reason.
func (s *Store) operation(w *operationRow) *berth.Operation {
	op, err := w.decode()
	if err == nil {
		s.unreadable.forget("operations", string(w.id))
		return op
	}
	s.setAside("operations", string(w.id), err)
	op.Unreadable, op.State = true, berth.StateFailed
	op.Notes, op.Steps = nil, nil
	op.Err = s.explain(&berth.UnreadableError{Kind: berth.StoredOperation, Name: op.ID, Why: err})
	return op
}

// queryOperation reads one operation. ErrNotFound when there is none.
func (s *Store) queryOperation(ctx context.Context, tx *txn, id string) (*berth.Operation, error) {
	var w operationRow
	if err := w.scan(tx.QueryRowContext(ctx, operationByID, id)); err != nil {
		return nil, err
	}
	return s.operation(&w), nil
}

// Operation reads one operation. ErrNotFound when there is none, or when it was purged.
func (s *Store) Operation(ctx context.Context, id string) (*berth.Operation, error) {
	var w operationRow
	if err := w.scan(s.getOp.QueryRowContext(context.WithoutCancel(ctx), id)); err != nil {
		return nil, err
	}
	return s.operation(&w), nil
}

// Operations lists the latest operations, the newest first: those of one resource, or of all with a zero id; with active only
// those under way.
func (s *Store) Operations(ctx context.Context, of berth.ID, active bool, limit int) (all []*berth.Operation, err error) {
	where, args := "1 = 1", []any{}
	if !of.IsZero() {
		where, args = "resource_key = ?", append(args, of.Key())
	}
	if active {
		where += " AND ended_at = 0"
	}
	// #nosec G202 -- all parts are constants of this file
	rows, err := s.read.QueryContext(ctx, "SELECT "+operationColumns+", checksum FROM operations WHERE "+where+
		" ORDER BY started_at DESC LIMIT ?", append(args, limit)...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var w operationRow
		if err := w.scan(rows); err != nil {
			return nil, err
		}
		all = append(all, s.operation(&w))
	}
	return all, rows.Err()
}

func insertOperation(ctx context.Context, tx *txn, op *berth.Operation) error {
	w := &operationRow{
		id: text(op.ID), resourceKey: text(op.ResourceID.Key()), resourceID: text(op.ResourceID.String()), verb: text(op.Verb),
		location: text(op.Location), generation: number(op.Generation), state: text(op.State), message: text(op.Message), notes: "null",
		caller: text(op.Caller), startedAt: number(micros(op.StartedAt)), origin: text(plain(toJSON(op.Origin))),
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO operations (id, resource_key, resource_id, subscription, verb, location, generation, state,
			message, notes, fault, caller, started_at, ended_at, origin, checksum)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '', ?, ?, 0, ?, ?)`,
		w.id, w.resourceKey, w.resourceID, op.ResourceID.Subscription, w.verb, w.location, w.generation, w.state, w.message,
		w.notes, w.caller, w.startedAt, w.origin, w.content())
	return err
}

// changeOperation changes an operation that is still under way.
func changeOperation(ctx context.Context, tx *txn, id string, change func(*operationRow)) error {
	var w operationRow
	err := w.scan(tx.QueryRowContext(ctx, operationByID, id))
	if errors.Is(err, ErrNotFound) || err == nil && w.endedAt != 0 {
		return nil
	} else if err != nil {
		return err
	}
	change(&w)
	_, err = tx.ExecContext(ctx, `UPDATE operations SET state = ?, message = ?, notes = ?, fault = ?, ended_at = ?, steps = ?, checksum = ?
		WHERE id = ?`,
		w.state, w.message, w.notes, w.fault, w.endedAt, w.steps, w.content()^w.differs, w.id)
	return err
}

// end is the result of an operation.
type end struct {
	state berth.State
	notes []string
	fault *berth.Error
}

// endOperation closes an operation that is still under way.
func (s *Store) endOperation(ctx context.Context, tx *txn, id string, e end) error {
	if id == "" {
		return nil
	}
	var ended *operationRow
	err := changeOperation(ctx, tx, id, func(w *operationRow) {
		w.state, w.endedAt = text(e.state), number(s.now())
		w.message = ""
		w.notes, w.fault = text(toJSON(e.notes)), text(faultJSON(e.fault))
		ended = w
	})
	if err != nil || ended == nil {
		return err
	}
	return s.logEnd(ctx, tx, ended, e)
}

// Purge deletes the operations that ended longer ago than keep, and returns their number.
func (s *Store) Purge(ctx context.Context, keep time.Duration) (int64, error) {
	res, err := s.write.ExecContext(ctx, "DELETE FROM operations WHERE ended_at > 0 AND ended_at < ?", micros(s.clock.Now().Add(-keep)))
	if err != nil {
		return 0, s.storageError(err)
	}
	if s.others != nil {
		if err := s.others.forget(ctx); err != nil {
			return 0, s.storageError(err)
		}
	}
	return res.RowsAffected()
}
