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

// Claim is a due row under lease. Operation is nil when the row is settled and only to be looked at again.
type Claim struct {
	Resource  *berth.Resource
	Operation *berth.Operation
	Attempts  int // tries of this wish that failed before
	Owner     string
}

// dueNow is the row that has been due longest and that nobody works on.
const dueNow = "SELECT key FROM resources WHERE due_at <= ? AND (lease_owner = '' OR lease_until <= ?) ORDER BY due_at LIMIT 1"

// Claim takes the row that has been due longest, for owner, until lease has passed. Nil when nothing is due. Each claim
// wants an owner of its own: the fence cannot tell apart two claims of one owner at one generation.
func (s *Store) Claim(ctx context.Context, owner string, lease time.Duration) (*Claim, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	now := s.now()
	// A look through the reading side first: an idle server must not take the write lock at every wake.
	var key string
	if err := s.due.QueryRowContext(context.WithoutCancel(ctx), now, now).Scan(&key); errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	var c *Claim
	err := s.tx(ctx, func(tx *txn) error {
		c = &Claim{Owner: owner}
		until := now + lease.Microseconds()
		r := tx.QueryRowContext(ctx, "UPDATE resources SET lease_owner = ?, lease_until = ? WHERE key = ("+dueNow+") RETURNING "+resourceColumns+", attempts", owner, until, now, now)
		var err error
		if c.Resource, err = scanResource(r, &c.Attempts); errors.Is(err, ErrNotFound) { // another server was quicker
			c = nil
			return nil
		} else if err != nil {
			return err
		}
		if c.Resource.State.Terminal() {
			return nil
		}
		c.Operation, err = scanOperation(tx.QueryRowContext(ctx, "SELECT "+operationColumns+" FROM operations WHERE id = ?", c.Resource.OperationID))
		return err
	})
	if err != nil {
		return nil, err
	}
	return c, nil
}

// fence is the condition under which a claimer may still write.
const fence = "key = ? AND lease_owner = ? AND generation = ?"

func (c *Claim) fenceArgs(args ...any) []any {
	return append(args, c.Resource.ID.Key(), c.Owner, c.Resource.Generation)
}

func fenced(res sql.Result, err error) error {
	if err != nil {
		return storageError(err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return errors.Join(err, ErrLost)
	}
	return nil
}

// Heartbeat prolongs the lease. ErrLost when it is not ours any more or a newer wish came.
func (s *Store) Heartbeat(ctx context.Context, c *Claim, lease time.Duration) error {
	return fenced(s.write.ExecContext(ctx, "UPDATE resources SET lease_until = ? WHERE "+fence, c.fenceArgs(s.now()+lease.Microseconds())...))
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
		res, err := tx.ExecContext(ctx, "UPDATE resources SET body = ? WHERE "+fence, c.fenceArgs(toJSON(c.Resource.Body))...)
		if err := fenced(res, err); err != nil {
			return err
		}
		if c.Operation == nil {
			return nil
		}
		steps := append(slices.Clone(c.Operation.Steps), berth.Step{At: fromMicros(s.now()), Message: message})
		steps = steps[max(len(steps)-maxSteps, 0):]
		_, err = tx.ExecContext(ctx, "UPDATE operations SET message = ?, steps = ? WHERE id = ? AND ended_at = 0", message, toJSON(steps), c.Operation.ID)
		if err == nil {
			c.Operation.Steps = steps
		}
		return err
	})
	if err == nil {
		s.publish(Event{Key: c.Resource.ID.Key(), State: c.Resource.State})
	}
	return err
}

// Retry gives the row back to be tried again at due, and counts the try. message is shown meanwhile.
func (s *Store) Retry(ctx context.Context, c *Claim, due time.Time, message string) error {
	return s.tx(ctx, func(tx *txn) error {
		res, err := tx.ExecContext(ctx, "UPDATE resources SET due_at = ?, attempts = attempts + 1, lease_owner = '', lease_until = 0 WHERE "+fence, c.fenceArgs(micros(due))...)
		if err := fenced(res, err); err != nil {
			return err
		}
		if c.Operation == nil {
			return nil
		}
		_, err = tx.ExecContext(ctx, "UPDATE operations SET message = ? WHERE id = ? AND ended_at = 0", message, c.Operation.ID)
		return err
	})
}

// Release gives up the lease of a claim that was lost to a newer wish, or of a server that stops. The row stays due.
func (s *Store) Release(ctx context.Context, c *Claim) error {
	_, err := s.write.ExecContext(ctx, "UPDATE resources SET lease_owner = '', lease_until = 0 WHERE key = ? AND lease_owner = ?", c.Resource.ID.Key(), c.Owner)
	if err == nil {
		s.publish(Event{Key: c.Resource.ID.Key(), State: c.Resource.State})
	}
	return storageError(err)
}

// FreeLeases ends every lease. Only for a server that knows itself alone: the holder of the data folder's lock.
func (s *Store) FreeLeases(ctx context.Context) error {
	_, err := s.write.ExecContext(ctx, "UPDATE resources SET lease_owner = '', lease_until = 0 WHERE lease_owner <> ''")
	return storageError(err)
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
