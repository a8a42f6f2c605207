// Package postgrestest runs a private PostgreSQL for tests: the programs of the distribution's package, in a temporary folder, on a Unix
// socket. It is skipped with the reason where there is none; with BERTH_POSTGRES=required the test fails instead.
package postgrestest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// patience is how long the server may take to start and to stop.
const patience = 2 * time.Minute

// Cluster is one running PostgreSQL server ("cluster" in its own words), with any number of databases.
type Cluster struct {
	dir, bin string
	settings []string // arguments of the server
	server   *exec.Cmd
	made     atomic.Int64
}

// Start starts a server that ends with the test. durable: it writes through to the disk, as in production; else it is faster.
func Start(t testing.TB, durable bool) *Cluster {
	t.Helper()
	bin, err := programs()
	if err != nil {
		if os.Getenv("BERTH_POSTGRES") == "required" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	dir, err := os.MkdirTemp("", "berth-pg-") // not that of the test: its name may be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	c := &Cluster{dir: dir, bin: bin}
	if err := giveAway(dir); err != nil {
		t.Fatal(err)
	}
	// Another language than C: the order of texts must not depend on it.
	c.run(t, "initdb", "-D", c.data(), "-U", "berth", "-A", "trust", "-E", "UTF8", "--locale", locale(), "--no-sync")
	c.settings = []string{"-D", c.data(), "-k", dir, "-c", "listen_addresses=", "-c", "max_connections=400", "-c", "shared_buffers=32MB"}
	if !durable {
		c.settings = append(c.settings, "-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off")
	}
	c.StartServer(t)
	t.Cleanup(func() { c.StopServer(t) })
	return c
}

func (c *Cluster) data() string { return filepath.Join(c.dir, "data") }

// StartServer starts the server, also again after StopServer, and waits until it answers.
func (c *Cluster) StartServer(t testing.TB) {
	t.Helper()
	log, err := os.OpenFile(filepath.Join(c.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	c.server = exec.Command(filepath.Join(c.bin, "postgres"), c.settings...)
	c.server.Stdout, c.server.Stderr = log, log
	asUser(c.server)
	c.server.Dir = c.dir
	if err := c.server.Start(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		if exec.Command(filepath.Join(c.bin, "pg_isready"), "-q", "-h", c.dir, "-U", "berth", "-d", "postgres").Run() == nil {
			return
		}
		if time.Now().After(deadline) {
			text, _ := os.ReadFile(filepath.Join(c.dir, "log"))
			t.Fatalf("PostgreSQL does not start:\n%s", text)
		}
	}
}

// StopServer ends the server at once, as a crash of its machine does, and waits until all its processes are gone.
func (c *Cluster) StopServer(t testing.TB) {
	t.Helper()
	if c.server == nil {
		return
	}
	if err := c.server.Process.Signal(quit); err != nil {
		t.Error(err)
	}
	_ = c.server.Wait() // its code says that it was ended
	c.server = nil
}

// Database creates an empty database and returns its address.
func (c *Cluster) Database(t testing.TB) string {
	t.Helper()
	name := fmt.Sprint("test", c.made.Add(1))
	c.run(t, "createdb", "-h", c.dir, "-U", "berth", "-T", "template0", name)
	return c.Address(name)
}

// SQL runs statements in a database.
func (c *Cluster) SQL(t testing.TB, address, statements string) {
	t.Helper()
	c.run(t, "psql", "-q", "-v", "ON_ERROR_STOP=1", "-d", address, "-c", statements)
}

// Address is that of a database.
func (c *Cluster) Address(name string) string {
	return "postgres:///" + name + "?user=berth&host=" + c.dir
}

func (c *Cluster) run(t testing.TB, program string, arguments ...string) {
	t.Helper()
	cmd := exec.Command(filepath.Join(c.bin, program), arguments...)
	cmd.Dir = c.dir
	asUser(cmd)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", program, err, out)
	}
}

// programs is the folder of the newest PostgreSQL.
func programs() (string, error) {
	if path, err := exec.LookPath("initdb"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil {
			if _, err := os.Stat(filepath.Join(filepath.Dir(path), "postgres")); err == nil {
				return filepath.Dir(path), nil
			}
		}
	}
	all, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if len(all) == 0 {
		return "", fmt.Errorf("PostgreSQL is not installed: apt-get install -y --no-install-recommends postgresql")
	}
	return filepath.Dir(slices.MaxFunc(all, func(a, b string) int { return len(a) - len(b) + strings.Compare(a, b) })), nil
}

// locale is one in which upper and lower case are ordered together, if the machine has one.
func locale() string {
	out, _ := exec.Command("locale", "-a").Output()
	for _, name := range strings.Fields(string(out)) {
		if strings.HasPrefix(strings.ToLower(name), "en_us.utf") {
			return name
		}
	}
	return "C.UTF-8"
}
