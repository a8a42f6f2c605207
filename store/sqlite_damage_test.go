package store_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"

	"berth.dev/berth"
	"berth.dev/berth/rules"
	"berth.dev/berth/store"
)

// full is the path of a closed database with records of every kind, in a few hundred pages.
func full(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "berth.db")
	w := newWorld(t, func(t testing.TB, clock clockwork.Clock) *store.Store { return openFile(t, path, clock) })
	for i := range 150 {
		id := workspace.Child("computes", fmt.Sprint("c", i))
		x := change(berth.VerbCreate, id, 0, strings.Repeat("words of a body ", i%40*10)) // some over several pages
		x.Hold = berth.NewID(sub, "Team-RG", berth.TypeCluster, fmt.Sprint("Aks-", i))
		x.Secrets = map[string][]byte{berth.SecretToken: []byte(id.Name())}
		w.accept(x)
		c := w.claim(fmt.Sprint("a", i))
		w.must(w.s.Progress(w.ctx, c, "under way"))
		o := store.Outcome{State: berth.StateSucceeded, CheckAt: w.clock.Now().Add(time.Hour)}
		if i%10 == 0 {
			o.Cleanup = &store.Cleanup{Cluster: cluster, Holder: id, Detail: []byte(`{"namespace": "azureml-vision"}`)}
		}
		w.finish(c, o)
		w.must(w.s.PutApplication(w.ctx, berth.Application{ID: fmt.Sprint("app-", i), Name: "a name"}))
	}
	w.must(w.s.Close())
	return path
}

// content is all that readers can see of a database, as text.
func content(t *testing.T, s *store.Store) string {
	t.Helper()
	var seen []any
	see := func(v any, err error) { seen = append(seen, v, fmt.Sprint(err)) }
	all, err := s.All(t.Context(), store.Query{})
	see(all, err)
	for _, r := range all {
		see(s.Secret(t.Context(), r.ID, berth.SecretToken))
		see(s.Get(t.Context(), r.ID))
	}
	for _, q := range []store.Query{{Type: berth.TypeCompute}, {Parent: workspace}, {Group: group}, {Subscription: sub}} {
		see(s.All(t.Context(), q))
	}
	for i := range 150 {
		see(s.Holder(t.Context(), berth.NewID(sub, "Team-RG", berth.TypeCluster, fmt.Sprint("Aks-", i))))
	}
	see(s.Operations(t.Context(), berth.ID{}, false, 1000))
	see(s.AllCleanups(t.Context()))
	see(s.Cleanups(t.Context(), cluster))
	see(s.Applications(t.Context()))
	see(s.Activities(t.Context(), sub, store.ActivityQuery{Limit: 1000}))
	text, err := json.Marshal(seen)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestDamage: every damage of the file is found at the start or by Verify, or it changes nothing that can be read.
func TestDamage(t *testing.T) {
	path := full(t)
	sound, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	clock := clockwork.NewFakeClockAt(time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC))
	open := func(t *testing.T, path string) (*store.Store, error) {
		return store.Open(t.Context(), path, store.Options{Clock: clock, Sealer: box, Explain: rules.Explain})
	}
	s, err := open(t, path)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Verify(t.Context()); err != nil {
		t.Fatalf("a sound database: %v", err)
	}
	before := content(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	chance := rand.New(rand.NewPCG(11, 6))
	var atStart, byVerify, harmless int
	for n := range damageTries {
		text := bytes.Clone(sound)
		switch n % 3 {
		case 0:
			page := chance.IntN(len(text)/4096) * 4096
			clear(text[page : page+4096])
		case 1:
			text[chance.IntN(len(text))] ^= 1 << chance.IntN(8)
		default:
			at := chance.IntN(len(text) - 16)
			for i := range 16 {
				text[at+i] = byte(chance.IntN(256))
			}
		}
		path := filepath.Join(t.TempDir(), "berth.db")
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := open(t, path)
		if err != nil {
			atStart++
			continue
		}
		switch err := s.Verify(t.Context()); {
		case err != nil:
			byVerify++
			if s.Unreadable() == 0 && s.Ping(t.Context()) == nil {
				t.Errorf("damage %d: found (%v), and neither counted nor shown", n, err)
			}
		case content(t, s) != before:
			t.Errorf("damage %d went unnoticed", n)
		default:
			harmless++
		}
		_ = s.Close()
	}
	t.Logf("%d noticed at the start, %d by Verify, %d without effect", atStart, byVerify, harmless)
}

const damageTries = 40

// TestChecksumsOfAnOlderDatabase: rows of a schema without checksums get them, and their content stays the same.
func TestChecksumsOfAnOlderDatabase(t *testing.T) {
	path := full(t)
	s := openFile(t, path, clockwork.NewRealClock())
	for _, later := range []string{"DELETE FROM activity", "UPDATE operations SET origin = '', checksum = NULL"} {
		if _, err := s.WriteDB().Exec(later); err != nil {
			t.Fatal(err)
		}
	}
	before := content(t, s)
	tables := []string{"resources", "operations", "holds", "secrets", "residues", "applications"}
	for _, table := range tables {
		if _, err := s.WriteDB().Exec("ALTER TABLE " + table + " DROP COLUMN checksum"); err != nil {
			t.Fatal(err)
		}
	}
	for _, later := range []string{"DROP TABLE people", "DROP TABLE people_groups",
		"DROP TABLE refresh_tokens", "DROP TABLE tickets", "DROP TABLE servers", "DROP TABLE changes",
		"ALTER TABLE resources DROP COLUMN server", "DROP TABLE activity", "ALTER TABLE operations DROP COLUMN origin",
		"DELETE FROM schema_version WHERE version >= 7"} {
		if _, err := s.WriteDB().Exec(later); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openFile(t, path, clockwork.NewRealClock())
	if after := content(t, s); after != before {
		t.Error("the content has changed")
	}
	if err := s.Verify(t.Context()); err != nil {
		t.Error(err)
	}
	for _, table := range tables {
		var n int
		if err := s.WriteDB().QueryRow("SELECT COUNT(*) FROM " + table + " WHERE checksum IS NULL").Scan(&n); err != nil || n != 0 {
			t.Errorf("%s: %d rows without a checksum, %v", table, n, err)
		}
	}
}
