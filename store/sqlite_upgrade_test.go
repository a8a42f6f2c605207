package store_test

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"

	"berth.dev/berth"
	"berth.dev/berth/store"
)

// oldContent are the statements by which a database has content that every schema since the first can have. ? is the key of the group.
var oldContent = []string{
	`INSERT INTO resources (key, id, type, subscription, group_key, parent_key, location, tags, body, state, generation, created_at,
		created_by, modified_at, modified_by, operation_id, fault)
		VALUES (?1, ?2, '` + berth.TypeResourceGroup + `', '` + sub + `', ?1, '', 'westeurope', '{"Env":"test"}', '{}', 'Succeeded', 3, 1, 'ann',
		2, 'bob', 'op-1', '')`,
	`INSERT INTO operations (id, resource_key, resource_id, subscription, verb, location, generation, state, message, notes, fault, caller,
		started_at, ended_at) VALUES ('op-1', ?1, ?2, '` + sub + `', 'update', 'westeurope', 3, 'Accepted', '', 'null', '', 'bob', 2, 0)`,
	`INSERT INTO secrets (resource_key, name, value) VALUES (?1, 'plain', 'hush')`,
	`INSERT INTO residues (cluster_key, holder_key, detail, created_at) VALUES (?1, ?1, '{}', 1)`,
}

// TestUpgradeFromEverySchema: a database of every earlier schema is brought to the present one with all that is in it, has the tables of
// a new database then, and passes its verification. Work goes on: an operation of an older Berth ends, and the activity log has its end.
func TestUpgradeFromEverySchema(t *testing.T) {
	files, err := filepath.Glob("sql/*.sql")
	if err != nil || len(files) < 11 {
		t.Fatal(files, err)
	}
	slices.Sort(files)
	fresh := filepath.Join(t.TempDir(), "fresh.db")
	want := schemaOf(t, func() string {
		if err := openFile(t, fresh, clockwork.NewFakeClock()).Close(); err != nil {
			t.Fatal(err)
		}
		return fresh
	}())
	for version := 1; version <= len(files); version++ {
		t.Run(fmt.Sprint(version), func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "berth.db")
			atSchema(t, path, files[:version])
			w := &world{T: t, s: openFile(t, path, clockwork.NewFakeClockAt(time.Unix(1e9, 0))), ctx: t.Context()}
			w.upgraded()
			w.must(w.s.Close())
			if got := schemaOf(t, path); got != want {
				t.Errorf("the tables are\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// atSchema makes a database as an earlier Berth left it.
func atSchema(t *testing.T, path string, files []string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	do := func(query string, args ...any) {
		t.Helper()
		if _, err := db.Exec(query, args...); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
	}
	do("CREATE TABLE schema_version (version BIGINT NOT NULL)")
	for i, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		do(string(text))
		do("INSERT INTO schema_version (version) VALUES (?)", i+1)
	}
	for _, q := range oldContent {
		do(q, group.Key(), group.String())
	}
	if len(files) >= 2 {
		do(`INSERT INTO applications (id, body) VALUES ('app-1', '{"id":"app-1","name":"ci"}')`)
	}
}

// upgraded finds what atSchema has written, and ends the operation that was under way.
func (w *world) upgraded() {
	w.Helper()
	r := w.get(group)
	if r.Tags["Env"] != "test" || r.Generation != 3 || r.CreatedBy != "ann" || r.State != berth.StateSucceeded || r.Unreadable {
		w.Errorf("the group is %+v", r)
	}
	op, err := w.s.Operation(w.ctx, "op-1")
	w.must(err)
	if op.Unreadable || op.Caller != "bob" || op.Origin != (berth.Origin{}) {
		w.Errorf("the operation is %+v", op)
	}
	pending, err := w.s.AllCleanups(w.ctx)
	w.must(err)
	if len(pending) != 1 || pending[0].Unreadable {
		w.Errorf("the cleanups are %+v", pending)
	}
	w.must(w.s.Verify(w.ctx))
	if _, err := w.s.WriteDB().Exec("UPDATE resources SET state = 'Updating', due_at = 0, checksum = NULL"); err != nil {
		w.Fatal(err)
	}
	w.finish(w.claim("a"), store.Outcome{State: berth.StateSucceeded})
	all, err := w.s.Activities(w.ctx, sub, store.ActivityQuery{Limit: 2})
	w.must(err)
	if len(all) != 1 || all[0].Origin.Caller != "bob" || all[0].Origin.Right != "Microsoft.Resources/subscriptions/resourceGroups/write" {
		w.Errorf("the activity log has %+v", all)
	}
}

// schemaOf are the tables and indexes of a database.
func schemaOf(t *testing.T, path string) string {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	rows, err := db.Query("SELECT COALESCE(sql, '') || ';' FROM sqlite_master ORDER BY type, name")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	var all []string
	for rows.Next() {
		var one string
		if err := rows.Scan(&one); err != nil {
			t.Fatal(err)
		}
		all = append(all, one)
	}
	text, err := json.MarshalIndent(all, "", " ")
	if err != nil || rows.Err() != nil {
		t.Fatal(err, rows.Err())
	}
	return string(text)
}
