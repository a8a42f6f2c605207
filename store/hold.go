package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"

	"berth.dev/berth"
)

// holder is which compute has a cluster.
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
		s.setAside("holds", cluster.Key(), errChecksum) // and it goes on holding: to let go could let two in
	}
	return holder{key: string(key), id: string(id), caller: string(caller), since: int64(since)}, err
}

// hold makes the resource the one owner of a cluster. robbed is the key of who had it, when that was forced.
func (s *Store) hold(ctx context.Context, tx *txn, w Change) (robbed string, err error) {
	if w.Hold.IsZero() {
		return "", nil
	}
	now, id := s.now(), w.Resource.ID
	sum := checksumOf(w.Hold.Key(), id.Key(), id.String(), now, w.Caller)
	_, err = tx.ExecContext(ctx, `INSERT INTO holds (cluster_key, holder_key, holder_id, since, caller, checksum) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (cluster_key) DO NOTHING`, w.Hold.Key(), id.Key(), id.String(), now, w.Caller, sum)
	if err != nil {
		return "", err
	}
	h, err := s.readHolder(ctx, tx, w.Hold)
	switch {
	case err != nil:
		return "", err
	case h.key == w.Resource.ID.Key():
		return "", nil
	case !w.Force:
		return "", s.explain(s.taken(ctx, w.Hold, h))
	}
	_, err = tx.ExecContext(ctx, "UPDATE holds SET holder_key = ?, holder_id = ?, since = ?, caller = ?, checksum = ? WHERE cluster_key = ?",
		id.Key(), id.String(), now, w.Caller, sum, w.Hold.Key())
	if err != nil {
		return "", err
	}
	return h.key, s.rob(ctx, tx, w, h)
}

// rob ends the compute that loses its cluster: it is Failed, says why, and keeps no token. Who works on it finds out by its
// generation.
func (s *Store) rob(ctx context.Context, tx *txn, w Change, h holder) error {
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
		Cluster: w.Hold, By: w.Resource.ID, At: fromMicros(s.now()), Caller: w.Caller, Name: s.nameOf(ctx, w.Caller),
	})
	row.state, row.fault, row.generation = text(berth.StateFailed), text(faultJSON(why)), row.generation+1
	row.modifiedAt, row.modifiedBy = number(s.now()), text(w.Caller)
	if _, err := tx.ExecContext(ctx, resourceUpdate+", due_at = NULL WHERE key = ?", row.set(h.key)...); err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, "DELETE FROM secrets WHERE resource_key = ? AND name = ?", h.key, berth.SecretToken)
	return err
}

// Taken says why a compute cannot have a cluster: another holds it. Nil when none does.
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

// nameOf is the name of an application; empty when it is not known.
func (s *Store) nameOf(ctx context.Context, caller string) string {
	var body string
	var a berth.Application
	if caller == "" || s.read.QueryRowContext(ctx, "SELECT body FROM applications WHERE id = ?", caller).Scan(&body) != nil {
		return ""
	}
	_ = json.Unmarshal([]byte(body), &a) // a record that cannot be read has no name
	return a.Name
}
