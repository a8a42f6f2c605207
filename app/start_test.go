package app_test

import (
	"context"
	"database/sql"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gofrs/flock"

	"berth.dev/berth/app"
	"berth.dev/berth/app/apptest"
)

// startError serves a folder that is expected not to work, and returns the error text. A server that comes up is stopped.
func startError(t *testing.T, dir string, change ...func(*app.Config)) string {
	t.Helper()
	c := app.DefaultConfig()
	c.DataDir, c.KubeBinary = dir, apptest.KubeBinary(t)
	c.Listen, c.DebugListen = "127.0.0.1:0", "off"
	c.Nodes = "simulated"
	for _, f := range change {
		f(&c)
	}
	ctx, cancel := context.WithTimeout(t.Context(), apptest.Patience)
	defer cancel()
	if err := app.Serve(ctx, c, &apptest.Log{}, func(app.Info) { cancel() }); err != nil {
		return err.Error()
	}
	return ""
}

// used is a folder that a server has used before.
func used(t *testing.T) string {
	t.Helper()
	s := apptest.New(t)
	s.MakeWorkspace(jobGroup, jobWorkspace)
	s.Stop()
	return s.Dir
}

// TestDamagedFolder: a damaged folder is refused with a remedy, and is not changed.
func TestDamagedFolder(t *testing.T) {
	for name, c := range map[string]struct {
		do    func(t *testing.T, dir string)
		file  string
		words []string
	}{
		"a newer database": {newerSchema, "berth.db", []string{"newer Berth", "--data-dir", "nothing was changed"}},
		"a database that is none": {
			overwritten("berth.db", strings.Repeat("nonsense", 1000), 0o600), "berth.db",
			[]string{"damaged or not a database", "copy back"},
		},
		"a database damaged inside": {damage, "berth.db", []string{"damaged or not a database", "copy back"}},
		"an empty database":         {emptied, "credentials.json", []string{"is missing or empty", "admin restore", "--data-dir"}},
		"a missing database":        {missing, "credentials.json", []string{"is missing or empty", "admin restore", "--data-dir"}},
		"damaged credentials": {
			overwritten("credentials.json", `{"clientId"`, 0o600), "credentials.json",
			[]string{"credentials.json", "damaged", "backup"},
		},
		"credentials that all see":   {overwritten("credentials.json", "", 0o644), "credentials.json", []string{"other users", "chmod 600"}},
		"a damaged authority":        {overwritten("ca.pem", "nonsense", 0o644), "ca.pem", []string{"ca.pem"}},
		"an authority's key for all": {overwritten("ca-key.pem", "", 0o644), "ca-key.pem", []string{"other users", "chmod 600"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := used(t)
			c.do(t, dir)
			before, err := os.ReadFile(filepath.Join(dir, c.file))
			if err != nil {
				t.Fatal(err)
			}
			text := startError(t, dir)
			for _, w := range append(c.words, dir) {
				if !strings.Contains(text, w) {
					t.Errorf("the error lacks %q: %s", w, text)
				}
			}
			if after, err := os.ReadFile(filepath.Join(dir, c.file)); err != nil || string(after) != string(before) {
				t.Errorf("%s was changed (%v)", c.file, err)
			}
			if strings.Contains(text, "goroutine") || len(text) > 500 {
				t.Errorf("that is more than a sentence: %s", text)
			}
		})
	}
}

// overwritten puts another text into a file, unless it is empty, and sets its mode.
func overwritten(name, text string, mode os.FileMode) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if text != "" {
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
}

func emptied(t *testing.T, dir string) {
	t.Helper()
	if err := os.Truncate(filepath.Join(dir, "berth.db"), 0); err != nil {
		t.Fatal(err)
	}
}

func missing(t *testing.T, dir string) {
	t.Helper()
	if err := os.Remove(filepath.Join(dir, "berth.db")); err != nil {
		t.Fatal(err)
	}
}

func newerSchema(t *testing.T, dir string) {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(dir, "berth.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	for _, q := range []string{"INSERT INTO schema_version (version) VALUES (99)", "PRAGMA wal_checkpoint(TRUNCATE)"} {
		if _, err := db.Exec(q); err != nil {
			t.Fatal(err)
		}
	}
}

// damage writes over the middle of the file.
func damage(t *testing.T, dir string) {
	t.Helper()
	path := filepath.Join(dir, "berth.db")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := 4096; i < len(text)-100; i++ {
		text[i] = 0xa5
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestStartErrors: an error at the start names the flag that avoids it.
func TestStartErrors(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = taken.Close() })
	held := apptest.New(t)
	for name, c := range map[string]struct {
		change func(*app.Config)
		words  []string
	}{
		"port in use":       {func(c *app.Config) { c.Listen = taken.Addr().String() }, []string{"in use", "--listen"}},
		"debug port in use": {func(c *app.Config) { c.DebugListen = taken.Addr().String() }, []string{"--debug-listen"}},
		"folder served":     {func(c *app.Config) { c.DataDir = held.Dir }, []string{"another berth", "--data-dir"}},
		"no such level":     {func(c *app.Config) { c.LogLevel = "loud" }, []string{"--log-level"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := startError(t, t.TempDir(), c.change)
			for _, w := range c.words {
				if !strings.Contains(text, w) {
					t.Errorf("the error lacks %q: %s", w, text)
				}
			}
		})
	}
}

// TestLockIsWaitedFor: a killed server's lock may linger in a child that is just being started; the next start waits.
func TestLockIsWaitedFor(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	lock := flock.New(filepath.Join(dir, "lock"))
	if err := lock.Lock(); err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(300*time.Millisecond, func() { _ = lock.Unlock() })
	apptest.In(t, dir).Stop()
}

// TestFolderThatCannotBe: the folder is a file, or below one.
func TestFolderThatCannotBe(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{file, filepath.Join(file, "below")} {
		if text := startError(t, dir); !strings.Contains(text, "--data-dir") || !strings.Contains(text, file) {
			t.Errorf("%s: %s", dir, text)
		}
	}
}

// TestWithoutKubeBinary: a server without berth-kube serves; a request for a cluster fails at once with the remedy.
func TestWithoutKubeBinary(t *testing.T) {
	s := apptest.New(t, func(c *app.Config) { c.KubeBinary = filepath.Join(c.DataDir, "no-such-program") })
	s.MakeWorkspace(jobGroup, jobWorkspace)
	op := s.WaitOperation(s.Do(http.MethodPut, s.Cluster(jobGroup, "own"), apptest.ClusterOf(1, "Standard_D3_v2")))
	message, _ := apptest.At(op, "error.message").(string)
	if op["status"] != "Failed" || apptest.At(op, "error.code") != "ProviderUnavailable" ||
		!strings.Contains(message, "make") || !strings.Contains(message, "--kube-binary") {
		t.Errorf("without the binary: %v", op)
	}
	s.Succeed(s.Do(http.MethodDelete, s.Group(jobGroup), nil))
}
