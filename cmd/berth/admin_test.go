package main

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"berth.dev/berth/app/apptest"
)

// TestBackupAndRestore: a backup is taken while a server runs and is written to; a restore waits until it has stopped, moves
// what was there aside, and the next server serves what was backed up, its callers and secrets too.
func TestBackupAndRestore(t *testing.T) {
	emptyEnvironment(t)
	dir := t.TempDir()
	s := apptest.In(t, dir)
	file := filepath.Join(t.TempDir(), "berth.tar")
	admin := func(args ...string) result {
		return offTerminal(append([]string{"admin", "--data-dir", dir}, args...)...)
	}
	want := func(r result, code int, words ...string) {
		t.Helper()
		if r.code != code {
			t.Fatalf("exit %d, want %d: %s", r.code, code, r.err)
		}
		for _, word := range words {
			if !strings.Contains(r.err, word) {
				t.Errorf("it does not say %q: %s", word, r.err)
			}
		}
	}
	s.MakeWorkspace("before", "kept")
	vault := s.Group("before") + "/providers/Microsoft.KeyVault/vaults/v"
	s.Want(http.StatusCreated, s.Do(http.MethodPut, vault, apptest.Object{
		"location": "westeurope", "properties": apptest.Object{"word": "first"},
	}))

	before := resourcesOf(s)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() { // writes all through the backup
		defer close(stopped)
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			default:
				s.Do(http.MethodPut, s.Group(fmt.Sprint("busy-", n)), apptest.Object{"location": "westeurope"})
			}
		}
	}()
	want(admin("backup", file), 0, "contains secrets", file)
	close(stop)
	<-stopped
	want(admin("backup", file), 1, "exists already")
	want(admin("verify", file), 0, "is sound")
	want(admin("verify"), 0, "is sound")
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the backup has mode %v, %v", info.Mode(), err)
	}

	s.Want(http.StatusOK, s.Do(http.MethodPut, vault, apptest.Object{
		"location": "westeurope", "properties": apptest.Object{"word": "second"},
	}))
	s.MakeWorkspace("after", "lost")
	want(admin("restore", file), 1, "another berth serves the data folder", "stop it")
	s.Stop()

	broken := filepath.Join(t.TempDir(), "broken.tar")
	harm(t, file, broken)
	want(admin("verify", broken), 1)
	want(admin("restore", broken), 1, "nothing was restored")
	want(admin("restore", filepath.Join(dir, "ca.pem")), 1, "is not a backup")

	elsewhere := filepath.Join(t.TempDir(), "another", "machine")
	want(offTerminal("admin", "--data-dir", elsewhere, "restore", file), 0)
	there := apptest.In(t, elsewhere)
	after := resourcesOf(there)
	for id, text := range before {
		if after[id] != text {
			t.Errorf("elsewhere %s is\n%s\nand was\n%s", id, after[id], text)
		}
	}
	if len(before) < 3 {
		t.Errorf("only %d resources were compared", len(before))
	}
	there.Stop()

	want(admin("restore", file), 0, "before-restore-")
	aside, err := filepath.Glob(filepath.Join(dir, "before-restore-*", "berth.db"))
	if err != nil || len(aside) != 1 {
		t.Errorf("what was there before: %v, %v; want one database", aside, err)
	}
	s = apptest.In(t, dir) // signs in with the client secret of before
	if got := apptest.At(s.Want(http.StatusOK, s.Do(http.MethodGet, vault, nil)).Body, "properties.word"); got != "first" {
		t.Errorf("the restored record contains %v", got)
	}
	s.Want(http.StatusNotFound, s.Do(http.MethodGet, s.Group("after"), nil))
	s.Want(http.StatusOK, s.Do(http.MethodGet, s.Workspace("before", "kept"), nil))
}

// resourcesOf are all resources of a server as it answers them, by id, without its own address.
func resourcesOf(s *apptest.Server) map[string]string {
	out := map[string]string{}
	sub := "/subscriptions/" + s.SubscriptionID
	for _, list := range []string{"/resources", "/resourceGroups"} {
		all, _ := s.Want(http.StatusOK, s.Do(http.MethodGet, sub+list, nil)).Body["value"].([]any)
		for _, one := range all {
			id, _ := apptest.At(one, "id").(string)
			got := s.Want(http.StatusOK, s.Do(http.MethodGet, id, nil))
			out[id] = strings.ReplaceAll(got.Text, s.Endpoint, "https://berth")
		}
	}
	return out
}

// harm copies a backup with a byte of a word in a stored body changed.
func harm(t *testing.T, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	whole := text // the first place may be a copy that the database reads no more
	text = bytes.ReplaceAll(text, []byte(`"word":"first"`), []byte(`"word":"First"`))
	if bytes.Equal(text, whole) {
		t.Fatal("the record is not in the backup")
	}
	if err := os.WriteFile(to, text, 0o600); err != nil {
		t.Fatal(err)
	}
}
