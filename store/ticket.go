package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"berth.dev/berth"
)

const (
	getTicket    = "SELECT owner, body, expires FROM tickets WHERE hash = ? AND kind = ? AND expires > ?"
	putTicket    = "INSERT INTO tickets (hash, kind, owner, body, expires) VALUES (?, ?, ?, ?, ?)"
	countTickets = "SELECT COUNT(*), COUNT(CASE WHEN owner = ? THEN 1 END) FROM tickets WHERE kind = ?"
)

// AddTicket stores a ticket, and deletes those that have expired. ok is false when there is no room for it.
func (s *Store) AddTicket(ctx context.Context, t berth.Ticket, room berth.TicketRoom) (ok bool, err error) {
	err = s.tx(ctx, func(tx *txn) error {
		ok = false // it may run twice
		if _, err := tx.ExecContext(ctx, "DELETE FROM tickets WHERE expires <= ?", s.clock.Now().Unix()); err != nil {
			return err
		}
		var all, one int
		if err := tx.QueryRowContext(ctx, countTickets, t.Owner, t.Kind).Scan(&all, &one); err != nil {
			return err
		}
		if all >= room.All || one >= room.One {
			return nil
		}
		ok = true
		_, err := tx.ExecContext(ctx, putTicket, t.Hash, t.Kind, t.Owner, string(t.Body), t.Expires.Unix())
		return err
	})
	return ok && err == nil, err
}

// Ticket is a ticket that has not expired. It has no hash when there is none.
func (s *Store) Ticket(ctx context.Context, kind berth.TicketKind, hash string) (berth.Ticket, error) {
	return readTicket(s.read.QueryRowContext(ctx, getTicket, hash, kind, s.clock.Now().Unix()), kind, hash)
}

func readTicket(row *sql.Row, kind berth.TicketKind, hash string) (berth.Ticket, error) {
	t := berth.Ticket{Hash: hash, Kind: kind}
	var body text
	var expires int64
	err := row.Scan(&t.Owner, &body, &expires)
	if errors.Is(err, sql.ErrNoRows) {
		return berth.Ticket{}, nil
	}
	t.Body, t.Expires = []byte(body), time.Unix(expires, 0).UTC()
	return t, err
}

// AlterTicket changes a ticket in one step, and returns it as it is then; it has no hash when there is none. An error of change is
// returned as it is, and the ticket stays as it was.
func (s *Store) AlterTicket(ctx context.Context, kind berth.TicketKind, hash string, change func(*berth.Ticket) error,
) (t berth.Ticket, err error) {
	err = s.tx(ctx, func(tx *txn) (err error) {
		t, err = readTicket(tx.QueryRowContext(ctx, getTicket, hash, kind, s.clock.Now().Unix()), kind, hash)
		if err != nil || t.Hash == "" {
			return err
		}
		if err := change(&t); err != nil {
			return err
		}
		if t.Expires.IsZero() {
			_, err = tx.ExecContext(ctx, "DELETE FROM tickets WHERE hash = ?", hash)
			return err
		}
		_, err = tx.ExecContext(ctx, "UPDATE tickets SET owner = ?, body = ?, expires = ? WHERE hash = ?", t.Owner, string(t.Body),
			t.Expires.Unix(), hash)
		return err
	})
	return t, err
}
