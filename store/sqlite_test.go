package store_test

import (
	"bytes"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"

	"berth.dev/berth"
	"berth.dev/berth/rules"
	"berth.dev/berth/seal"
	"berth.dev/berth/store"
)

// box is one for all databases: they are opened again and again.
var box = func() *seal.Box {
	b, err := seal.Ephemeral()
	if err != nil {
		panic(err)
	}
	return b
}()

func TestSQLite(t *testing.T) { conformance(t, openSQLite) }

// No file of the database contains a secret in plain text, not even a deleted one. A new key opens the secrets as the old one did.
func TestSecretsAtRest(t *testing.T) {
	own, err := seal.Ephemeral()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "berth.db")
	w := newWorld(t, func(t testing.TB, clock clockwork.Clock) *store.Store {
		s, err := store.Open(t.Context(), path, store.Options{Clock: clock, Sealer: own, Explain: rules.Explain})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		return s
	})
	x := change(berth.VerbCreate, compute, 0, "first")
	x.Secrets = map[string][]byte{berth.SecretSSLKey: []byte("very-secret"), berth.SecretSubmitted: []byte("very-secret too")}
	w.accept(x)
	w.finish(w.claim("a"), store.Outcome{State: berth.StateSucceeded, Forget: []string{berth.SecretSubmitted}})
	if _, err := w.s.Secret(w.ctx, compute, berth.SecretSubmitted); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("what was to be forgotten is there: %v", err)
	}
	if n, _, err := w.s.Reseal(w.ctx); n != 0 || err != nil {
		t.Errorf("sealed again for nothing: %d, %v", n, err)
	}
	w.must(own.AddKey())
	n, _, err := w.s.Reseal(w.ctx)
	w.must(err)
	w.must(own.DropOldKeys())
	got, err := w.s.Secret(w.ctx, compute, berth.SecretSSLKey)
	if n != 1 || err != nil || string(got) != "very-secret" {
		t.Errorf("%d resealed: %q, %v", n, got, err)
	}
	all, err := filepath.Glob(path + "*")
	w.must(err)
	for _, file := range all {
		if text, err := os.ReadFile(file); err != nil || bytes.Contains(text, []byte("very-secret")) {
			t.Errorf("%s holds a secret as it is, or cannot be read: %v", file, err)
		}
	}
}

func openSQLite(t testing.TB, clock clockwork.Clock) *store.Store {
	t.Helper()
	return openFile(t, filepath.Join(t.TempDir(), "berth.db"), clock)
}

func openFile(t testing.TB, path string, clock clockwork.Clock) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), path, store.Options{Clock: clock, Sealer: box, Explain: rules.Explain})
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

// closedDatabase is the path of a closed database with a few records.
func closedDatabase(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "berth.db")
	w := newWorld(t, func(t testing.TB, clock clockwork.Clock) *store.Store { return openFile(t, path, clock) })
	for i := range 40 {
		w.settledCompute(workspace.Child("computes", fmt.Sprint("c", i)))
	}
	w.must(w.s.Close())
	return path
}

func TestReopenKeepsEverything(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a b%20c?#ü", "berth.db") // a folder name that is not a URL
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, func(t testing.TB, clock clockwork.Clock) *store.Store { return openFile(t, path, clock) })
	x := change(berth.VerbCreate, compute, 0, "first")
	x.Hold, x.Secrets = cluster, map[string][]byte{berth.SecretToken: []byte("hush")}
	w.accept(x)
	c := w.claim("a")
	w.must(w.s.Progress(w.ctx, c, "under way"))
	before := w.picture(c)
	w.must(w.s.Close())
	if _, err := os.Stat(path); err != nil {
		t.Fatal(err)
	}

	w.s = openFile(t, path, w.clock)
	if after := w.picture(c); after != before {
		t.Errorf("%s\nbefore: %s", after, before)
	}
	w.nothingDue() // the lease is kept too
	w.must(w.s.Heartbeat(w.ctx, c, leased))
	w.must(w.s.FreeLeases(w.ctx))
	w.finish(w.claim("b"), store.Outcome{State: berth.StateSucceeded})
}

