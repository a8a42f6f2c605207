//go:build linux

package local_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"

	"berth.dev/berth"
	"berth.dev/berth/provider/local"
	"berth.dev/berth/provider/providertest"
)

// kubeBinary is berth-kube; without it these tests fail, because Berth without it is not tested.
func kubeBinary(t *testing.T) string {
	t.Helper()
	path := os.Getenv("BERTH_KUBE_BIN")
	if path == "" {
		path = filepath.Join("..", "..", "bin", "berth-kube")
	}
	abs, err := filepath.Abs(path)
	if err == nil {
		_, err = os.Stat(abs)
	}
	if err != nil {
		t.Fatalf("there is no berth-kube: %v; run 'make kube' first", err)
	}
	return abs
}

func open(t *testing.T, dir, binary string) *local.Provider {
	t.Helper()
	p, err := local.New(local.Options{Dir: dir, Binary: binary, Logger: slog.New(slog.DiscardHandler), Clock: clockwork.NewRealClock()})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	return p
}

func stop(t *testing.T, p *local.Provider) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := p.Stop(ctx); err != nil {
		t.Error(err)
	}
}

func TestContract(t *testing.T) {
	providertest.All(t, func(t *testing.T) berth.Provider {
		p := open(t, t.TempDir(), kubeBinary(t))
		t.Cleanup(func() { stop(t, p) })
		return p
	})
}

// until asks Ensure until the cluster is as it should be.
func until(t *testing.T, p *local.Provider, want func(berth.ClusterFacts, error) bool) berth.ClusterFacts {
	t.Helper()
	var f berth.ClusterFacts
	var err error
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(25 * time.Millisecond) {
		if f, err = p.Ensure(context.Background(), providertest.ID, providertest.Spec(2)); want(f, err) {
			return f
		}
	}
	t.Fatalf("after a minute: %+v, %v", f, err)
	return f
}

func ready(f berth.ClusterFacts, err error) bool { return err == nil && f.Ready }

// process reads what is noted down of the cluster's process.
func process(t *testing.T, dir string) (pid int) {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "*", "process.json"))
	if err != nil || len(found) != 1 {
		t.Fatalf("processes noted down: %v, %v", found, err)
	}
	text, err := os.ReadFile(found[0])
	if err != nil {
		t.Fatal(err)
	}
	var p struct{ PID int }
	if err := json.Unmarshal(text, &p); err != nil {
		t.Fatal(err)
	}
	return p.PID
}

// TestSurvives: a process that dies comes back with its state, and so does the cluster after a restart of the server,
// even when its port was taken meanwhile.
func TestSurvives(t *testing.T) {
	dir := t.TempDir()
	p := open(t, dir, kubeBinary(t))
	first := until(t, p, ready)
	pid := process(t, dir)
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	again := until(t, p, func(f berth.ClusterFacts, err error) bool { return ready(f, err) && process(t, dir) != pid })
	if again.Endpoint != first.Endpoint {
		t.Errorf("the cluster moved from %s to %s", first.Endpoint, again.Endpoint)
	}
	stop(t, p)
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("process %d is still there: %v", pid, err)
	}
	l, err := net.Listen("tcp", strings.TrimPrefix(first.Endpoint, "https://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	p = open(t, dir, kubeBinary(t))
	defer stop(t, p)
	moved := until(t, p, ready)
	if moved.Endpoint == first.Endpoint {
		t.Errorf("the cluster says it is at %s, which a stranger has", moved.Endpoint)
	}
}

// TestReaps: what an earlier server left is ended or removed at start.
func TestReaps(t *testing.T) {
	dir := t.TempDir()
	p := open(t, dir, kubeBinary(t))
	until(t, p, ready)
	stop(t, p)
	cluster, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(cluster) != 1 {
		t.Fatal(cluster, err)
	}
	child := exec.Command("sleep", "60")
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan error, 1)
	go func() { exited <- child.Wait() }()
	note, err := json.Marshal(map[string]any{"pid": child.Process.Pid, "started": local.StartTime(child.Process.Pid)})
	if err != nil {
		t.Fatal(err)
	}
	half := filepath.Join(dir, "half-made-0123abcd")
	if err := errors.Join(os.WriteFile(filepath.Join(cluster[0], "process.json"), note, 0o600), os.MkdirAll(filepath.Join(half, "kube"), 0o700)); err != nil {
		t.Fatal(err)
	}
	p = open(t, dir, kubeBinary(t))
	defer stop(t, p)
	select {
	case <-exited:
	case <-time.After(10 * time.Second):
		t.Error("the leftover process was not ended")
	}
	if _, err := os.Stat(half); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the half-made folder is still there: %v", err)
	}
	until(t, p, ready)
}

// TestBroken: a program that does not run is told with its last words; one that is not there at once and for good.
func TestBroken(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "bad")
	if err := os.WriteFile(bad, []byte("#!/bin/sh\necho these are my last words >&2\nexit 1\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	p := open(t, t.TempDir(), bad)
	defer stop(t, p)
	until(t, p, func(_ berth.ClusterFacts, err error) bool {
		return err != nil && strings.Contains(err.Error(), "these are my last words")
	})
	missing := open(t, t.TempDir(), filepath.Join(t.TempDir(), "nothing"))
	defer stop(t, missing)
	_, err := missing.Ensure(context.Background(), providertest.ID, providertest.Spec(1))
	if berth.ErrorCode(err) != berth.CodeProviderUnavailable || !strings.Contains(err.Error(), "--kube-binary") {
		t.Errorf("without the program: %v", err)
	}
}

// TestStubborn: a program that does not end when told to is ended.
func TestStubborn(t *testing.T) {
	stubborn := filepath.Join(t.TempDir(), "stubborn")
	if err := os.WriteFile(stubborn, []byte("#!/bin/sh\ntrap '' TERM\nwhile :; do sleep 1; done\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	p := open(t, dir, stubborn)
	if _, err := p.Ensure(context.Background(), providertest.ID, providertest.Spec(1)); err != nil {
		t.Fatal(err)
	}
	var pid int
	for deadline := time.Now().Add(10 * time.Second); pid == 0 && time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if found, _ := filepath.Glob(filepath.Join(dir, "*", "process.json")); len(found) == 1 {
			pid = process(t, dir)
		}
	}
	stop(t, p)
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("process %d is still there: %v", pid, err)
	}
}
