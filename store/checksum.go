package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc64"
	"slices"
	"strings"
)

// table names the columns of a table that its checksums cover: all but those of the queue (leases, due times, counters), which
// change without a change of content, and those that an index repeats.
type table struct {
	name    string
	key     []string // the primary key
	content []string // with the key
}

var tables = slices.Concat(firstTables[:1], []table{operations}, firstTables[2:], []table{
	{"people", []string{"id"}, []string{"id", "body"}},
	{"people_groups", []string{"id"}, []string{"id", "body"}},
	{"activity", []string{"id"}, strings.Split(activityColumns, ", ")},
})

var operations = table{"operations", []string{"id"}, strings.Split(operationColumns, ", ")}

// firstTables are those that there were when checksums began.
var firstTables = []table{
	{"resources", []string{"key"}, strings.Split(resourceColumns, ", ")},
	{"operations", []string{"id"}, strings.Split(firstOperationColumns, ", ")},
	{"holds", []string{"cluster_key"}, []string{"cluster_key", "holder_key", "holder_id", "since", "caller"}},
	{"secrets", []string{"resource_key", "name"}, []string{"resource_key", "name", "value"}},
	{"residues", []string{"cluster_key", "holder_key"}, []string{"cluster_key", "holder_key", "detail", "created_at"}},
	{"applications", []string{"id"}, []string{"id", "body"}},
}

var errChecksum = errors.New("its checksum does not match: the file was damaged")

var polynomial = crc64.MakeTable(crc64.ECMA)

// checksumOf is the checksum of texts, bytes and whole numbers, as they are stored.
func checksumOf(values ...any) int64 {
	var sum uint64
	var head [9]byte
	add := func(kind byte, n uint64) {
		head[0] = kind
		binary.BigEndian.PutUint64(head[1:], n)
		sum = crc64.Update(sum, polynomial, head[:])
	}
	for _, v := range values {
		switch v := v.(type) {
		case string:
			add('t', uint64(len(v)))
			sum = crc64.Update(sum, polynomial, []byte(v))
		case text:
			add('t', uint64(len(v)))
			sum = crc64.Update(sum, polynomial, []byte(v))
		case []byte:
			add('t', uint64(len(v)))
			sum = crc64.Update(sum, polynomial, v)
		case int64:
			add('n', uint64(v)) // #nosec G115 -- the bits
		case number:
			add('n', uint64(v)) // #nosec G115 -- the bits
		default:
			add('?', 0)
		}
	}
	return int64(sum) // #nosec G115 -- the bits
}

// checksum is a value of the column. It accepts values of every type, because a damaged row must not end a read.
type checksum struct {
	sum int64
	set bool // false: NULL
}

// Scan implements sql.Scanner.
func (c *checksum) Scan(v any) error {
	c.sum, _ = v.(int64)
	c.set = v != nil
	return nil
}

// differs is the difference between the stored checksum and that of the content: 0 for a sound row. A write that changes a part
// of a row adds it to the new checksum, so that a damaged row stays recognizable.
func (c checksum) differs(content int64) int64 {
	if !c.set {
		return 0
	}
	return c.sum ^ content
}

// sumAll computes the checksums of rows that an older Berth wrote. It runs in the transaction of the schema change.
func sumAll(ctx context.Context, tx *txn) error {
	for _, t := range firstTables {
		if err := t.sum(ctx, tx, func(values []any, _ checksum) any { return checksumOf(values...) }); err != nil {
			return err
		}
	}
	return nil
}

// sumOrigins computes the checksums of operations anew, which have an origin from then on. A damaged row stays recognizable.
func sumOrigins(ctx context.Context, tx *txn) error {
	return operations.sum(ctx, tx, func(values []any, old checksum) any {
		if !old.set {
			return nil
		}
		return checksumOf(values...) ^ old.differs(checksumOf(values[:len(firstTables[1].content)]...))
	})
}

// sum gives every row a checksum of its content and of the one that it has.
func (t table) sum(ctx context.Context, tx *txn, of func(values []any, old checksum) any) error {
	keys, err := t.keys(ctx, tx)
	if err != nil {
		return err
	}
	// #nosec G202 -- constants of this file
	read := "SELECT " + strings.Join(t.content, ", ") + ", checksum FROM " + t.name + " WHERE " + t.where()
	for _, key := range keys {
		values, dest := make([]any, len(t.content)), make([]any, len(t.content))
		for i := range values {
			dest[i] = &values[i]
		}
		var old checksum
		if err := tx.QueryRowContext(ctx, read, key...).Scan(append(dest, &old)...); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "UPDATE "+t.name+" SET checksum = ? WHERE "+t.where(),
			append([]any{of(values, old)}, key...)...); err != nil {
			return err
		}
	}
	return nil
}

func (t table) where() string { return strings.Join(t.key, " = ? AND ") + " = ?" }

func (t table) keys(ctx context.Context, tx *txn) (all [][]any, err error) {
	rows, err := tx.QueryContext(ctx, "SELECT "+strings.Join(t.key, ", ")+" FROM "+t.name) // #nosec G202 -- constants of this file
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		key := make([]any, len(t.key))
		dest := make([]any, len(t.key))
		for i := range key {
			dest[i] = &key[i]
		}
		if err := rows.Scan(dest...); err != nil {
			return nil, err
		}
		all = append(all, key)
	}
	return all, rows.Err()
}

// checkRows compares every row of a table with its checksum and sets aside those that differ. It reads a page at a time, because
// a long read would keep SQLite from truncating its log.
func (s *Store) checkRows(ctx context.Context, t table) error {
	const page = 500
	last := make([]any, len(t.key)) // the key of the last row
	for i := range last {
		last[i] = ""
	}
	for {
		n, err := s.checkPage(ctx, t, page, last)
		if err != nil || n < page {
			return err
		}
	}
}

func (s *Store) checkPage(ctx context.Context, t table, page int, last []any) (n int, err error) {
	keys := strings.Join(t.key, ", ")
	// #nosec G202 -- constants of this file
	rows, err := s.read.QueryContext(ctx, "SELECT "+strings.Join(t.content, ", ")+", checksum FROM "+t.name+
		" WHERE ("+keys+") > ("+strings.TrimSuffix(strings.Repeat("?, ", len(last)), ", ")+") ORDER BY "+keys+" LIMIT ?",
		append(slices.Clone(last), page)...)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for ; rows.Next(); n++ {
		values, dest := make([]any, len(t.content)), make([]any, len(t.content))
		for i := range values {
			dest[i] = &values[i]
		}
		var sum checksum
		if err := rows.Scan(append(dest, &sum)...); err != nil {
			return n, err
		}
		name := make([]string, len(t.key))
		for i := range t.key { // the content begins with the key
			last[i], name[i] = values[i], fmt.Sprintf("%s", values[i])
		}
		if sum.differs(checksumOf(values...)) != 0 {
			s.setAside(t.name, strings.Join(name, "#"), errChecksum)
		}
	}
	return n, rows.Err()
}
