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
	Attempts  int // earlier tries of this change that failed
	Crashes   int // times in a row that a server died while it worked on this resource; see FreeLeases
	Owner     string
	lease     string      // the owner as the row has it: with the server
	row       resourceRow // as it was claimed; while the claim is valid, no other writer changes it
}

// dueNow is the row without a lease that has been due longest, of those that this server may work on.
const dueNow = "SELECT key FROM resources WHERE due_at <= ? AND (lease_owner = '' OR lease_until <= ?) AND (server = '' OR server = ?) " +
	"ORDER BY due_at LIMIT 1"

const claimDue = "UPDATE resources SET lease_owner = ?, lease_until = ? WHERE key = (" + dueNow + ") RETURNING " +
	resourceColumns + ", checksum, attempts, crashes"

// Claim gives owner a lease on the row that has been due longest. Nil when no row is due. Use another owner for each claim: the
// fence cannot distinguish two claims of one owner at one generation. Claim sets aside a due row that cannot be read and takes
// the next one; it claims such a row only for its removal.
func (s *Store) Claim(ctx context.Context, owner string, lease time.Duration) (*Claim, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		now := s.now()
		// Read first: an idle server must not take the write lock each time it wakes.
		var key string
		err := s.due.QueryRowContext(context.WithoutCancel(ctx), now, now, s.Self().ID).Scan(&key)
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

// claim takes one row. The claim is nil when another server took the row first, and has no resource when the row was set aside.
func (s *Store) claim(ctx context.Context, tx *txn, owner string, lease time.Duration) (*Claim, error) {
	c, now := &Claim{Owner: owner, lease: s.leasePrefix() + owner}, s.now()
	var w resourceRow
	err := w.scan(tx.QueryRowContext(ctx, claimDue, c.lease, now+lease.Microseconds(), now, now, s.Self().ID), &c.Attempts, &c.Crashes)
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

// neverDue takes a row that cannot be read out of the queue. FreeLeases makes it due once more at the next start, because it may
// have been repaired, or a newer Berth that can read it may be running again.
func (s *Store) neverDue(ctx context.Context, tx *txn, key string) error {
	_, err := tx.ExecContext(ctx, "UPDATE resources SET due_at = NULL, attempts = -1, crashes = 0, "+free+" WHERE key = ?", key)
	return err
}

// failWithout ends the change of a resource whose operation is missing or unreadable, so that the request is not known.
func (s *Store) failWithout(ctx context.Context, tx *txn, r *berth.Resource, w resourceRow) error {
	why := s.explain(&berth.UnreadableError{Kind: berth.StoredChange, Name: r.ID.Name()})
	w.state, w.fault = text(berth.StateFailed), text(faultJSON(why))
	_, err := tx.ExecContext(ctx, resourceUpdate+", due_at = NULL, crashes = 0, "+free+" WHERE key = ?", w.set(w.key)...)
	return errors.Join(err, s.endOperation(ctx, tx, r.OperationID, end{berth.StateFailed, nil, why}))
}

// found is the row with the body as the claimer left it; a body that cannot be read stays as it is stored.
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
	return append(args, c.Resource.ID.Key(), c.lease, c.Resource.Generation)
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

// Heartbeat prolongs the lease, counted from now. ErrLost when another owner has the lease or a newer change was accepted.
func (s *Store) Heartbeat(ctx context.Context, c *Claim, lease time.Duration) error {
	until := s.now() + lease.Microseconds()
	return s.fenced(s.write.ExecContext(ctx, "UPDATE resources SET lease_until = ? WHERE "+fence, c.fenceArgs(until)...))
}

// Held reports, without writing, whether the claim is still valid.
func (s *Store) Held(ctx context.Context, c *Claim) (bool, error) {
	var n int
	err := s.read.QueryRowContext(ctx, "SELECT COUNT(*) FROM resources WHERE "+fence, c.fenceArgs()...).Scan(&n)
	return n == 1, err
}

// Progress stores the present body and the operation's message while the work goes on. ErrLost as for Heartbeat.
func (s *Store) Progress(ctx context.Context, c *Claim, message string) error {
	return s.tx(ctx, func(tx *txn) error {
		w := c.found()
		res, err := tx.ExecContext(ctx, resourceUpdate+" WHERE "+fence, c.fenceArgs(w.set()...)...)
		if err := s.fenced(res, err); err != nil {
			return err
		}
		tx.tell(Event{Key: c.Resource.ID.Key(), State: c.Resource.State})
		if c.Operation == nil {
			return nil
		}
		steps := append(slices.Clone(c.Operation.Steps), berth.Step{At: fromMicros(s.now()), Message: message})
		steps = steps[max(len(steps)-maxSteps, 0):]
		err = changeOperation(ctx, tx, c.Operation.ID, func(w *operationRow) {
			w.message, w.steps = text(plain(message)), text(toJSON(steps))
		})
		if err == nil {
			c.Operation.Steps = steps
		}
		return err
	})
}

// Retry releases the row until due and counts the failed try. The operation shows message meanwhile. ErrLost as for Heartbeat.
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
		return changeOperation(ctx, tx, c.Operation.ID, func(w *operationRow) { w.message = text(plain(message)) })
	})
}

