package store

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"time"

	"berth.dev/berth"
)

// maxSteps is how many steps of an operation are kept.
const maxSteps = 50

// Claim is a due row under lease. Operation is nil when the row is settled and only to be checked.
type Claim struct {
	Resource  *berth.Resource
	Operation *berth.Operation
	Attempts  int // tries of this change that failed before
	Crashes   int // times in a row that a server died while it worked on this resource; see FreeLeases
	Owner     string
	row       resourceRow // as it was claimed: until the fence falls nobody else changes it
}

// dueNow is the row that has been due longest and that nobody works on.
const dueNow = "SELECT key FROM resources WHERE due_at <= ? AND (lease_owner = '' OR lease_until <= ?) ORDER BY due_at LIMIT 1"

const claimDue = "UPDATE resources SET lease_owner = ?, lease_until = ? WHERE key = (" + dueNow + ") RETURNING " +
	resourceColumns + ", checksum, attempts, crashes"

// Claim takes the row that has been due longest, for owner, until lease has passed. Nil when nothing is due. Each claim
// wants an owner of its own: the fence cannot tell apart two claims of one owner at one generation. A due row that cannot be
// read is set aside and the next one taken; only its removal is claimed.
func (s *Store) Claim(ctx context.Context, owner string, lease time.Duration) (*Claim, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		now := s.now()
		// The reading side is asked first: an idle server must not take the write lock at every wake.
		var key string
		err := s.due.QueryRowContext(context.WithoutCancel(ctx), now, now).Scan(&key)
		if errors.Is(err, sql.ErrNoRows) {
			return nil, nil
		} else if err != nil {
			return nil, err
		}
		var c *Claim
		if err = s.tx(ctx, func(tx *txn) error {
			c, err = s.claim(ctx, tx, owner, lease)
			return err
		}); err != nil || c == nil || c.Resource != nil {
			return c, err
		}
	}
}

// claim takes one row. The claim is nil when another server was quicker, and has no resource when the row was set aside.
func (s *Store) claim(ctx context.Context, tx *txn, owner string, lease time.Duration) (*Claim, error) {
	c, now := &Claim{Owner: owner}, s.now()
	var w resourceRow
	err := w.scan(tx.QueryRowContext(ctx, claimDue, owner, now+lease.Microseconds(), now, now), &c.Attempts, &c.Crashes)
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	r := s.resource(&w)
	if r == nil || r.Unreadable && r.State != berth.StateDeleting {
		why := s.explain(&berth.UnreadableError{Name: string(w.key), Why: errors.New("its key is damaged")})
		if r != nil {
			why = r.Fault
		}
		return c, errors.Join(s.neverDue(ctx, tx, string(w.key)),
			s.endOperation(ctx, tx, string(w.operationID), end{berth.StateFailed, nil, why}))
	}
	if !r.State.Terminal() {
		if c.Operation, err = s.queryOperation(ctx, tx, r.OperationID); err != nil && !errors.Is(err, ErrNotFound) {
			return nil, err
		}
		if c.Operation == nil || c.Operation.Unreadable {
			return c, s.failWithout(ctx, tx, r, w)
		}
	}
	c.Resource, c.row = r, w
	return c, nil
}

// neverDue takes a row that cannot be read out of the queue. FreeLeases lets it be tried once more at the next start: it
// may have been repaired, or written by a newer Berth that is back.
func (s *Store) neverDue(ctx context.Context, tx *txn, key string) error {
	_, err := tx.ExecContext(ctx, "UPDATE resources SET due_at = NULL, attempts = -1, crashes = 0, "+free+" WHERE key = ?", key)
	return err
}

// failWithout ends the change of a resource whose operation is not there or cannot be read: nobody knows what was asked.
func (s *Store) failWithout(ctx context.Context, tx *txn, r *berth.Resource, w resourceRow) error {
	why := s.explain(&berth.UnreadableError{Kind: berth.StoredChange, Name: r.ID.Name()})
	w.state, w.fault = text(berth.StateFailed), text(faultJSON(why))
	_, err := tx.ExecContext(ctx, resourceUpdate+", due_at = NULL, crashes = 0, "+free+" WHERE key = ?", w.set(w.key)...)
	return errors.Join(err, s.endOperation(ctx, tx, r.OperationID, end{berth.StateFailed, nil, why}))
}

// found is the row with the body that the claimer has found; a body that cannot be read stays as it is stored.
func (c *Claim) found() resourceRow {
	w := c.row
	if !c.Resource.Unreadable {
		w.body = text(toJSON(c.Resource.Body))
	}
	return w
}

// free gives up a lease.
const free = "lease_owner = '', lease_until = 0"

// fence is the condition under which a claimer may still write.
const fence = "key = ? AND lease_owner = ? AND generation = ?"

func (c *Claim) fenceArgs(args ...any) []any {
	return append(args, c.Resource.ID.Key(), c.Owner, c.Resource.Generation)
}

