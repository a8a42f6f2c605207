package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"berth.dev/berth/app/apptest"
)

// TestUsers makes a person with a password, gives it a role by its name, and takes everything away again, on a true server.
func TestUsers(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a server")
	}
	server := apptest.New(t)
	emptyEnvironment(t)
	t.Setenv("BERTH_DATA_DIR", server.Dir)
	t.Chdir(t.TempDir())
	do := func(code int, input string, line ...string) result {
		t.Helper()
		var out, err bytes.Buffer
		got := run(line, strings.NewReader(input), &out, &err)
		if got != code {
			t.Fatalf("berth %v: exit %d, %s", line, got, err.String())
		}
		return result{got, out.String(), err.String()}
	}
	const password = "correct horse battery staple"
	var ann map[string]any
	made := do(0, password+"\n", "ad", "user", "create", "ann", "--display-name", "Ann Lee")
	if err := json.Unmarshal([]byte(made.out), &ann); err != nil || ann["userPrincipalName"] != "ann" || strings.Contains(made.out, password) {
		t.Fatalf("%v %s", err, made.out)
	}
	if r := do(exitUsage, "", "ad", "user", "create", "bo"); !strings.Contains(r.err, "the password is missing") {
		t.Error(r.err)
	}
	if r := do(exitFailed, "short\n", "ad", "user", "create", "bo"); !strings.Contains(r.err, "at least 12 characters") {
		t.Error(r.err)
	}
	do(0, "", "role", "assignment", "create", "--assignee", "ann", "--role", "Reader")
	if r := do(0, "", "role", "assignment", "list", "--assignee", "ann", "-o", "table"); !strings.Contains(r.out, "Ann Lee") ||
		!strings.Contains(r.out, "Reader") {
		t.Error(r.out)
	}
	if r := do(0, "", "ad", "user", "list", "-o", "table"); !strings.Contains(r.out, "Ann Lee") || !strings.Contains(r.out, "enabled") {
		t.Error(r.out)
	}
	do(0, password+"2\n", "ad", "user", "update", "--id", "ann", "--password", "--sign-out")
	do(0, "", "ad", "user", "update", "--id", "ann", "--disable")
	if r := do(0, "", "ad", "user", "show", "--id", ann["id"].(string)); !strings.Contains(r.out, `"accountEnabled": false`) {
		t.Error(r.out)
	}
	do(exitUsage, "", "ad", "user", "update", "--id", "ann")
	do(exitUsage, "", "ad", "user", "update", "--id", "ann", "--enable", "--disable")
	do(0, "", "ad", "group", "list")
	do(exitNotFound, "", "ad", "group", "show", "--id", "none")
	do(0, "", "role", "assignment", "delete", "--assignee", "ann", "--role", "Reader")
	do(0, "", "ad", "user", "delete", "--id", "ann")
	do(exitNotFound, "", "ad", "user", "show", "--id", "ann")
	r := do(exitNotFound, "", "role", "assignment", "create", "--assignee", "ann", "--role", "Reader")
	if !strings.Contains(r.err, "user list") {
		t.Error(r.err)
	}
}