// Survived resets the count of crashes: the server has worked on the resource and still runs, so the resource did not cause them.
func (s *Store) Survived(ctx context.Context, c *Claim) error {
	return s.fenced(s.write.ExecContext(ctx, "UPDATE resources SET crashes = 0 WHERE "+fence, c.fenceArgs()...))
}

// Postpone releases the resource unchanged, to be claimed again at due. ErrLost as for Heartbeat.
func (s *Store) Postpone(ctx context.Context, c *Claim, due time.Time) error {
	return s.fenced(s.write.ExecContext(ctx, "UPDATE resources SET due_at = ?, "+free+" WHERE "+fence, c.fenceArgs(micros(due))...))
}

// Release gives up the lease of a claim that was lost to a newer change, or of a server that stops. The resource stays due.
func (s *Store) Release(ctx context.Context, c *Claim) error {
	return s.tx(ctx, func(tx *txn) error {
		tx.tell(Event{Key: c.Resource.ID.Key(), State: c.Resource.State})
		_, err := tx.ExecContext(ctx, "UPDATE resources SET "+free+" WHERE key = ? AND lease_owner = ?", c.Resource.ID.Key(), c.lease)
		return err
	})
}

// FreeLeases ends every lease of this server and makes the rows that were set aside due once more. It counts each lease that it ends
// as a crash, because the server died while it worked on the resource. Call it at the start, before the first claim.
func (s *Store) FreeLeases(ctx context.Context) error {
	return s.tx(ctx, func(tx *txn) error {
		if err := freeLeases(ctx, tx, s.leasePrefix()); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, "UPDATE resources SET due_at = ?, attempts = 0 WHERE attempts < 0", s.now())
		return err
	})
}

// CapDue makes due at once what would be due later than most from now. It is for a clock that was set back: nothing is lost when a row
// is worked on too early.
func (s *Store) CapDue(ctx context.Context, most time.Duration) error {
	return s.tx(ctx, func(tx *txn) error {
		now := s.now()
		_, err := tx.ExecContext(ctx, "UPDATE resources SET due_at = ? WHERE due_at > ? AND (server = '' OR server = ?)", now,
			now+most.Microseconds(), s.Self().ID)
		return err
	})
}

func freeLeases(ctx context.Context, tx *txn, prefix string) error {
	_, err := tx.ExecContext(ctx, "UPDATE resources SET crashes = crashes + 1, "+free+" WHERE lease_owner <> '' AND lease_owner LIKE ?",
		prefix+"%")
	return err
}

// Self is this server; the zero Server when there can be no other.
func (s *Store) Self() Server {
	if s.others == nil {
		return Server{}
	}
	return s.others.self
}

// leasePrefix begins the owners of this server's leases; empty when there can be no other server.
func (s *Store) leasePrefix() string {
	if s.others == nil {
		return ""
	}
	return s.others.self.ID + "/"
}

// Belong makes this server the only one that may work on a resource: it runs the cluster. Nothing changes where there can be no other
// server. ErrLost as for Heartbeat.
func (s *Store) Belong(ctx context.Context, c *Claim) error {
	if s.others == nil {
		return nil
	}
	var server string
	err := s.read.QueryRowContext(ctx, "SELECT COALESCE(MAX(server), '') FROM resources WHERE key = ?", c.Resource.ID.Key()).Scan(&server)
	if err != nil || server == s.Self().ID {
		return s.storageError(err)
	}
	return s.HandOver(ctx, c, s.Self().ID, false)
}

// HandOver makes another server the only one that may work on a resource, and with release gives up the claim. ErrLost as for Heartbeat.
func (s *Store) HandOver(ctx context.Context, c *Claim, server string, release bool) error {
	set := ""
	if release {
		set = ", " + free
	}
	return s.tx(ctx, func(tx *txn) error {
		if release {
			tx.tell(Event{Key: c.Resource.ID.Key(), State: c.Resource.State})
		}
		return s.fenced(tx.ExecContext(ctx, "UPDATE resources SET server = ?"+set+" WHERE "+fence, c.fenceArgs(server)...))
	})
}

// nextDue is the first time at which a row without a lease is due or a lease ends. Each half reads the beginning of an index.
const nextDue = `SELECT MIN(at) FROM (
  SELECT * FROM (SELECT due_at AS at FROM resources WHERE due_at IS NOT NULL AND lease_owner = '' AND (server = '' OR server = ?)
    ORDER BY due_at LIMIT 1) AS free
  UNION ALL
  SELECT CASE WHEN lease_until > due_at THEN lease_until ELSE due_at END FROM resources
    WHERE lease_owner <> '' AND (server = '' OR server = ?)) AS waits`

// NextDue is the time at which the next row can be claimed; the zero time when there is none.
func (s *Store) NextDue(ctx context.Context) (time.Time, error) {
	if err := ctx.Err(); err != nil {
		return time.Time{}, err
	}
	var at sql.NullInt64
	err := s.nextDue.QueryRowContext(context.WithoutCancel(ctx), s.Self().ID, s.Self().ID).Scan(&at)
	return fromMicros(at.Int64), err
}