func (s *Store) fenced(res sql.Result, err error) error {
	if err != nil {
		return s.storageError(err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return errors.Join(err, ErrLost)
	}
	return nil
}

// Heartbeat prolongs the lease. ErrLost when it is not ours any more or a newer change came.
func (s *Store) Heartbeat(ctx context.Context, c *Claim, lease time.Duration) error {
	until := s.now() + lease.Microseconds()
	return s.fenced(s.write.ExecContext(ctx, "UPDATE resources SET lease_until = ? WHERE "+fence, c.fenceArgs(until)...))
}

// Held says, without writing, whether the claim still stands.
func (s *Store) Held(ctx context.Context, c *Claim) (bool, error) {
	var n int
	err := s.read.QueryRowContext(ctx, "SELECT COUNT(*) FROM resources WHERE "+fence, c.fenceArgs()...).Scan(&n)
	return n == 1, err
}

// Progress writes the body (what has been found so far) and the operation's message while the work goes on.
func (s *Store) Progress(ctx context.Context, c *Claim, message string) error {
	err := s.tx(ctx, func(tx *txn) error {
		w := c.found()
		res, err := tx.ExecContext(ctx, resourceUpdate+" WHERE "+fence, c.fenceArgs(w.set()...)...)
		if err := s.fenced(res, err); err != nil {
			return err
		}
		if c.Operation == nil {
			return nil
		}
		steps := append(slices.Clone(c.Operation.Steps), berth.Step{At: fromMicros(s.now()), Message: message})
		steps = steps[max(len(steps)-maxSteps, 0):]
		err = changeOperation(ctx, tx, c.Operation.ID, func(w *operationRow) { w.message, w.steps = text(message), text(toJSON(steps)) })
		if err == nil {
			c.Operation.Steps = steps
		}
		return err
	})
	if err == nil {
		s.feed.publish(Event{Key: c.Resource.ID.Key(), State: c.Resource.State})
	}
	return err
}

// Retry gives the row back to be tried again at due, and counts the try. message is shown meanwhile.
func (s *Store) Retry(ctx context.Context, c *Claim, due time.Time, message string) error {
	return s.tx(ctx, func(tx *txn) error {
		res, err := tx.ExecContext(ctx, "UPDATE resources SET due_at = ?, attempts = attempts + 1, crashes = 0, "+free+" WHERE "+fence,
			c.fenceArgs(micros(due))...)
		if err := s.fenced(res, err); err != nil {
			return err
		}
		if c.Operation == nil {
			return nil
		}
		return changeOperation(ctx, tx, c.Operation.ID, func(w *operationRow) { w.message = text(message) })
	})
}

// Survived says that the server has worked on the resource once and is still there: the crashes that were counted against it were
// not its own.
func (s *Store) Survived(ctx context.Context, c *Claim) error {
	return s.fenced(s.write.ExecContext(ctx, "UPDATE resources SET crashes = 0 WHERE "+fence, c.fenceArgs()...))
}

// Postpone gives the resource back unworked, to be claimed again at due.
func (s *Store) Postpone(ctx context.Context, c *Claim, due time.Time) error {
	return s.fenced(s.write.ExecContext(ctx, "UPDATE resources SET due_at = ?, lease_owner = '', lease_until = 0 WHERE "+fence, c.fenceArgs(micros(due))...))
}

// Release gives up the lease of a claim that was lost to a newer change, or of a server that stops. The resource stays due.
func (s *Store) Release(ctx context.Context, c *Claim) error {
	_, err := s.write.ExecContext(ctx, "UPDATE resources SET lease_owner = '', lease_until = 0 WHERE key = ? AND lease_owner = ?",
		c.Resource.ID.Key(), c.Owner)
	if err == nil {
		s.feed.publish(Event{Key: c.Resource.ID.Key(), State: c.Resource.State})
	}
	return s.storageError(err)
}

// FreeLeases ends every lease, and makes what was set aside due once more. Each lease that it ends is that of a server which died
// while it worked on the resource, and is counted as such. Only for a server that knows itself alone: the holder of the data
// folder's lock.
func (s *Store) FreeLeases(ctx context.Context) error {
	return s.tx(ctx, func(tx *txn) error {
		_, err := tx.ExecContext(ctx, "UPDATE resources SET crashes = crashes + 1, lease_owner = '', lease_until = 0 WHERE lease_owner <> ''")
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, "UPDATE resources SET due_at = ?, attempts = 0 WHERE attempts < 0", s.now())
		return err
	})
}

// nextDue is the first end of a wait: of a row that nobody works on, or of a lease. Each half reads the beginning of an index.
const nextDue = `SELECT MIN(at) FROM (
  SELECT * FROM (SELECT due_at AS at FROM resources WHERE due_at IS NOT NULL AND lease_owner = '' ORDER BY due_at LIMIT 1) AS free
  UNION ALL
  SELECT CASE WHEN lease_until > due_at THEN lease_until ELSE due_at END FROM resources WHERE lease_owner <> '') AS waits`

// NextDue is when the next unclaimed row is due; the zero time when none is.
func (s *Store) NextDue(ctx context.Context) (time.Time, error) {
	if err := ctx.Err(); err != nil {
		return time.Time{}, err
	}
	var at sql.NullInt64
	err := s.nextDue.QueryRowContext(context.WithoutCancel(ctx)).Scan(&at)
	return fromMicros(at.Int64), err
}
