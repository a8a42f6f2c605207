package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"berth.dev/berth"
)

// holder is who has taken up a cluster.
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
	_, err = tx.ExecContext(ctx, "INSERT INTO holds (cluster_key, holder_key, holder_id, since, caller, checksum) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (cluster_key) DO NOTHING",
		w.Hold.Key(), id.Key(), id.String(), now, w.Caller, sum)
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
		return "", s.alreadyAttached(ctx, w.Hold, h)
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
		return berth.Errorf(berth.CodeBusy, "'%s', which has the cluster, is being changed (%s). Wait until that has ended.", old.ID.Name(), old.State)
	}
	why := berth.Errorf(berth.CodeConflict, "The cluster '%s' was taken over by %s, on %s%s. Detach this compute.",
		w.Hold.Name(), placeOf(w.Resource.ID.String()), minute(fromMicros(s.now())), s.by(ctx, w.Caller))
	row.state, row.fault, row.generation = text(berth.StateFailed), text(faultJSON(why)), row.generation+1
	row.modifiedAt, row.modifiedBy = number(s.now()), text(w.Caller)
	if _, err := tx.ExecContext(ctx, resourceUpdate+", due_at = NULL WHERE key = ?", row.set(h.key)...); err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, "DELETE FROM secrets WHERE resource_key = ? AND name = ?", h.key, berth.SecretToken)
	return err
}

// Taken says why a compute cannot take up a cluster: another has it. Nil when none has.
func (s *Store) Taken(ctx context.Context, cluster, by berth.ID) (taken *berth.Error, err error) {
	h, err := s.readHolder(ctx, s.read, cluster)
	if errors.Is(err, sql.ErrNoRows) || err == nil && h.key == by.Key() {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return s.alreadyAttached(ctx, cluster, h), nil
}

func (s *Store) alreadyAttached(ctx context.Context, cluster berth.ID, h holder) *berth.Error {
	return AlreadyAttached(cluster, h.id, fromMicros(h.since), s.by(ctx, h.caller))
}

// by says in words who a caller is: " by 'name'".
func (s *Store) by(ctx context.Context, caller string) string {
	if caller == "" {
		return ""
	}
	var body string
	var a berth.Application
	if s.read.QueryRowContext(ctx, "SELECT body FROM applications WHERE id = ?", caller).Scan(&body) == nil && json.Unmarshal([]byte(body), &a) == nil && a.Name != "" {
		return fmt.Sprintf(" by '%s'", a.Name)
	}
	return " by " + caller
}

// AlreadyAttached is the refusal of a second attachment, naming the first. by is empty, or " by whom".
func AlreadyAttached(cluster berth.ID, holder string, since time.Time, by string) *berth.Error {
	e := berth.Errorf(berth.CodeAlreadyAttached, "The cluster '%s' is already attached, as %s, since %s%s. Detach it there first: a second attachment would break the first. "+
		"Or take it over with --force (force=true): the other then fails, and says why.", cluster.Name(), placeOf(holder), minute(since), by)
	e.Target = "properties.resourceId"
	return e
}

func minute(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

func placeOf(holder string) string {
	if id, err := berth.ParseID(holder); err == nil && id.Is(berth.TypeCompute) {
		return "compute '" + id.Name() + "' of workspace '" + id.Parent().Name() + "' in resource group '" + id.Group + "'"
	}
	return holder
}
