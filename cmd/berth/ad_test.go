package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"berth.dev/berth/app/apptest"
)

// TestCallers makes callers, signs in as they, and takes them away again, on a true server.
func TestCallers(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a server")
	}
	server := apptest.New(t)
	emptyEnvironment(t)
	t.Setenv("BERTH_DATA_DIR", server.Dir)
	t.Chdir(t.TempDir())
	do := func(line ...string) map[string]any {
		t.Helper()
		r := offTerminal(append([]string{"ad"}, line...)...)
		if r.code != 0 {
			t.Fatalf("berth ad %v: exit %d, %s", line, r.code, r.err)
		}
		var out map[string]any
		_ = json.Unmarshal([]byte(r.out), &out) // some print lists or nothing
		return out
	}
	fails := func(code int, words string, line ...string) {
		t.Helper()
		if r := offTerminal(line...); r.code != code || !strings.Contains(r.err, words) {
			t.Errorf("berth %v: exit %d, %s", line, r.code, r.err)
		}
	}

	made := do("sp", "create-for-rbac", "-n", "ci", "--years", "2")
	if made["displayName"] != "ci" || made["tenant"] != server.TenantID || len(made["password"].(string)) < 40 {
		t.Errorf("%v", made)
	}
	id := made["appId"].(string)
	first := do("sp", "show", "--id", id)["passwordCredentials"].([]any)[0].(map[string]any)["keyId"]
	again := do("sp", "reset", "--id", id)
	if list := do("sp", "show", "--id", id)["passwordCredentials"].([]any); len(list) != 1 ||
		list[0].(map[string]any)["keyId"] == first || again["password"] == made["password"] {
		t.Errorf("after a reset: %v", list)
	}
	do("sp", "reset", "--id", id, "--append")
	withKey := do("sp", "reset", "--id", id, "--create-cert")
	shown := do("sp", "show", "--id", id)
	if len(shown["passwordCredentials"].([]any)) != 2 || len(shown["keyCredentials"].([]any)) != 1 {
		t.Errorf("secrets go when a certificate comes, or the other way: %v", shown)
	}
	file := withKey["fileWithCertAndPrivateKey"].(string)
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
	do("sp", "reset", "--id", id, "--cert", "@"+file)
	if r := offTerminal("ad", "sp", "list", "-o", "table"); !strings.Contains(r.out, "berth-admin") || !strings.Contains(r.out, "no end") {
		t.Errorf("%s", r.out)
	}

	// Its own secret is kept where it was read.
	before, _ := os.ReadFile(filepath.Join(server.Dir, "credentials.json"))
	do("sp", "reset", "--id", server.ClientID)
	if after, _ := os.ReadFile(filepath.Join(server.Dir, "credentials.json")); string(after) == string(before) ||
		!strings.Contains(string(after), server.ClientID) {
		t.Error("credentials.json has not the new secret")
	}
	if r := offTerminal("admin", "rotate-key"); r.code != 0 || !strings.Contains(r.err, "new key") {
		t.Errorf("%+v", r)
	}
	do("signing-key", "rotate", "--forget-old") // and with it a new token is taken
	do("sp", "delete", "--id", id)

	fails(exitNotFound, "no caller has the id", "ad", "sp", "show", "--id", id)
	fails(exitFailed, "an application cannot delete itself", "ad", "sp", "delete", "--id", server.ClientID)
	fails(exitUsage, "belong together", "ad", "sp", "create-for-rbac", "--role", "Reader")
	fails(exitNotFound, "no role 'Raeder'", "ad", "sp", "create-for-rbac", "--role", "Raeder", "--scopes", server.Group("team"))
	fails(exitUsage, "exclude each other", "ad", "sp", "create-for-rbac", "--cert", "x", "--create-cert")
	fails(exitUsage, "is not a certificate", "ad", "sp", "create-for-rbac", "--cert", "x")
	fails(exitUsage, "from 1 to 30", "ad", "sp", "reset", "--id", server.ClientID, "--years", "0")
}
