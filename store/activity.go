package store

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"berth.dev/berth"
)

// Request is a request on its way, as a context has it: Accept writes it into the activity log with the change.
type Request struct {
	Origin berth.Origin
	logged bool // a change of it is in the log
}

// Logged reports whether a change that was accepted for the request is in the activity log.
func (r *Request) Logged() bool { return r.logged }

type requestKey struct{}

// For is a context in which changes are accepted for a request.
func For(ctx context.Context, r *Request) context.Context {
	return context.WithValue(ctx, requestKey{}, r)
}

// RequestOf is the request of a context; an empty one when it has none.
func RequestOf(ctx context.Context) *Request {
	if r, has := ctx.Value(requestKey{}).(*Request); has {
		return r
	}
	return &Request{}
}

// logChange writes an accepted change into the log. A request is one event, however many changes it has; what Berth changes by itself as
// a part of an operation is an event for each change.
func (s *Store) logChange(ctx context.Context, tx *txn, c *Change, r *berth.Resource, op *berth.Operation) error {
	q := RequestOf(ctx)
	o := q.Origin
	if o.Caller == "" {
		o.Caller = c.Caller
	}
	if op != nil {
		op.Origin = o
	}
	if q.logged && o.Right != "" {
		return nil
	}
	a := berth.Activity{Origin: o.Of(r.ID, c.Verb), Resource: about(o, r.ID), Status: berth.StateSucceeded}
	if op != nil {
		a.Operation, a.Status = op.ID, berth.StateAccepted
	}
	return s.logEvent(ctx, tx, a)
}

// logEnd writes the end of an operation into the log.
func (s *Store) logEnd(ctx context.Context, tx *txn, w *operationRow, e end) error {
	id, err := berth.ParseID(string(w.resourceID))
	if err != nil {
		return nil // the row is damaged, and is reported as such
	}
	var o berth.Origin
	if fromJSON(string(w.origin), &o) != nil || o.Caller == "" {
		o.Caller = string(w.caller)
	}
	a := berth.Activity{Origin: o.Of(id, berth.Verb(w.verb)), Resource: about(o, id), Operation: string(w.id), Status: e.state}
	if e.fault != nil {
		a.Code, a.Message = e.fault.Code, e.fault.Message
	}
	return s.logEvent(ctx, tx, a)
}

// about is what an event is about: what the right was needed for, or the resource inside it that was changed.
func about(o berth.Origin, changed berth.ID) string {
	if o.Scope == "" || strings.HasPrefix(changed.Key(), strings.ToLower(o.Scope)+"/") {
		return changed.String()
	}
	return o.Scope
}

// Log writes an event that belongs to no change, such as a refused request. It returns when the disk has it. Of the refused requests of
// a caller it writes MaxRefused in a minute.
func (s *Store) Log(ctx context.Context, a berth.Activity) error {
	if a.Status == berth.StateFailed {
		var lets bool
		if a.Unlogged, lets = s.refusals.let(a.Origin.ObjectID, s.clock.Now()); !lets {
			return nil
		}
	}
	return s.tx(context.WithoutCancel(ctx), func(tx *txn) error { return s.logEvent(ctx, tx, a) })
}

// logged runs a write, and writes the request that it is for into the log with it.
func (s *Store) logged(ctx context.Context, do func(*txn) error) error {
	q := RequestOf(ctx)
	if q.Origin.Right == "" || q.logged {
		return s.tx(ctx, do)
	}
	err := s.tx(ctx, func(tx *txn) error {
		if err := do(tx); err != nil {
			return err
		}
		return s.logEvent(ctx, tx, berth.Activity{Origin: q.Origin, Resource: q.Origin.Scope, Status: berth.StateSucceeded})
	})
	q.logged = err == nil
	return err
}

func (s *Store) logEvent(ctx context.Context, tx *txn, a berth.Activity) error {
	a.At = fromMicros(s.now())
	a.Message = plain(a.Message)
	w := activityRow{
		id: text(s.activityID(a.At)), resourceKey: text(strings.ToLower(a.Resource)), provider: text(providerOf(a.Origin.Right)),
		correlation: text(strings.ToLower(a.Origin.Correlation)), caller: text(strings.ToLower(a.Origin.Called())),
		status: text(strings.ToLower(string(a.Status))), body: text(plain(toJSON(a))),
	}
	_, err := tx.ExecContext(ctx, "INSERT INTO activity ("+activityColumns+", checksum) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
		w.id, w.resourceKey, w.provider, w.correlation, w.caller, w.status, w.body, w.content())
	return err
}

// providerOf is the resource provider of an action, in lower case.
func providerOf(right string) string {
	provider, _, _ := strings.Cut(strings.ToLower(right), "/")
	return provider
}

const activityColumns = "id, resource_key, provider, correlation, caller, status, body"

// activityRow is a row of the table activity, undecoded.
type activityRow struct{ id, resourceKey, provider, correlation, caller, status, body text }

