package store

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"time"

	"github.com/google/uuid"

	"berth.dev/berth"
)

// Change is a request that the rules allow, as Accept takes it.
type Change struct {
	Verb berth.Verb
	// Resource has the requested ID, Location, Tags and Body. Accept ignores its other fields, and of a removal all but the ID.
	Resource *berth.Resource
	// Base is the generation that the change builds on: 0 when the resource did not exist. A removal may leave it 0.
	Base int64
	// Settled: no work follows. The resource is Succeeded at once, or removed at once with everything inside it, and there is no operation.
	Settled bool
	Hold    berth.ID          // the cluster that the compute holds from now on; zero for none
	Force   bool              // take Hold over from the compute that holds it
	Secrets map[string][]byte // written over those of the same name
	Caller  string            // the id of the application
}

// Accept stores a change: resource and operation in one transaction. Once Accept returns, the change survives a crash.
//
// Errors: CodeBusy (409) while another change is under way (a removal supersedes every change but a removal, whose operation
// then ends Canceled), CodeAlreadyAttached (409) when another compute holds the cluster, CodeParentNotFound (404), ErrMoved
// when Base is not the present generation, ErrNotFound for the removal of a resource that does not exist.
func (s *Store) Accept(ctx context.Context, c Change) (out *berth.Resource, op *berth.Operation, err error) {
	_, end := s.spans.Begin(ctx, berth.Span{Name: "accept"})
	defer func() { end(err) }()
	sealed, release, err := s.seal(c.Resource.ID.Key(), c.Secrets)
	defer release()
	if err != nil {
		return nil, nil, err
	}
	c.Secrets = sealed
	err = s.tx(ctx, func(tx *txn) error {
		old, was, err := s.before(ctx, tx, &c)
		if err != nil {
			return err
		}
		loser, err := s.hold(ctx, tx, c)
		if err != nil {
			return err
		}
		out, op = c.next(old, fromMicros(s.now())) // as precise as what is read later
		tx.tell(Event{Key: out.ID.Key(), State: out.State, Gone: c.Verb.Removes() && c.Settled})
		if loser != "" { // the compute that loses its cluster
			tx.tell(Event{Key: loser, State: berth.StateFailed})
		}
		if err := s.logChange(ctx, tx, &c, out, op); err != nil {
			return err
		}
		if c.Verb.Removes() && c.Settled {
			return forgetAll(ctx, tx, out.ID)
		}
		if err := s.beginOperation(ctx, tx, old, op); err != nil {
			return err
		}
		if c.Verb.Removes() {
			return was.remove(ctx, tx, out)
		}
		return upsert(ctx, tx, c, out)
	})
	if err != nil {
		return nil, nil, err
	}
	if q := RequestOf(ctx); q.Origin.Right != "" {
		q.logged = true
	}
	if c.Verb.Removes() && c.Settled {
		s.unreadable.forgetAll(out.ID.Key())
	}
	return out, op, nil
}

// before is the stored resource that a change may change; nil when it creates one.
func (s *Store) before(ctx context.Context, tx *txn, c *Change) (*berth.Resource, *resourceRow, error) {
	old, was, err := s.queryResource(ctx, tx, c.Resource.ID.Key())
	if err != nil && !errors.Is(err, ErrNotFound) {
		return nil, nil, err
	}
	if err := s.admissible(c, old); err != nil {
		return nil, nil, err
	}
	if old == nil {
		return nil, nil, s.parentReady(ctx, tx, c.Resource.ID)
	}
	return old, was, nil
}

// admissible refuses a change that does not fit the stored resource; old is nil when there is none.
func (s *Store) admissible(c *Change, old *berth.Resource) error {
	switch {
	case c.Verb.Removes() && old == nil:
		return ErrNotFound
	case old != nil && !old.State.Terminal() && (!c.Verb.Removes() || old.State == berth.StateDeleting):
		return s.explain(&berth.BusyError{ID: old.ID, State: old.State, Operation: old.OperationID})
	case c.Verb.Removes() && c.Base == 0:
		return nil
	case old != nil && old.Unreadable && !c.Verb.Removes(): // the bytes stay as they are, for a repair
		return old.Fault
	case old == nil && c.Base != 0, old != nil && c.Base != old.Generation:
		return ErrMoved
	}
	return nil
}

