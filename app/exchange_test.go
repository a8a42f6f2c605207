package app

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

var errKilled = errors.New("killed")

// TestRestoreIsKilled: a restore that ends at any of its renames has changed nothing, or is brought to its end by the next
// holder of the folder; what was there before is never lost.
func TestRestoreIsKilled(t *testing.T) {
	defer func() { rename = os.Rename }()
	for kill := 0; ; kill++ {
		dir := t.TempDir()
		fill(t, dir, map[string]string{
			"berth.db": "old", "berth.db-wal": "old log", "secrets-key.txt": "old key", "ca.pem": "old ca", "lock": "",
		})
		work := filepath.Join(dir, "restore.tmp")
		fill(t, work, map[string]string{"berth.db": "new", "secrets-key.txt": "new key"})
		done := 0
		rename = func(from, to string) error {
			if done == kill {
				return errKilled
			}
			done++
			return os.Rename(from, to)
		}
		err := exchange(dir, work, "then")
		rename = os.Rename
		if err == nil {
			if kill < 10 {
				t.Errorf("only %d renames were tried", kill)
			}
			return
		}
		if err := finishRestore(dir); err != nil {
			t.Fatalf("killed at rename %d: the next start: %v", kill, err)
		}
		aside := filepath.Join(dir, asidePrefix+"then")
		old := map[string]string{"berth.db": "old", "berth.db-wal": "old log", "secrets-key.txt": "old key", "ca.pem": "old ca"}
		now := map[string]string{
			"berth.db": "new", "berth.db-wal": "", "secrets-key.txt": "new key", "ca.pem": ""}
		if kill == 0 { // it was not decided yet
			same(t, dir, old)
			continue
		}
		same(t, dir, now)
		same(t, aside, old)
		if left, _ := filepath.Glob(filepath.Join(dir, "restore*")); len(left) > 0 {
			t.Errorf("killed at rename %d: %v is left", kill, left)
		}
	}
}

func fill(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// same compares files; an empty text means that there is none.
func same(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, want := range files {
		text, _ := os.ReadFile(filepath.Join(dir, name))
		if string(text) != want {
			t.Errorf("%s holds %q, want %q", filepath.Join(dir, name), text, want)
		}
	}
}
