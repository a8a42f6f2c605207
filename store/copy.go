package store

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"berth.dev/berth"
)

// queueColumns are the columns of resources that the checksum leaves out and that are copied all the same. Leases are not: the server
// that had them does not run.
var queueColumns = []string{"due_at", "attempts", "crashes", "subscription", "group_key", "parent_key"}

// Copied is how many records of a table were copied, and the checksum of them all.
type Copied struct {
	Table    string
	Records  int
	Checksum int64
}

// CopyTo copies everything into an empty store of another engine, in one transaction, and compares the two afterwards. Clusters that
// this installation runs belong to the server of the other store from then on. No server may work with either.
func (s *Store) CopyTo(ctx context.Context, to *Store) (done []Copied, err error) {
	err = to.tx(ctx, func(tx *txn) error {
		for _, t := range tables {
			var there int
			if err := tx.QueryRowContext(ctx, "SELECT COUNT(*) FROM "+t.name).Scan(&there); err != nil { // #nosec G202 -- a constant
				return err
			}
			if there > 0 {
				return fmt.Errorf("the table %s is not empty: copy into a new database", t.name)
			}
			if err := s.copyTable(ctx, tx, t); err != nil {
				return fmt.Errorf("copy %s: %w", t.name, err)
			}
		}
		_, err := tx.ExecContext(ctx, "UPDATE resources SET server = ? WHERE type = ? AND body NOT LIKE ?", to.Self().ID, berth.TypeCluster,
			`%"connected":true%`)
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, t := range tables {
		ours, err := s.sumOf(ctx, t)
		if err != nil {
			return done, err
		}
		theirs, err := to.sumOf(ctx, t)
		if err != nil {
			return done, err
		}
		if ours != theirs {
			return done, fmt.Errorf("the copy of %s differs: %d records with the checksum %x, not %d with %x", t.name, theirs.Records,
				theirs.Checksum, ours.Records, ours.Checksum) // #nosec G115 -- the bits
		}
		done = append(done, ours)
	}
	return done, nil
}

// copied are the columns of a table that are copied.
func (t table) copied() []string {
	all := append(append([]string{}, t.content...), "checksum")
	switch t.name {
	case "resources":
		all = append(all, queueColumns...)
	case "operations":
		all = append(all, "subscription")
	}
	return all
}

func (s *Store) copyTable(ctx context.Context, to *txn, t table) (err error) {
	columns := strings.Join(t.copied(), ", ")
	rows, err := s.read.QueryContext(ctx, "SELECT "+columns+" FROM "+t.name) // #nosec G202 -- constants of this package
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	insert := "INSERT INTO " + t.name + " (" + columns + ") VALUES (" +
		strings.TrimSuffix(strings.Repeat("?, ", len(t.copied())), ", ") + ")"
	for rows.Next() {
		values, dest := make([]any, len(t.copied())), make([]any, len(t.copied()))
		for i := range values {
			dest[i] = &values[i]
		}
		if err := rows.Scan(dest...); err != nil {
			return err
		}
		if _, err := to.ExecContext(ctx, insert, values...); err != nil {
			return err
		}
	}
	return rows.Err()
}

// sumOf counts the records of a table and sums them up, whatever their order.
func (s *Store) sumOf(ctx context.Context, t table) (sum Copied, err error) {
	sum.Table = t.name
	rows, err := s.read.QueryContext(ctx, "SELECT "+strings.Join(t.copied(), ", ")+" FROM "+t.name) // #nosec G202 -- constants of this package
	if err != nil {
		return sum, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		values, dest := make([]any, len(t.copied())), make([]any, len(t.copied()))
		for i := range values {
			dest[i] = &values[i]
		}
		if err := rows.Scan(dest...); err != nil {
			return sum, err
		}
		sum.Records++
		sum.Checksum += checksumOf(values...)
	}
	return sum, rows.Err()
}