// next is the resource after the change, and its operation (nil when settled).
func (c *Change) next(old *berth.Resource, now time.Time) (*berth.Resource, *berth.Operation) {
	r := *c.Resource
	r.CreatedAt, r.CreatedBy = now, c.Caller
	r.Generation, r.OperationID = 0, ""
	r.Fault = nil
	if old != nil {
		r.ID, r.Generation = old.ID, old.Generation
		r.CreatedAt, r.CreatedBy = old.CreatedAt, old.CreatedBy
		if c.Verb.Removes() {
			r = *old
		}
	}
	r.Generation++
	r.ModifiedAt, r.ModifiedBy = now, c.Caller
	if c.Settled {
		r.State = berth.StateSucceeded
		if old != nil { // an earlier failure remains: no work was done that could repair it
			r.State, r.Fault = old.State, old.Fault
			r.OperationID = old.OperationID
		}
		return &r, nil
	}
	switch c.Verb {
	case berth.VerbCreate:
		r.State = berth.StateCreating
	case berth.VerbUpdate, berth.VerbClean:
		r.State = berth.StateUpdating
	default:
		r.State = berth.StateDeleting
	}
	op := &berth.Operation{
		ID: uuid.NewString(), ResourceID: r.ID, Verb: c.Verb, Location: r.Location, Generation: r.Generation,
		State: berth.StateAccepted, StartedAt: now, Caller: c.Caller,
	}
	r.OperationID = op.ID
	return &r, op
}

// beginOperation writes the operation of a change, and ends the one that it supersedes.
func (s *Store) beginOperation(ctx context.Context, tx *txn, old *berth.Resource, op *berth.Operation) error {
	if op == nil {
		return nil
	}
	if old != nil && (!old.State.Terminal() || old.Unreadable) { // that of a settled resource ended with it
		superseded := s.explain(&berth.SupersededError{ID: old.ID, Verb: op.Verb})
		if err := s.endOperation(ctx, tx, old.OperationID, end{berth.StateCanceled, nil, superseded}); err != nil {
			return err
		}
	}
	var err error
	if op.Message, err = s.awaited(ctx, tx, op.ResourceID); err != nil {
		return err
	}
	return insertOperation(ctx, tx, op)
}

// remove writes only the columns that a removal changes, because the body may be unreadable.
func (w resourceRow) remove(ctx context.Context, tx *txn, r *berth.Resource) error {
	w.state, w.generation = text(r.State), number(r.Generation)
	w.operationID = text(r.OperationID)
	w.modifiedAt, w.modifiedBy = number(micros(r.ModifiedAt)), text(r.ModifiedBy)
	_, err := tx.ExecContext(ctx, resourceUpdate+", due_at = ?, attempts = 0, crashes = 0 WHERE key = ?",
		w.set(micros(r.ModifiedAt), w.key)...)
	return err
}

// upsert writes the whole row, and the secrets. The lease stays as it is: the worker of the old generation loses it at its next
// heartbeat or finish, and only then is the row claimed for the new generation. A settled change (due nil) does not move the
// next check of the row.
func upsert(ctx context.Context, tx *txn, change Change, r *berth.Resource) error {
	for name, value := range change.Secrets {
		if err := putSecret(ctx, tx, r.ID.Key(), name, value); err != nil {
			return err
		}
	}
	var due any
	if !change.Settled {
		due = micros(r.ModifiedAt)
	}
	id, w := r.ID, rowOf(r)
	_, err := tx.ExecContext(ctx, `INSERT INTO resources (key, id, type, subscription, group_key, parent_key, location, tags, body, state,
			generation, created_at, created_by, modified_at, modified_by, operation_id, fault, checksum, due_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (key) DO UPDATE SET location = excluded.location, tags = excluded.tags, body = excluded.body, state = excluded.state,
			generation = excluded.generation, modified_at = excluded.modified_at, modified_by = excluded.modified_by,
			operation_id = excluded.operation_id, fault = excluded.fault, checksum = excluded.checksum,
			due_at = COALESCE(excluded.due_at, resources.due_at), attempts = 0, crashes = 0`,
		w.key, w.id, w.typ, strings.ToLower(id.Subscription), berth.GroupID(id.Subscription, id.Group).Key(), parentKey(id),
		w.location, w.tags, w.body, w.state, w.generation,
		w.createdAt, w.createdBy, w.modifiedAt, w.modifiedBy, w.operationID, w.fault, w.content(), due)
	return err
}

func parentKey(id berth.ID) string {
	if p := id.Parent(); !p.IsZero() {
		return p.Key()
	}
	return ""
}

// parentReady refuses a child whose parent does not exist or is being deleted.
func (s *Store) parentReady(ctx context.Context, tx *txn, id berth.ID) error {
	for p := id.Parent(); !p.IsZero(); p = p.Parent() {
		var state berth.State
		err := tx.QueryRowContext(ctx, "SELECT state FROM resources WHERE key = ?", p.Key()).Scan(&state)
		if errors.Is(err, sql.ErrNoRows) {
			return s.explain(&berth.ParentError{ID: id, Parent: p})
		}
		if err != nil {
			return err
		}
		if state == berth.StateDeleting {
			return s.explain(&berth.ParentError{ID: id, Parent: p, Deleting: true})
		}
	}
	return nil
}

func putSecret(ctx context.Context, tx *txn, key, name string, value []byte) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO secrets (resource_key, name, value, checksum) VALUES (?, ?, ?, ?)
		ON CONFLICT (resource_key, name) DO UPDATE SET value = excluded.value, checksum = excluded.checksum`,
		key, name, value, checksumOf(key, name, value))
	return err
}
