package app_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"berth.dev/berth/app"
	"berth.dev/berth/app/apptest"
	sealing "berth.dev/berth/seal"
	"berth.dev/berth/store/postgrestest"
)

// servers starts servers on one PostgreSQL database, as an operator does: the secrets' key is copied.
func servers(t *testing.T, n int) []*apptest.Server {
	t.Helper()
	address := postgrestest.Start(t, false).Database(t)
	on := func(c *app.Config) { c.Database = address }
	all := []*apptest.Server{apptest.New(t, on)}
	for len(all) < n {
		dir := t.TempDir()
		key, err := os.ReadFile(filepath.Join(all[0].Dir, "secrets-key.txt"))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, "secrets-key.txt"), key, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, apptest.In(t, dir, on))
	}
	return all
}

// TestServers: two servers on one database are one to a client that is led to either, request by request.
func TestServers(t *testing.T) {
	all := servers(t, 2)
	a, b := all[0], all[1]
	if a.ClientSecret != b.ClientSecret || a.SubscriptionID != b.SubscriptionID {
		t.Fatal("the servers have different credentials")
	}
	a.MakeWorkspace("team", "vision")
	workspace := a.Workspace("team", "vision")
	for i := range 50 { // what one has answered, the other answers, from memory too
		from, to := all[i%2], all[(i+1)%2]
		want := fmt.Sprint(i)
		from.Want(http.StatusOK, from.Do(http.MethodPatch, workspace, apptest.Object{"tags": apptest.Object{"turn": want}}))
		if got := apptest.At(to.Want(http.StatusOK, to.Do(http.MethodGet, workspace, nil)).Body, "tags.turn"); got != want {
			t.Fatalf("turn %d: the other server answers %v", i, got)
		}
	}
	ann := a.NewCaller("ann")
	annAtB := *b
	annAtB.ClientID, annAtB.ClientSecret = ann.ClientID, ann.ClientSecret
	annAtB.Token = annAtB.NewToken(b.Endpoint + "/.default") // an application is known to both at once
	for range 5 {
		annAtB.Want(http.StatusForbidden, annAtB.Do(http.MethodGet, workspace, nil))
		role := a.Assign(ann.ObjectID, reader, workspace)
		annAtB.Want(http.StatusOK, annAtB.Do(http.MethodGet, workspace, nil))
		a.Want(http.StatusOK, a.Do(http.MethodDelete, role, nil))
	}
	graph := *a
	graph.Token = a.NewToken(a.Endpoint + "/graph/.default")
	for range 3 { // a changed key signs at one server and is accepted at the other
		graph.Want(http.StatusOK, graph.Send(apptest.Request{Method: http.MethodPost, Path: "/graph/v1.0/berth/rotateSigningKey",
			Body: apptest.Object{}, Raw: true}))
		key := func(s *apptest.Server) string {
			return fmt.Sprint(s.Want(http.StatusOK, s.Send(apptest.Request{Method: http.MethodGet,
				Path: "/" + s.TenantID + "/discovery/v2.0/keys", Raw: true})).Body["keys"])
		}
		if one, two := key(a), key(b); one != two {
			t.Errorf("the servers publish different keys:\n%s\n%s", one, two)
		}
	}
	a.Want(http.StatusNoContent, graph.Send(apptest.Request{Method: http.MethodDelete,
		Path: "/graph/v1.0/servicePrincipals/" + ann.ObjectID, Raw: true}))
	annAtB.Want(http.StatusUnauthorized, annAtB.Do(http.MethodGet, workspace, nil))
}

