package app_test

import (
	"database/sql"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"berth.dev/berth"
	"berth.dev/berth/app/apptest"
)

// TestUnreadableRecords: a record of each kind that cannot be read, all of them due. They are shown as Failed, can be deleted,
// and delay no other work.
func TestUnreadableRecords(t *testing.T) {
	s := apptest.New(t)
	workspace := s.MakeWorkspace(jobGroup, jobWorkspace)
	db, err := sql.Open("sqlite", "file:"+filepath.Join(s.Info.DataDir, "berth.db")+"?_pragma=busy_timeout(10000)")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	providers := s.Group(jobGroup) + "/providers/"
	bad := map[string]string{
		workspace + "/computes/bad":                       berth.TypeCompute,
		s.Workspace(jobGroup, "bad"):                      berth.TypeWorkspace,
		s.Cluster(jobGroup, "bad"):                        berth.TypeCluster,
		providers + berth.TypeConnected + "/bad":          berth.TypeConnected,
		providers + berth.TypeTemplateDeployment + "/bad": berth.TypeTemplateDeployment,
		providers + berth.TypeNetwork + "/bad":            berth.TypeNetwork,
		providers + berth.TypePolicyAssignment + "/b":     berth.TypePolicyAssignment,
	}
	unknown := providers + "Contoso.Sheep/flocks/bad"
	insert := func(id, typ string) {
		t.Helper()
		parent := strings.ToLower(s.Group(jobGroup))
		if typ == berth.TypeCompute {
			parent = strings.ToLower(workspace)
		}
		_, err := db.Exec(`INSERT INTO resources (key, id, type, subscription, group_key, parent_key, location, tags, body, state, generation,
				created_at, created_by, modified_at, modified_by, operation_id, fault, due_at)
			SELECT ?, ?, ?, subscription, group_key, ?, location, tags, '{"spec": [', state, generation, created_at, created_by, modified_at,
				modified_by, operation_id, fault, 1 FROM resources WHERE key = ?`, strings.ToLower(id), id, typ, parent, strings.ToLower(workspace))
		if err != nil {
			t.Fatal(err)
		}
	}
	for id, typ := range bad {
		insert(id, typ)
	}
	insert(unknown, "Contoso.Sheep/flocks")

	other := s.MakeWorkspace(jobGroup, "other")
	s.Succeed(s.Do(http.MethodDelete, other, nil)) // work for the engine, behind all the bad rows

	for id, typ := range bad {
		got := s.Want(http.StatusOK, s.Do(http.MethodGet, id, nil))
		if !strings.Contains(got.Text, "cannot be read") || !strings.Contains(got.Text, "Delete it") {
			t.Errorf("%s does not say why: %s", id, got.Text)
		}
		if state := apptest.At(got.Body, "properties.provisioningState"); state != "Failed" {
			t.Errorf("%s is %v", id, state)
		}
		list := providers + typ
		if typ == berth.TypeCompute {
			list = workspace + "/computes"
		}
		if got := s.Want(http.StatusOK, s.Do(http.MethodGet, list, nil)); !strings.Contains(got.Text, id) {
			t.Errorf("%s is not in the list of its type", id)
		}
		s.Refused(s.Do(http.MethodPut, id, apptest.Object{"location": "westeurope"}), http.StatusConflict, "StoredRecordUnreadable", "Delete it")
		s.Refused(s.Do(http.MethodPatch, id, apptest.Object{"tags": apptest.Object{"a": "b"}}), http.StatusConflict, "StoredRecordUnreadable")
	}
	if all := s.Do(http.MethodGet, s.Group(jobGroup)+"/resources", nil).Text; strings.Count(all, `"Failed"`) != len(bad)+1 ||
		!strings.Contains(all, unknown) {
		t.Errorf("the group's resources: %s", all)
	}
	if got := s.Do(http.MethodGet, "/metrics", nil); !strings.Contains(got.Text, fmt.Sprintf("berth_unreadable_records %d", len(bad)+1)) {
		t.Errorf("the metric does not say %d", len(bad)+1)
	}
	if n := strings.Count(s.Log.String(), "a stored record cannot be read"); n != len(bad)+1 {
		t.Errorf("the log names %d records; want each once", n)
	}
	for id, typ := range bad {
		if typ == berth.TypeCompute {
			id += "?underlyingResourceAction=Delete"
		}
		s.Succeed(s.Do(http.MethodDelete, id, nil))
	}
	s.Succeed(s.Do(http.MethodDelete, s.Group(jobGroup), nil)) // and with it what has an unknown type
	if got := s.Do(http.MethodGet, "/metrics", nil); !strings.Contains(got.Text, "berth_unreadable_records 0") {
		t.Errorf("records that are gone are still counted: %s", s.Log)
	}
}

// TestDamageIsReported: an index that does not agree with its table hides records from lists. A server that starts on such a file
// reports it.
func TestDamageIsReported(t *testing.T) {
	dir := t.TempDir()
	s := apptest.In(t, dir)
	s.MakeWorkspace(jobGroup, jobWorkspace)
	if got := s.Do(http.MethodGet, "/readyz", nil); got.Status != http.StatusOK {
		t.Fatalf("a sound server is not ready: %s", got.Text)
	}
	s.Stop()
	db, err := sql.Open("sqlite", filepath.Join(dir, "berth.db"))
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	for _, q := range []string{
		"PRAGMA writable_schema = ON",
		"UPDATE sqlite_master SET sql = replace(sql, '(group_key, type)', '(type, group_key)') WHERE name = 'resources_group'",
	} {
		if _, err := db.Exec(q); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	s = apptest.In(t, dir)
	var got *apptest.Response
	s.Until("the server reports that its database is damaged", func() bool {
		got = s.Do(http.MethodGet, "/readyz", nil)
		return got.Status == http.StatusServiceUnavailable
	})
	for text, word := range map[string]string{
		got.Text: "berth admin restore", s.Log.String(): "the database is damaged",
		s.Do(http.MethodGet, "/metrics", nil).Text: "berth_database_damaged 1",
	} {
		if !strings.Contains(text, word) {
			t.Errorf("%q is missing: %.300s", word, text)
		}
	}
}
