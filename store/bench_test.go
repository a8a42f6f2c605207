package store_test

import (
	"context"
	"database/sql"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"

	"berth.dev/berth"
	"berth.dev/berth/store"
)

// versus times two things in turn, so that both see the same disk and the same neighbours.
func versus(b *testing.B, ours, bare func(i int) error) {
	b.Helper()
	var spent [2]time.Duration
	i := 0
	for b.Loop() {
		for n, f := range []func(int) error{ours, bare} {
			start := time.Now()
			if err := f(i); err != nil {
				b.Fatal(err)
			}
			spent[n] += time.Since(start)
		}
		i++
	}
	b.ReportMetric(0, "ns/op") // it would be the sum of both
	b.ReportMetric(float64(spent[0].Microseconds())/float64(i), "µs/ours")
	b.ReportMetric(float64(spent[1].Microseconds())/float64(i), "µs/bare")
	b.ReportMetric(float64(spent[0])/float64(spent[1]), "ratio")
}

func benchStore(b *testing.B) *store.Store {
	b.Helper()
	s := openSQLite(b, clockwork.NewRealClock())
	first := change(berth.VerbCreate, compute, 0, "first")
	first.Settled = true
	for _, x := range []store.Change{settled(group, &berth.Group{}, 0), settled(workspace, &berth.Workspace{}, 0), first} {
		if _, _, err := s.Accept(b.Context(), x); err != nil {
			b.Fatal(err)
		}
	}
	return s
}

// bareInsert commits one row of about the same size and nothing else.
func bareInsert(b *testing.B, ctx context.Context, s *store.Store) func(i int) error {
	b.Helper()
	db := s.WriteDB()
	if _, err := db.Exec("CREATE TABLE bare (n INTEGER PRIMARY KEY, body TEXT NOT NULL)"); err != nil {
		b.Fatal(err)
	}
	insert, err := db.Prepare("INSERT INTO bare (n, body) VALUES (?, ?)")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = insert.Close() })
	body := make([]byte, 700)
	return func(i int) error {
		_, err := insert.ExecContext(ctx, i, string(body))
		return err
	}
}

func BenchmarkAcceptSettled(b *testing.B) {
	s := benchStore(b)
	ctx := b.Context()
	x := change(berth.VerbUpdate, compute, 0, "second")
	x.Settled = true
	versus(b, func(i int) error {
		x.Base = int64(i) + 1
		_, _, err := s.Accept(ctx, x)
		return err
	}, bareInsert(b, ctx, s))
}

// BenchmarkLife is one change from accept to finish: three commits.
func BenchmarkLife(b *testing.B) {
	s := benchStore(b)
	ctx := b.Context()
	versus(b, func(i int) error {
		if _, _, err := s.Accept(ctx, change(berth.VerbUpdate, compute, int64(i)+1, "second")); err != nil {
			return err
		}
		c, err := s.Claim(ctx, "a", leased)
		if err != nil {
			return err
		}
		return s.Finish(ctx, c, store.Outcome{State: berth.StateSucceeded})
	}, bareInsert(b, ctx, s))
}

func BenchmarkGet(b *testing.B) {
	s := benchStore(b)
	ctx := b.Context()
	get, err := s.WriteDB().Prepare("SELECT body FROM resources WHERE key = ?")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = get.Close() })
	key := compute.Key()
	versus(b, func(int) error {
		_, err := s.Get(ctx, compute)
		return err
	}, func(int) error {
		var body sql.RawBytes
		rows, err := get.QueryContext(ctx, key)
		if err != nil {
			return err
		}
		for rows.Next() {
			if err := rows.Scan(&body); err != nil {
				return err
			}
		}
		return rows.Close()
	})
}
