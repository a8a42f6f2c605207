package local

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"

	"berth.dev/berth"
	"berth.dev/berth/kube"
	"berth.dev/berth/provider/providertest"
)

const patience = 5 * time.Minute // for one change, on a machine that is busy with other tests

var id, spec = providertest.ID, providertest.Spec(1)

var discard = slog.New(slog.DiscardHandler)

func TestContract(t *testing.T) {
	providertest.All(t, func(t *testing.T) berth.Provider { return begin(t, t.TempDir(), providertest.Binary(t)) })
}

// begin makes a provider and starts it. It ends with the test.
func begin(t *testing.T, dir, binary string) *Provider {
	t.Helper()
	return beginBy(t, clockwork.NewRealClock(), dir, binary)
}

func beginBy(t *testing.T, clock clockwork.Clock, dir, binary string) *Provider {
	t.Helper()
	p, err := New(Options{Dir: dir, Binary: binary, Nodes: berth.NodesSimulated, // real ones are dear, and have a test of their own
		Logger: slog.New(slog.NewTextHandler(t.Output(), nil)), Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { end(t, p) })
	return p
}

func end(t *testing.T, p *Provider) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := p.Stop(ctx); err != nil {
		t.Error(err)
	}
}

// eventually asks again until there is no error.
func eventually(t *testing.T, f func() error) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); ; <-tick.C {
		err := f()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %v", patience, err)
		}
	}
}

// ready asks for spec until it is there. Errors on the way are worth another try, by the contract.
func ready(t *testing.T, p *Provider) (f berth.ClusterFacts) {
	t.Helper()
	eventually(t, func() (err error) {
		f, err = p.Ensure(t.Context(), id, spec)
		if err == nil && !f.Ready {
			err = errors.New(f.Message)
		}
		return err
	})
	return f
}

func same(want berth.ClusterFacts) func(berth.ClusterFacts, error) error {
	return func(f berth.ClusterFacts, err error) error {
		if err == nil && f != want {
			err = errors.New(f.Message)
		}
		return err
	}
}

