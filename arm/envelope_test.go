package arm_test

import (
	"database/sql"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

// damage makes the stored record of a resource unreadable.
func damage(t *testing.T, database, id string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+database+"?_pragma=busy_timeout(10000)")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	done, err := db.ExecContext(t.Context(), `UPDATE resources SET body = '{"x": [', location = '' WHERE key = ?`, strings.ToLower(id))
	if err != nil {
		t.Fatal(err)
	}
	if n, err := done.RowsAffected(); n != 1 || err != nil {
		t.Fatalf("%d records were damaged (%v)", n, err)
	}
}

// TestGroupThatCannotBeRead: a cluster gets the location of its group. When the group cannot be read, the answer reports that, for
// clusters of both types, and not that the request lacks a location.
func TestGroupThatCannotBeRead(t *testing.T) {
	t.Parallel()
	database := filepath.Join(t.TempDir(), "berth.db")
	s := newStageAt(t, database)
	damage(t, database, s.group())
	for typ, body := range map[string]string{
		"Microsoft.ContainerService/managedClusters": `{"properties":{}}`,
		"Microsoft.Kubernetes/connectedClusters":     `{"properties":{"kubeconfig":"x"}}`,
	} {
		got := s.send(http.MethodPut, s.group()+"/providers/"+typ+"/edge", nil, body)
		if got.status != http.StatusConflict || !strings.Contains(got.text, "StoredRecordUnreadable") ||
			strings.Contains(got.text, "LocationRequired") {
			t.Errorf("%s: %d %s", typ, got.status, got.text)
		}
	}
}

// TestActionsOnUnreadable: every action that needs a resource refuses an unreadable one, with the reason.
func TestActionsOnUnreadable(t *testing.T) {
	t.Parallel()
	database := filepath.Join(t.TempDir(), "berth.db")
	s := newStageAt(t, database)
	cluster := s.group() + "/providers/Microsoft.ContainerService/managedClusters/own"
	s.must(s.send(http.MethodPut, cluster, nil, `{"location":"westeurope"}`).is(http.StatusCreated))
	s.settle()
	damage(t, database, cluster)
	for _, action := range []string{"listClusterAdminCredential", "listNodes", "leftovers"} {
		got := s.send(http.MethodPost, cluster+"/"+action, nil, "")
		if got.status != http.StatusConflict || !strings.Contains(got.text, "StoredRecordUnreadable") {
			t.Errorf("%s: %d %s", action, got.status, got.text)
		}
	}
}