// TestServersTogether: two servers that start at the same moment on an empty database become one installation.
func TestServersTogether(t *testing.T) {
	address := postgrestest.Start(t, false).Database(t)
	box := t.TempDir()
	if _, err := sealing.LoadOrMake(box); err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile(filepath.Join(box, "secrets-key.txt"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	const n = 2
	ready, ended := make(chan string, n), make(chan error, n)
	for range n {
		c := app.DefaultConfig()
		c.DataDir, c.Database = t.TempDir(), address
		c.Listen, c.DebugListen = "127.0.0.1:0", "off"
		c.KubeBinary = apptest.KubeBinary(t)
		if err := os.WriteFile(filepath.Join(c.DataDir, "secrets-key.txt"), key, 0o600); err != nil {
			t.Fatal(err)
		}
		go func() {
			ended <- app.Serve(ctx, c, &apptest.Log{}, func(i app.Info) {
				text, _ := os.ReadFile(i.CAFile)
				ready <- string(text)
			})
		}()
	}
	var authorities []string
	for range n {
		select {
		case ca := <-ready:
			authorities = append(authorities, ca)
		case err := <-ended:
			t.Fatal(err)
		}
	}
	if authorities[0] != authorities[1] {
		t.Error("the servers have different certificate authorities")
	}
	stop()
	for range n {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

// A server with another key for the secrets does not start, and says what to copy.
func TestServerNeedsTheKey(t *testing.T) {
	address := postgrestest.Start(t, false).Database(t)
	a := apptest.New(t, func(c *app.Config) { c.Database = address })
	a.MakeWorkspace("team", "vision")
	c := app.DefaultConfig()
	c.DataDir, c.Database = t.TempDir(), address
	c.Listen, c.DebugListen = "127.0.0.1:0", "off"
	err := app.Serve(t.Context(), c, &apptest.Log{}, nil)
	if err == nil || !strings.Contains(err.Error(), "secrets-key.txt") || !strings.Contains(err.Error(), "copy") {
		t.Errorf("%v; want it to say which file to copy", err)
	}
}

// TestMigrateDatabase: what was in the file is in PostgreSQL, with the same credentials; the file stays.
func TestMigrateDatabase(t *testing.T) {
	old := apptest.New(t)
	old.MakeWorkspace("team", "vision")
	ann := old.NewCaller("ann")
	old.Assign(ann.ObjectID, reader, old.Workspace("team", "vision"))
	address := postgrestest.Start(t, false).Database(t)
	if _, err := app.MigrateDatabase(t.Context(), old.Dir, address); err == nil || !strings.Contains(err.Error(), "another berth") {
		t.Errorf("while the server runs: %v", err)
	}
	old.Stop()
	done, err := app.MigrateDatabase(t.Context(), old.Dir, address)
	if err != nil {
		t.Fatal(err)
	}
	records := map[string]int{}
	for _, c := range done {
		records[c.Table] = c.Records
	}
	if records["resources"] < 3 || records["applications"] != 2 {
		t.Errorf("copied: %v", records)
	}
	if _, err := app.MigrateDatabase(t.Context(), old.Dir, address); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("again: %v", err)
	}
	s := apptest.In(t, old.Dir, func(c *app.Config) { c.Database = address })
	if s.ClientSecret != old.ClientSecret {
		t.Error("the credentials have changed")
	}
	s.Want(http.StatusOK, s.Do(http.MethodGet, s.Workspace("team", "vision"), nil))
	annNow := *s
	annNow.ClientID, annNow.ClientSecret = ann.ClientID, ann.ClientSecret
	annNow.Token = annNow.NewToken(s.Endpoint + "/.default")
	annNow.Want(http.StatusOK, annNow.Do(http.MethodGet, s.Workspace("team", "vision"), nil))
}

// TestPostgresBackup: a server with its database elsewhere is not backed up by halves.
func TestPostgresBackup(t *testing.T) {
	s := servers(t, 1)[0]
	for name, err := range map[string]error{
		"backup": app.Backup(t.Context(), s.Dir, filepath.Join(t.TempDir(), "x")), "verify": app.Verify(t.Context(), s.Dir),
	} {
		if err == nil || !strings.Contains(err.Error(), "pg_dump") {
			t.Errorf("%s: %v; want it to name pg_dump", name, err)
		}
	}
}
