package store_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/jonboulle/clockwork"

	"berth.dev/berth/rules"
	"berth.dev/berth/store"
	"berth.dev/berth/store/postgrestest"
)

func TestPostgres(t *testing.T) {
	c := postgrestest.Start(t, false)
	conformance(t, func(t testing.TB, clock clockwork.Clock) *store.Store { return openDatabase(t, c.Database(t), clock) })
}

func openDatabase(t testing.TB, address string, clock clockwork.Clock) *store.Store {
	t.Helper()
	self := store.Server{ID: uuid.NewString(), Name: "one"}
	s, err := store.OpenPostgres(t.Context(), address, self, store.Options{Clock: clock, Sealer: box, Explain: rules.Explain})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}