func (w *activityRow) content() int64 {
	return checksumOf(w.id, w.resourceKey, w.provider, w.correlation, w.caller, w.status, w.body)
}

// activities counts the events of this process, so that those of one microsecond keep their order.
var activities atomic.Uint32

// activityID makes the id of an event: a UUID of version 7, with the microseconds behind the milliseconds.
func activityID(at time.Time, counted uint32, random []byte) string {
	var id uuid.UUID
	micros := uint64(max(at.UnixMicro(), 0)) // #nosec G115 -- not negative
	binary.BigEndian.PutUint64(id[:8], micros/1000<<16|0x7000|micros%1000<<2)
	binary.BigEndian.PutUint32(id[8:12], 0x80000000|counted&0x3fffffff)
	copy(id[12:], random)
	return id.String()
}

func (s *Store) activityID(at time.Time) string {
	random := make([]byte, 4)
	_, _ = rand.Read(random) // never fails
	return activityID(at, activities.Add(1), random)
}

// ActivityQuery selects events. An empty field selects all; texts are compared in any casing.
type ActivityQuery struct {
	From, To time.Time // both included
	Group    string    // name of a resource group
	Resource string    // id, without what is inside it
	Provider string    // "Microsoft.ContainerService"
	Status   string
	Caller   string // client id or user principal name

	Correlation string
	After       string // id of an event: only those before it
	Limit       int
}

// where is the condition of a query, and its arguments.
func (q ActivityQuery) where(subscription string) (condition string, args []any) {
	var all []string
	add := func(more string, values ...any) { all, args = append(all, more), append(args, values...) }
	add("id >= ?", activityID(q.From, 0, nil))
	if !q.To.IsZero() {
		add("id < ?", activityID(q.To.Add(time.Microsecond), 0, nil))
	}
	if q.After != "" {
		add("id < ?", q.After)
	}
	if q.Group != "" {
		key := berth.GroupID(subscription, q.Group).Key()
		add("(resource_key = ? OR resource_key >= ? AND resource_key < ?)", key, key+"/", key+"0")
	}
	for _, one := range []struct{ column, value string }{
		{"resource_key", strings.TrimSuffix(q.Resource, "/")}, {"provider", q.Provider}, {"correlation", q.Correlation},
		{"caller", q.Caller}, {"status", q.Status},
	} {
		if one.value != "" {
			add(one.column+" = ?", strings.ToLower(one.value))
		}
	}
	return strings.Join(all, " AND "), args
}

// Activities lists events of a subscription, the newest first.
func (s *Store) Activities(ctx context.Context, subscription string, q ActivityQuery) (all []berth.Activity, err error) {
	where, args := q.where(subscription)
	// #nosec G202 -- all parts are constants of this file
	rows, err := s.read.QueryContext(ctx, "SELECT "+activityColumns+", checksum FROM activity WHERE "+where+" ORDER BY id DESC LIMIT ?",
		append(args, q.Limit)...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var w activityRow
		var sum checksum
		if err := rows.Scan(&w.id, &w.resourceKey, &w.provider, &w.correlation, &w.caller, &w.status, &w.body, &sum); err != nil {
			return nil, err
		}
		all = append(all, s.activity(&w, sum))
	}
	return all, rows.Err()
}

// activity is the event of a row. One that cannot be read is shown with what its columns still say, and its code says so.
func (s *Store) activity(w *activityRow, sum checksum) berth.Activity {
	var a berth.Activity
	err := json.Unmarshal([]byte(w.body), &a)
	if sum.differs(w.content()) != 0 {
		err = errChecksum
	}
	if err != nil {
		s.setAside("activity", string(w.id), err)
		a = berth.Activity{Resource: string(w.resourceKey), Status: berth.StateFailed, Code: berth.CodeUnreadable,
			Origin: berth.Origin{Caller: string(w.caller), Correlation: string(w.correlation)}}
	}
	a.ID = string(w.id)
	return a
}

// purgeStep is how many events one commit removes, so that no write waits long for it.
const purgeStep = 500

// PurgeActivity deletes the events that are older than keep, in small steps, and returns their number.
func (s *Store) PurgeActivity(ctx context.Context, keep time.Duration) (n int64, err error) {
	before := activityID(s.clock.Now().Add(-keep), 0, nil)
	for {
		if err := ctx.Err(); err != nil {
			return n, err
		}
		var gone int64
		err := s.tx(ctx, func(tx *txn) error {
			res, err := tx.ExecContext(ctx, "DELETE FROM activity WHERE id IN (SELECT id FROM activity WHERE id < ? ORDER BY id LIMIT ?)",
				before, purgeStep)
			if err != nil {
				return err
			}
			gone, err = res.RowsAffected()
			return err
		})
		n += gone
		if err != nil || gone < purgeStep {
			return n, err
		}
	}
}