func TestOpenRefuses(t *testing.T) {
	rewrite := func(path string, f func([]byte) []byte) error {
		text, err := os.ReadFile(path)
		return errors.Join(err, os.WriteFile(path, f(text), 0o600))
	}
	garble := func(from int) func([]byte) []byte {
		return func(b []byte) []byte { return append(b[:from:from], bytes.Repeat([]byte{0xa5}, len(b)-from)...) }
	}
	for name, c := range map[string]struct {
		harm func(path string) error // on a good database
		word string
	}{
		"newer": {func(path string) error {
			s, err := store.Open(t.Context(), path, store.Options{Clock: clockwork.NewRealClock(), Sealer: box, Explain: rules.Explain})
			if err != nil {
				return err
			}
			_, err = s.WriteDB().Exec("INSERT INTO schema_version (version) VALUES (999)")
			return errors.Join(err, s.Close())
		}, "newer Berth"},
		"of another program": {func(path string) error {
			if err := os.Remove(path); err != nil {
				return err
			}
			db, err := sql.Open("sqlite", path)
			if err != nil {
				return err
			}
			_, err = db.Exec("CREATE TABLE customers (name TEXT)")
			return errors.Join(err, db.Close())
		}, "another program"},
		"truncated":      {func(path string) error { return rewrite(path, func(b []byte) []byte { return b[:len(b)/2] }) }, "damaged"},
		"garbled header": {func(path string) error { return rewrite(path, garble(0)) }, "not a database"},
		"garbled pages":  {func(path string) error { return rewrite(path, garble(4096)) }, "damaged"},
		"garbled last page": {func(path string) error {
			return rewrite(path, func(b []byte) []byte { return garble(len(b) - 4096)(b) })
		}, "damaged"},
		"text": {func(path string) error { return os.WriteFile(path, []byte(strings.Repeat("Dear diary. ", 999)), 0o600) }, "not a database"},
		"folder": {func(path string) error {
			return errors.Join(os.Remove(path), os.MkdirAll(filepath.Join(path, "x"), 0o700))
		}, "cannot be opened"},
		"no folder":         {func(path string) error { return os.RemoveAll(filepath.Dir(path)) }, "cannot be opened"},
		"unwritable folder": {func(path string) error { return os.Chmod(filepath.Dir(path), 0o500) }, "cannot be opened"},
		"unwritable file":   {func(path string) error { return os.Chmod(path, 0o400) }, "cannot be opened"},
		"empty unwritable folder": {func(path string) error {
			return errors.Join(os.Remove(path), os.Chmod(filepath.Dir(path), 0o500))
		}, "cannot be opened"},
	} {
		t.Run(name, func(t *testing.T) {
			if strings.Contains(name, "unwritable") && os.Getuid() == 0 {
				t.Skip("root can write everywhere")
			}
			path := closedDatabase(t)
			if err := c.harm(path); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = os.Chmod(filepath.Dir(path), 0o700) }) // so that the folder can be removed
			before := files(t, filepath.Dir(path))
			s, err := store.Open(t.Context(), path, store.Options{Clock: clockwork.NewRealClock(), Sealer: box, Explain: rules.Explain})
			if err == nil {
				t.Fatal("opened", s.Close())
			}
			if e, ok := errors.AsType[*berth.Error](err); !ok || !strings.Contains(e.Message, path) || !strings.Contains(e.Message, c.word) {
				t.Errorf("%T %q; want a *berth.Error that says %q and names %s", err, err, c.word, path)
			}
			if after := files(t, filepath.Dir(path)); after != before {
				t.Errorf("the files have changed: %.300s\nbefore: %.300s", after, before)
			}
		})
	}
}

// files is the names and contents of the files in a folder, as text, without SQLite's empty log and its index, which may remain
// beside a read-only file.
func files(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	for _, e := range entries {
		text := []byte("a folder")
		if !e.IsDir() {
			if text, err = os.ReadFile(filepath.Join(dir, e.Name())); err != nil {
				t.Fatal(err)
			}
		}
		if len(text) == 0 || strings.HasSuffix(e.Name(), "-shm") {
			continue
		}
		fmt.Fprintf(&b, "%s %d %x\n", e.Name(), len(text), text)
	}
	return b.String()
}

