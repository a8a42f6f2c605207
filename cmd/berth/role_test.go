package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"berth.dev/berth/app/apptest"
)

// TestRoles gives a caller roles, sees what it may do with them, and takes them away.
func TestRoles(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a server")
	}
	server := apptest.New(t)
	server.MakeWorkspace("team", "vision")
	emptyEnvironment(t)
	admin := func(line ...string) string {
		t.Helper()
		t.Setenv("BERTH_DATA_DIR", server.Dir)
		r := offTerminal(line...)
		if r.code != 0 {
			t.Fatalf("berth %v: exit %d, %s", line, r.code, r.err)
		}
		return r.out
	}
	var made struct{ AppID, Password string }
	out := admin("ad", "sp", "create-for-rbac", "-n", "ci", "--role", "Reader", "--scopes", server.Group("team"))
	must(t, json.Unmarshal([]byte(out), &made))
	text, err := os.ReadFile(filepath.Join(server.Dir, "credentials.json"))
	must(t, err)
	var own map[string]any
	must(t, json.Unmarshal(text, &own))
	own["clientId"], own["clientSecret"] = made.AppID, made.Password
	text, err = json.Marshal(own)
	must(t, err)
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "credentials.json"), text, 0o600))
	as := func(line ...string) result {
		t.Helper()
		t.Setenv("BERTH_DATA_DIR", dir)
		return offTerminal(line...)
	}
	if r := as("ml", "workspace", "show", "-g", "team", "-w", "vision"); r.code != 0 {
		t.Errorf("a reader cannot read: %s", r.err)
	}
	if r := as("group", "delete", "-n", "team", "--yes"); r.code == 0 || !strings.Contains(r.err, "resourceGroups/delete") {
		t.Errorf("a reader deletes: %d %s", r.code, r.err)
	}
	admin("role", "assignment", "create", "--assignee", made.AppID, "--role", "Contributor", "--scope", server.Group("team"))
	if out := admin("role", "assignment", "list", "--all", "--assignee", made.AppID, "-o", "table"); !strings.Contains(out, "Contributor") ||
		!strings.Contains(out, "Reader") || strings.Contains(out, "Owner") || !strings.Contains(out, "ci") {
		t.Errorf("%s", out)
	}
	admin("role", "assignment", "delete", "--assignee", made.AppID, "--role", "Reader", "--scope", server.Group("team"))
	admin("role", "assignment", "delete", "--assignee", made.AppID, "--role", "Contributor", "--scope", server.Group("team"))
	if r := as("ml", "workspace", "show", "-g", "team", "-w", "vision"); !strings.Contains(r.err, "AuthorizationFailed") &&
		!strings.Contains(r.err, "does not have authorization") {
		t.Errorf("without a role: %d %s", r.code, r.err)
	}
	if out := admin("role", "definition", "list", "-n", "AzureML Data Scientist"); !strings.Contains(out, "workspaces/*/write") {
		t.Errorf("%s", out)
	}
}