func uid(t *testing.T, p *Provider) string {
	t.Helper()
	config, err := p.Kubeconfig(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	c, err := kube.Connect(config, kube.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	f, err := c.Facts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return f.UID
}

// running reads which process a cluster runs in.
func running(dir string) (p process, err error) {
	return p, readJSON(filepath.Join(dir, folder(id), "process.json"), &p)
}

func gone(p process) error {
	if started, there := startTime(p.PID); there && started == p.Started {
		return errors.New("the process still runs")
	}
	return nil
}

// kill ends the cluster's process and waits until there is another.
func kill(t *testing.T, dir string) {
	t.Helper()
	old, err := running(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(old.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error {
		now, err := running(dir)
		if err == nil && now == old {
			err = errors.New("not started again")
		}
		return err
	})
}

func TestDeathsAndRestarts(t *testing.T) {
	dir, binary := t.TempDir(), providertest.Binary(t)
	p := begin(t, dir, binary)
	first := ready(t, p)
	was := uid(t, p)

	t.Run("a killed process is started again", func(t *testing.T) {
		kill(t, dir)
		if f := ready(t, p); f != first || uid(t, p) != was {
			t.Errorf("%+v became %+v, %s", first, f, uid(t, p))
		}
	})
	t.Run("a stopped server leaves nothing running", func(t *testing.T) {
		old, err := running(dir)
		if err != nil {
			t.Fatal(err)
		}
		end(t, p)
		if err := gone(old); err != nil {
			t.Error(err)
		}
		if _, err := running(dir); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("process.json: %v", err)
		}
		if _, err := p.Ensure(t.Context(), id, spec); !errors.Is(err, errStopping) && err == nil {
			t.Errorf("ensure after the end: %v", err)
		}
		end(t, p) // again
	})
	t.Run("a new server brings it back", func(t *testing.T) {
		p := begin(t, dir, binary)
		eventually(t, func() error { // without being asked for it
			return same(first)(p.Observe(t.Context(), id))
		})
		if now := uid(t, p); now != was {
			t.Errorf("cluster %s became %s", was, now)
		}
		end(t, p)
	})
	t.Run("a stranger on its port makes it move", func(t *testing.T) {
		l, err := net.Listen("tcp", strings.TrimPrefix(first.Endpoint, "https://"))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = l.Close() }()
		p := begin(t, dir, binary)
		if f := ready(t, p); f.Endpoint == first.Endpoint || uid(t, p) != was {
			t.Errorf("%+v", f)
		}
	})
}

func writeFolder(t *testing.T, dir string, files map[string]any) string {
	t.Helper()
	path := filepath.Join(dir, folder(id))
	if err := os.MkdirAll(filepath.Join(path, "kube"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, v := range files {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(path, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

func TestStartTidiesUp(t *testing.T) {
	for name, files := range map[string]map[string]any{
		"half made":    {".new-123": "x"},
		"half removed": {"cluster.json": record{ID: id, Spec: spec, Port: 1, Removing: true}, "berth-kube.log": ""},
		"a stale pid":  {"process.json": process{PID: os.Getpid(), Started: "another time"}},
		"a broken pid": {"process.json": "x"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := writeFolder(t, dir, files)
			p := begin(t, dir, "/nowhere")
			if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("still there: %v", err)
			}
			if f, err := p.Observe(t.Context(), id); err != nil || f.Exists {
				t.Errorf("%+v, %v", f, err)
			}
			if gone, err := p.Remove(t.Context(), id); !gone || err != nil {
				t.Errorf("%v, %v", gone, err)
			}
		})
	}
}

func TestStartTouchesNothingElse(t *testing.T) {
	dir := t.TempDir()
	if err := errors.Join(os.Mkdir(filepath.Join(dir, "lost+found"), 0o700),
		os.WriteFile(filepath.Join(dir, "notes-12345678"), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	begin(t, dir, "/nowhere")
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 2 {
		t.Errorf("%v, %v", entries, err)
	}
}

func TestStartRefusesADamagedRecord(t *testing.T) {
	dir := t.TempDir()
	path := writeFolder(t, dir, map[string]any{"cluster.json": "x"})
	p, err := New(Options{Dir: dir, Nodes: berth.NodesSimulated, Logger: discard, Clock: clockwork.NewRealClock()})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(t.Context()); err == nil || !strings.Contains(err.Error(), filepath.Join(path, "cluster.json")) {
		t.Errorf("%v", err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
}

func TestMissingBinary(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	dir := t.TempDir()
	for _, binary := range []string{"", "/nowhere/berth-kube", dir} {
		clusters := t.TempDir()
		p := begin(t, clusters, binary)
		if _, err := p.Ensure(t.Context(), id, spec); berth.ErrorCode(err) != berth.CodeProviderUnavailable ||
			!strings.Contains(err.Error(), "make") {
			t.Errorf("%q: %v", binary, err)
		}
		if entries, err := os.ReadDir(clusters); err != nil || len(entries) > 0 {
			t.Errorf("%q: made %v, %v", binary, entries, err)
		}
	}
}

func TestPortsAreSteady(t *testing.T) {
	p := begin(t, t.TempDir(), "/nowhere")
	p.mu.Lock()
	defer p.mu.Unlock()
	port, err := p.freePort()
	if err != nil || port < steadyFirst || port >= steadyFirst+steadyCount {
		t.Errorf("%d, %v", port, err)
	}
}

func TestFolder(t *testing.T) {
	seen := map[string]bool{}
	for _, name := range []string{"a", "A-b_c(1)", strings.Repeat("x", 63), strings.Repeat("x", 62) + "y"} {
		f := folder(berth.NewID("S", "rg", berth.TypeCluster, name))
		if !folderName.MatchString(f) || len(f) > 39 || filepath.Base(f) != f || seen[f] {
			t.Errorf("%s: %s", name, f)
		}
		seen[f] = true
		if again := folder(berth.NewID("s", "RG", berth.TypeCluster, strings.ToUpper(name))); again != f {
			t.Errorf("%s and %s by casing", f, again)
		}
	}
}
