package store

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"berth.dev/berth"
)

// Outcome is the result of a claim.
type Outcome struct {
	State berth.State  // Succeeded, Failed or Canceled
	Fault *berth.Error // why, of a failure
	// OperationFault fails the operation only: State and Fault are those of the resource, which has not changed.
	OperationFault *berth.Error
	Notes          []string          // warnings for the user
	Gone           bool              // delete the resource with its secrets and holds
	CheckAt        time.Time         // when to check the settled resource; zero for never
	Cleanup        *Cleanup          // what a detach could not remove; nil for nothing
	Secrets        map[string][]byte // to store, by name
	Forget         []string          // names of secrets to delete
}

// Cleanup is what a detach could not remove from a cluster that did not answer.
type Cleanup struct {
	Cluster, Holder berth.ID
	Detail          []byte // JSON of the writer; the store does not read it
	Since           time.Time
	Unreadable      bool // the stored record is damaged: drop it, it cannot be done
}

// Finish ends a claim: it stores the resource's state and body and the operation's result, and ends the lease, in one
// transaction. ErrLost, and nothing is written, when another owner has the lease or a newer change was accepted.
func (s *Store) Finish(ctx context.Context, c *Claim, o Outcome) (err error) {
	_, end := s.spans.Begin(ctx, berth.Span{Name: "finish"})
	defer func() { end(err) }()
	now := s.clock.Now().UTC()
	r := c.Resource
	sealed, release, err := s.seal(r.ID.Key(), o.Secrets)
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
		if err := o.changeSecrets(ctx, tx, r.ID, sealed); err != nil {
			return err
		}
		if o.Gone {
			if err := gone(ctx, tx, r.ID, micros(now)); err != nil {
				return err
			}
		}
		tx.tell(Event{Key: r.ID.Key(), State: o.State, Gone: o.Gone})
		if c.Operation == nil {
			return nil
		}
		return s.endOperation(ctx, tx, c.Operation.ID, o.end())
	})
	if err == nil && o.Gone {
		s.unreadable.forgetAll(r.ID.Key())
	}
	return err
}

// end is how the operation ended.
func (o *Outcome) end() end {
	if o.OperationFault != nil {
		return end{berth.StateFailed, o.Notes, o.OperationFault}
	}
	return end{o.State, o.Notes, o.Fault}
}

// changeSecrets stores the new secrets, which are sealed, and deletes those that are not needed any more.
func (o *Outcome) changeSecrets(ctx context.Context, tx *txn, id berth.ID, sealed map[string][]byte) error {
	for name, value := range sealed {
		if err := putSecret(ctx, tx, id.Key(), name, value); err != nil {
			return err
		}
	}
	for _, name := range o.Forget {
		if _, err := tx.ExecContext(ctx, "DELETE FROM secrets WHERE resource_key = ? AND name = ?", id.Key(), name); err != nil {
			return err
		}
	}
	return nil
}

// gone deletes a resource with what extends it, and makes the compute that holds it as its cluster due: it has just lost it.
func gone(ctx context.Context, tx *txn, id berth.ID, now int64) error {
	if err := forget(ctx, tx, id); err != nil {
		return err
	}
	if err := forgetExtensions(ctx, tx, id); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, `UPDATE resources SET due_at = ?
		WHERE due_at > ? AND key IN (SELECT holder_key FROM holds WHERE cluster_key = ?)`, now, now, id.Key())
	return err
}

// forget deletes a resource and all records that belong to it. Its operations stay readable.
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

// forgetExtensions deletes the resources that extend a resource or a part of it, such as the role assignments on a cluster. Those that
// are being deleted end by themselves.
func forgetExtensions(ctx context.Context, tx *txn, id berth.ID) error {
	if id.IsGroup() {
		return nil
	}
	key := id.Key()
	_, err := tx.ExecContext(ctx, "DELETE FROM resources WHERE key >= ? AND key < ? AND key LIKE ? AND state <> ?",
		key+"/", key+"0", "%/providers/%/providers/%", text(berth.StateDeleting))
	return err
}

// forgetAll deletes a resource and all resources inside it, with their secrets. None of them may hold a cluster.
func forgetAll(ctx context.Context, tx *txn, id berth.ID) error {
	key := id.Key()
	for _, q := range []string{
		"DELETE FROM resources WHERE key = ? OR key >= ? AND key < ?",
		"DELETE FROM secrets WHERE resource_key = ? OR resource_key >= ? AND resource_key < ?",
	} {
		if _, err := tx.ExecContext(ctx, q, key, key+"/", key+"0"); err != nil { // '0' is the character after '/'
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

// Cleanups lists the cleanups that are pending for a cluster.
func (s *Store) Cleanups(ctx context.Context, cluster berth.ID) ([]Cleanup, error) {
	return s.cleanups(ctx, cleanupColumns+" WHERE cluster_key = ?", cluster.Key())
}

// AllCleanups lists the cleanups that are pending for all clusters, the oldest first.
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
		if err != nil { // without its ids no request could name it
			s.setAside("residues", key, err)
			continue
		}
		c := Cleanup{Cluster: in, Holder: of, Detail: []byte(detail), Since: fromMicros(int64(since))}
		switch {
		case sum.differs(checksumOf(cluster, holder, detail, since)) != 0:
			err = errChecksum
		case !json.Valid(c.Detail), since == noNumber:
			err = errors.New("its detail or its time is damaged")
		}
		if c.Unreadable = err != nil; c.Unreadable {
			s.setAside("residues", key, err)
		}
		all = append(all, c)
	}
	return all, rows.Err()
}

// DropCleanup deletes the cleanup of a holder that is done, or whose cluster is gone. A zero holder means all of the cluster's.
func (s *Store) DropCleanup(ctx context.Context, cluster, holder berth.ID) error {
	q, args := "DELETE FROM residues WHERE cluster_key = ?", []any{cluster.Key()}
	if !holder.IsZero() {
		q, args = q+" AND holder_key = ?", append(args, holder.Key())
	}
	return s.tx(ctx, func(tx *txn) error {
		_, err := tx.ExecContext(ctx, q, args...)
		return err
	})
}
