package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"

	"berth.dev/berth"
)

// holder is the compute that holds a cluster.
type holder struct {
	key, id, caller string
	since           int64
}

func (s *Store) readHolder(ctx context.Context, tx interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}, cluster berth.ID) (holder, error) {
	var key, id, caller text
	var since number
	var sum checksum
	err := tx.QueryRowContext(ctx, "SELECT holder_key, holder_id, since, caller, checksum FROM holds WHERE cluster_key = ?", cluster.Key()).
		Scan(&key, &id, &since, &caller, &sum)
	if err == nil && sum.differs(checksumOf(cluster.Key(), key, id, since, caller)) != 0 {
		s.setAside("holds", cluster.Key(), errChecksum) // it still holds: without the hold, two computes could use the cluster
	}
	return holder{key: string(key), id: string(id), caller: string(caller), since: int64(since)}, err
}

// hold makes the resource the only holder of a cluster. loser is the key of the compute from which it was taken over; empty
// when there is none.
func (s *Store) hold(ctx context.Context, tx *txn, c Change) (loser string, err error) {
	if c.Hold.IsZero() {
		return "", nil
	}
	now, id := s.now(), c.Resource.ID
	sum := checksumOf(c.Hold.Key(), id.Key(), id.String(), now, c.Caller)
	_, err = tx.ExecContext(ctx, `INSERT INTO holds (cluster_key, holder_key, holder_id, since, caller, checksum) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (cluster_key) DO NOTHING`, c.Hold.Key(), id.Key(), id.String(), now, c.Caller, sum)
	if err != nil {
		return "", err
	}
	h, err := s.readHolder(ctx, tx, c.Hold)
	switch {
	case err != nil:
		return "", err
	case h.key == c.Resource.ID.Key():
		return "", nil
	case !c.Force:
		return "", s.explain(s.taken(ctx, c.Hold, h))
	}
	_, err = tx.ExecContext(ctx, "UPDATE holds SET holder_key = ?, holder_id = ?, since = ?, caller = ?, checksum = ? WHERE cluster_key = ?",
		id.Key(), id.String(), now, c.Caller, sum, c.Hold.Key())
	if err != nil {
		return "", err
	}
	return h.key, s.takeOver(ctx, tx, c, h)
}

// takeOver fails the compute that loses its cluster, with the reason, and deletes its token. The new generation ends the claim
// of a worker that checks it.
func (s *Store) takeOver(ctx context.Context, tx *txn, c Change, h holder) error {
	old, row, err := s.queryResource(ctx, tx, h.key)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if !old.State.Terminal() {
		return s.explain(&berth.BusyError{ID: old.ID, State: old.State, Operation: old.OperationID, Holds: true})
	}
	why := s.explain(&berth.TakenOverError{
		Cluster: c.Hold, By: c.Resource.ID, At: fromMicros(s.now()), Caller: c.Caller, Name: s.nameOf(ctx, c.Caller),
	})
	row.state, row.fault = text(berth.StateFailed), text(faultJSON(why))
	row.generation++
	row.modifiedAt, row.modifiedBy = number(s.now()), text(c.Caller)
	if _, err := tx.ExecContext(ctx, resourceUpdate+", due_at = NULL WHERE key = ?", row.set(h.key)...); err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, "DELETE FROM secrets WHERE resource_key = ? AND name = ?", h.key, berth.SecretToken)
	return err
}

// Taken is the error of a compute that cannot hold a cluster because another compute does; nil when none does.
func (s *Store) Taken(ctx context.Context, cluster, by berth.ID) (taken *berth.Error, err error) {
	h, err := s.readHolder(ctx, s.read, cluster)
	if errors.Is(err, sql.ErrNoRows) || err == nil && h.key == by.Key() {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return s.explain(s.taken(ctx, cluster, h)), nil
}

func (s *Store) taken(ctx context.Context, cluster berth.ID, h holder) *berth.TakenError {
	return &berth.TakenError{Cluster: cluster, Holder: h.id, Since: fromMicros(h.since), Caller: h.caller, Name: s.nameOf(ctx, h.caller)}
}

// nameOf is the name of an application or of a person; empty when there is none with this id.
func (s *Store) nameOf(ctx context.Context, caller string) string {
	var body string
	var named struct{ Name string }
	const both = "SELECT body FROM applications WHERE id = ? UNION ALL SELECT body FROM people WHERE id = ?"
	if caller == "" || s.read.QueryRowContext(ctx, both, caller, caller).Scan(&body) != nil {
		return ""
	}
	_ = json.Unmarshal([]byte(body), &named) // a record that cannot be read has no name
	return named.Name
}
