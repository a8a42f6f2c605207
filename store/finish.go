package store

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"berth.dev/berth"
)

// Outcome is how a claim ended.
type Outcome struct {
	State berth.State  // Succeeded, Failed or Canceled
	Fault *berth.Error // why, of a failure
	// OperationFault fails the operation alone: State and Fault are those of the resource, which is as it was before.
	OperationFault *berth.Error
	Notes          []string  // what the user should know besides
	Gone           bool      // the resource is no more: its row, secrets and holds go with it
	CheckAt        time.Time // when to check the settled resource; zero for never
	Cleanup        *Cleanup  // what a detach could not clean
	Secrets        map[string][]byte
	Forget         []string // names of secrets that are not needed any more
}

// Cleanup is what a detach could not remove from a cluster that did not answer.
type Cleanup struct {
	Cluster, Holder berth.ID
	Detail          []byte // JSON, the writer's own
	Since           time.Time
	Unreadable      bool // the stored record is damaged: it can be dropped, and not be done
}

// Finish ends a claim: resource state and body, operation result, lease; one transaction. ErrLost, and nothing written,
// when the lease is another's or the generation has moved.
func (s *Store) Finish(ctx context.Context, c *Claim, o Outcome) error {
	now := s.clock.Now().UTC()
	r := c.Resource
	sealed, release, err := s.seal(r.ID, o.Secrets)
	defer release()
	if err != nil {
		return err
	}
	err = s.tx(ctx, func(tx *txn) error {
		var due any
		if !o.CheckAt.IsZero() {
			due = micros(o.CheckAt)
		}
		w := c.found()
		w.state, w.fault = text(o.State), text(faultJSON(o.Fault))
		res, err := tx.ExecContext(ctx, resourceUpdate+", due_at = ?, attempts = 0, crashes = 0, "+free+" WHERE "+fence,
			c.fenceArgs(w.set(due)...)...)
		if err := s.fenced(res, err); err != nil {
			return err
		}
		if err := keepCleanup(ctx, tx, o.Cleanup, now); err != nil {
			return err
		}
		for name, value := range sealed {
			if err := putSecret(ctx, tx, r.ID, name, value); err != nil {
				return err
			}
		}
		for _, name := range o.Forget {
			if _, err := tx.ExecContext(ctx, "DELETE FROM secrets WHERE resource_key = ? AND name = ?", r.ID.Key(), name); err != nil {
				return err
			}
		}
		if o.Gone {
			if err := forget(ctx, tx, r.ID); err != nil {
				return err
			}
			// The compute that has the cluster is checked now, and not when its next check is due.
			_, err := tx.ExecContext(ctx, `UPDATE resources SET due_at = ?
				WHERE due_at > ? AND key IN (SELECT holder_key FROM holds WHERE cluster_key = ?)`, micros(now), micros(now), r.ID.Key())
			if err != nil {
				return err
			}
		}
		if c.Operation == nil {
			return nil
		}
		ended := end{o.State, o.Notes, o.Fault}
		if o.OperationFault != nil {
			ended.state, ended.fault = berth.StateFailed, o.OperationFault
		}
		return s.endOperation(ctx, tx, c.Operation.ID, ended)
	})
	if err == nil {
		if o.Gone {
			s.unreadable.forgetAll(r.ID.Key())
		}
		s.feed.publish(Event{Key: r.ID.Key(), State: o.State})
	}
	return err
}

// forget takes a resource and all that hangs on it out of the database. Its operations stay readable.
func forget(ctx context.Context, tx *txn, id berth.ID) error {
	for _, q := range []string{
		"DELETE FROM resources WHERE key = ?", "DELETE FROM secrets WHERE resource_key = ?", "DELETE FROM holds WHERE holder_key = ?",
	} {
		if _, err := tx.ExecContext(ctx, q, id.Key()); err != nil {
			return err
		}
	}
	return nil
}

func keepCleanup(ctx context.Context, tx *txn, r *Cleanup, now time.Time) error {
	if r == nil {
		return nil
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO residues (cluster_key, holder_key, detail, created_at, checksum) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (cluster_key, holder_key)
		DO UPDATE SET detail = excluded.detail, created_at = excluded.created_at, checksum = excluded.checksum`,
		r.Cluster.Key(), r.Holder.Key(), string(r.Detail), micros(now),
		checksumOf(r.Cluster.Key(), r.Holder.Key(), string(r.Detail), micros(now)))
	return err
}

const cleanupColumns = "SELECT cluster_key, holder_key, detail, created_at, checksum FROM residues"

// Cleanups lists what is still to be cleaned in a cluster.
func (s *Store) Cleanups(ctx context.Context, cluster berth.ID) ([]Cleanup, error) {
	return s.cleanups(ctx, cleanupColumns+" WHERE cluster_key = ?", cluster.Key())
}

// AllCleanups lists what is still to be cleaned anywhere, the oldest first.
func (s *Store) AllCleanups(ctx context.Context) ([]Cleanup, error) {
	return s.cleanups(ctx, cleanupColumns+" ORDER BY created_at")
}

func (s *Store) cleanups(ctx context.Context, query string, args ...any) (all []Cleanup, err error) {
	rows, err := s.read.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var cluster, holder, detail text
		var since number
		var sum checksum
		if err := rows.Scan(&cluster, &holder, &detail, &since, &sum); err != nil {
			return nil, err
		}
		in, err1 := berth.ParseID(string(cluster))
		of, err2 := berth.ParseID(string(holder))
		key := string(cluster + "#" + holder)
		err := errors.Join(err1, err2)
		if err != nil { // nobody could name it to drop it
			s.setAside("residues", key, err)
			continue
		}
		c := Cleanup{Cluster: in, Holder: of, Detail: []byte(detail), Since: fromMicros(int64(since))}
		switch {
		case sum.differs(checksumOf(cluster, holder, detail, since)) != 0:
			err = errChecksum
		case !json.Valid(c.Detail), since == noNumber:
			err = errors.New("its detail is not JSON")
		}
		if c.Unreadable = err != nil; c.Unreadable {
			s.setAside("residues", key, err)
		}
		all = append(all, c)
	}
	return all, rows.Err()
}

// DropCleanup forgets a cleanup that is done, or whose cluster is gone. A zero holder means all of them.
func (s *Store) DropCleanup(ctx context.Context, cluster, holder berth.ID) error {
	q, args := "DELETE FROM residues WHERE cluster_key = ?", []any{cluster.Key()}
	if !holder.IsZero() {
		q, args = q+" AND holder_key = ?", append(args, holder.Key())
	}
	_, err := s.write.ExecContext(ctx, q, args...)
	return s.storageError(err)
}