// Two processes at one file wait for the lock of the other instead of failing.
func TestTwoStoresOneFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "berth.db")
	w := newWorld(t, func(t testing.TB, clock clockwork.Clock) *store.Store { return openFile(t, path, clock) })
	var wg sync.WaitGroup
	for n, s := range []*store.Store{w.s, openFile(t, path, w.clock)} {
		wg.Go(func() {
			for i := range 25 {
				x := change(berth.VerbCreate, workspace.Child("computes", fmt.Sprint(n, "-", i)), 0, "x")
				if _, _, err := s.Accept(w.ctx, x); err != nil {
					t.Error(err)
				}
				if c, err := s.Claim(w.ctx, fmt.Sprint(n, "/", i), leased); err != nil || c == nil {
					t.Error(c, err)
				} else if err := s.Finish(w.ctx, c, store.Outcome{State: berth.StateSucceeded}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	w.nothingDue()
}

func TestFullDisk(t *testing.T) {
	w := newWorld(t, openSQLite)
	_, op := w.create(compute)
	c := w.claim("a")
	var pages int
	w.must(w.s.WriteDB().QueryRow("PRAGMA page_count").Scan(&pages))
	limit := func(pages int) {
		t.Helper()
		var got int
		w.must(w.s.WriteDB().QueryRow(fmt.Sprint("PRAGMA max_page_count = ", pages)).Scan(&got))
	}
	big := strings.Repeat("x", 1<<20)
	c.Resource.Body.(*berth.Compute).Status.Message = big
	other := change(berth.VerbCreate, workspace.Child("computes", "other"), 0, big)
	other.Hold = cluster
	heard := 0
	defer w.s.Subscribe(func(store.Event) { heard++ })()

	limit(pages)
	before := w.picture(c)
	for range 3 {
		w.refuse(other, berth.CodeStorageFull)
		w.wantCode(w.s.Progress(w.ctx, c, "x"), berth.CodeStorageFull)
		w.wantCode(w.s.Finish(w.ctx, c, store.Outcome{State: berth.StateSucceeded}), berth.CodeStorageFull)
	}
	if after := w.picture(c); after != before || heard != 0 {
		t.Errorf("%d events; %.500s\nbefore: %.500s", heard, after, before)
	}
	w.must(w.s.Heartbeat(w.ctx, c, leased)) // writes that need no space still work

	limit(1 << 20)
	w.accept(other)
	w.finish(c, store.Outcome{State: berth.StateSucceeded})
	w.wantState(compute, op.ID, berth.StateSucceeded, berth.StateSucceeded)
}

func TestSecretsStandNowhere(t *testing.T) {
	const secret = "correct-horse-battery-staple"
	w := newWorld(t, openSQLite)
	x := change(berth.VerbCreate, compute, 0, "first")
	x.Hold, x.Secrets = cluster, map[string][]byte{berth.SecretSSLKey: []byte(secret)}
	w.accept(x)
	c := w.claim("a")
	w.must(w.s.Progress(w.ctx, c, "under way"))
	w.must(w.s.Retry(w.ctx, c, w.clock.Now(), "again"))
	w.finish(w.claim("b"), store.Outcome{
		State: berth.StateSucceeded, CheckAt: w.clock.Now().Add(time.Hour), Secrets: map[string][]byte{berth.SecretToken: []byte(secret)},
		Cleanup: &store.Cleanup{Cluster: cluster, Holder: compute, Detail: []byte("{}")},
	})
	x.Verb, x.Base = berth.VerbUpdate, 1
	w.accept(x)
	for _, table := range []string{"resources", "operations", "holds", "residues", "secrets"} {
		text := dump(w, table)
		if len(text) == 0 {
			t.Errorf("%s is empty: the test does not check it", table)
		}
		found := false
		for _, form := range []string{secret, base64.StdEncoding.EncodeToString([]byte(secret)), hex.EncodeToString([]byte(secret))} {
			found = found || strings.Contains(text, form)
		}
		if found {
			t.Errorf("%s: the secret is there:\n%s", table, text)
		}
	}
}

// dump is every column of every row, as text.
func dump(w *world, table string) string {
	w.Helper()
	rows, err := w.s.WriteDB().Query("SELECT * FROM " + table)
	w.must(err)
	defer rows.Close()
	columns, err := rows.Columns()
	w.must(err)
	var b strings.Builder
	for rows.Next() {
		values, dest := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			dest[i] = &values[i]
		}
		w.must(rows.Scan(dest...))
		for i, v := range values {
			fmt.Fprintf(&b, "%s=%s\n", columns[i], fmt.Sprintf("%s", v))
		}
	}
	w.must(rows.Err())
	return b.String()
}
