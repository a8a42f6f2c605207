package arm_test

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"modernc.org/sqlite"

	"berth.dev/berth"
)

// smallDisks are the databases, by their path, that may not grow beyond some pages. SQLite keeps to such a limit by
// connection, and answers the same as on a disk that is full.
var smallDisks sync.Map

func init() {
	sqlite.RegisterConnectionHook(func(conn sqlite.ExecQuerierContext, dsn string) error {
		var err error
		smallDisks.Range(func(path, pages any) bool {
			if strings.Contains(dsn, path.(string)) {
				_, err = conn.ExecContext(context.Background(), fmt.Sprint("PRAGMA max_page_count = ", pages), nil)
			}
			return err == nil
		})
		return err
	})
}

// disk is another program that fills the disk of the server, and frees it again.
type disk struct {
	*stage
	db *sql.DB
}

func smallDisk(t *testing.T) *disk {
	t.Helper()
	path := filepath.Join(t.TempDir(), "berth.db")
	smallDisks.Store(path, 200)
	t.Cleanup(func() { smallDisks.Delete(path) })
	d := &disk{stage: newStageAt(t, path)}
	var err error
	d.db, err = sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(10000)")
	d.must(err)
	t.Cleanup(func() { _ = d.db.Close() })
	return d
}

func (d *disk) exec(query string) error {
	_, err := d.db.ExecContext(d.t.Context(), query)
	return err
}

func (d *disk) fill() {
	d.t.Helper()
	d.must(d.exec("CREATE TABLE filler (x BLOB)"))
	for n := 100000; n > 1; n /= 4 {
		for d.exec(fmt.Sprintf("INSERT INTO filler VALUES (zeroblob(%d))", n)) == nil {
		}
	}
}

func (d *disk) free() { d.must(d.exec("DROP TABLE filler")) }

// refused checks the answer on a full disk: what is wrong, that nothing was changed, and what to do.
func (d *disk) refused(method, path, body string) {
	d.t.Helper()
	got := d.send(method, path, nil, body)
	d.must(got.is(http.StatusInsufficientStorage))
	for _, want := range []string{`"code":"InsufficientStorage"`, "disk", "full", "nothing was changed", "Free some space and try again"} {
		if !strings.Contains(got.text, want) {
			d.t.Errorf("%s %s does not say %q: %s", method, path, want, got.text)
		}
	}
}

// counting is a provider that counts its calls.
type counting struct {
	berth.Provider
	ensured atomic.Int64
}

func (c *counting) Ensure(ctx context.Context, id berth.ID, spec berth.ClusterSpec) (berth.ClusterFacts, error) {
	c.ensured.Add(1)
	return c.Provider.Ensure(ctx, id, spec)
}

// TestFullDisk: on a full disk requests are refused with a remedy, reads still work, operations in progress wait with backoff, and
// everything continues when there is space again.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	d := smallDisk(t)
	provider := &counting{Provider: d.provider}
	d.provider = provider
	var clusters []string
	for i := range 5 { // whose credentials do not fit into what is left on half-filled pages
		clusters = append(clusters, fmt.Sprintf("%s/providers/Microsoft.ContainerService/managedClusters/own%d", d.group(), i))
		body := `{"location":"westeurope","properties":{"agentPoolProfiles":[{"name":"pool","count":1,"vmSize":"Standard_D3_v2"}]}}`
		d.must(d.send("PUT", clusters[i], nil, body).is(http.StatusCreated))
	}
	before := d.send("GET", d.workspace(), nil, "").text
	big := bigTags()

	d.fill()
	d.refused("PUT", d.workspace()+"2", big)
	d.refused("PATCH", d.workspace(), big)
	d.refused("PUT", d.workspace()+"/computes/gpu", strings.Replace(big, "{", `{"properties":{"computeType":"AKS"},`, 1))
	d.must(d.send("GET", d.workspace()+"2", nil, "").is(http.StatusNotFound))
	if after := d.send("GET", d.workspace(), nil, "").text; after != before {
		t.Errorf("what was refused changed %s\ninto %s", before, after)
	}
	d.must(d.send("GET", "/readyz", nil, "").is(http.StatusOK))

	later := d.clock.Now().Add(10 * time.Second)
	d.workUntil(func() bool { return d.clock.Now().After(later) })
	if n := provider.ensured.Load(); n < 2 || n > 100 {
		t.Errorf("in ten seconds on a full disk the cluster was asked for %d times", n)
	}
	if d.settled() {
		t.Error("every operation ended: the disk is not full, and this test shows nothing")
	}

	d.free()
	d.settle()
	for _, c := range clusters {
		if got := d.send("GET", c, nil, ""); !strings.Contains(got.text, `"provisioningState":"Succeeded"`) {
			t.Errorf("with room again the cluster is %s", got.text)
		}
		d.must(d.send("POST", c+"/listClusterAdminCredential", nil, "").is(http.StatusOK))
	}
	d.must(d.send("PUT", d.workspace()+"2", nil, big).is(http.StatusOK))
	d.must(d.send("PATCH", d.workspace(), nil, big).is(http.StatusOK))
}

// bigTags is a body that takes pages of its own in the database.
func bigTags() string {
	var all []string
	for i := range 40 {
		all = append(all, fmt.Sprintf(`"tag%d":"%s"`, i, strings.Repeat("x", 250)))
	}
	return `{"location":"westeurope","tags":{` + strings.Join(all, ",") + `}}`
}
