package local

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"

	"berth.dev/berth/provider/providertest"
)

// script is a program in place of berth-kube.
func script(t *testing.T, body string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "berth-kube")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+body+"\n"), 0o700); err != nil { // #nosec: to be run
		t.Fatal(err)
	}
	return path
}

// ensureFails asks until there is an error, and moves the clock on meanwhile.
func ensureFails(t *testing.T, p *Provider, clock *clockwork.FakeClock) (err error) {
	t.Helper()
	eventually(t, func() error {
		clock.Advance(lastDelay)
		if _, err = p.Ensure(t.Context(), id, spec); err == nil {
			return errors.New("no error")
		}
		return nil
	})
	return err
}

func TestProcessThatKeepsDying(t *testing.T) {
	clock, dir := clockwork.NewFakeClock(), t.TempDir()
	p := beginBy(t, clock, dir, script(t, `echo "first words" >&2; echo "berth-kube: the disk is on fire" >&2; exit 1`))
	f, err := p.Ensure(t.Context(), id, spec)
	if err != nil || !f.Exists || f.Reachable || f.Ready || !strings.Contains(f.Message, "starting Kubernetes") {
		t.Errorf("%+v, %v", f, err)
	}
	err = ensureFails(t, p, clock)
	if !strings.Contains(err.Error(), "5 times in a row") || !strings.Contains(err.Error(), "the disk is on fire") {
		t.Errorf("%v", err)
	}
	if f, err := p.Observe(t.Context(), id); err != nil || f.Reachable || !strings.Contains(f.Message, "the disk is on fire") {
		t.Errorf("%+v, %v", f, err)
	}
	log, err := os.ReadFile(filepath.Join(dir, folder(id), "berth-kube.log"))
	if err != nil || !strings.Contains(string(log), "first words\n") {
		t.Errorf("%q, %v", log, err)
	}
	removed(t, p)
}

func removed(t *testing.T, p *Provider) {
	t.Helper()
	eventually(t, func() error {
		gone, err := p.Remove(t.Context(), id)
		if err == nil && !gone {
			err = errors.New("still there")
		}
		return err
	})
	if entries, err := os.ReadDir(p.Dir); err != nil || len(entries) > 0 {
		t.Errorf("left: %v, %v", entries, err)
	}
}

// The last words are those of the process that died last.
func TestOldWordsAreForgotten(t *testing.T) {
	clock, dir := clockwork.NewFakeClock(), t.TempDir()
	said := filepath.Join(t.TempDir(), "said")
	p := beginBy(t, clock, dir, script(t, `[ -e '`+said+`' ] && exit 3; touch '`+said+`'; echo "the first one's words" >&2; exit 1`))
	err := ensureFails(t, p, clock)
	if strings.Contains(err.Error(), "first one") || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("%v", err)
	}
}

// An exit code moves a cluster from its port, whatever the words are; words alone move none.
func TestPortInUseIsAnExitCode(t *testing.T) {
	for name, c := range map[string]struct {
		script string
		moves  bool
	}{
		"code 69 and other words": {`echo "the port is somebody else's" >&2; exit 69`, true},
		"code 69 without a word":  {`exit 69`, true},
		"the words of it":         {`echo "berth-kube: port 7 is in use by another program; choose another --api-port" >&2; exit 1`, false},
		"another code":            {`exit 74`, false},
	} {
		t.Run(name, func(t *testing.T) {
			dir, clock := t.TempDir(), clockwork.NewFakeClock()
			writeFolder(t, dir, map[string]any{"cluster.json": record{ID: id, Spec: spec, Port: 1}})
			p := beginBy(t, clock, dir, script(t, c.script))
			_ = ensureFails(t, p, clock) // five deaths
			r, err := readRecord(filepath.Join(dir, folder(id)))
			if err != nil || (r.Port != 1) != c.moves {
				t.Errorf("port %d, %v", r.Port, err)
			}
		})
	}
}

// The program itself ends with the code that the supervisor acts on.
func TestExitCodeOfTheProgram(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	port := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	cmd := exec.CommandContext(t.Context(), providertest.Binary(t), "serve", "--dir", filepath.Join(t.TempDir(), "kube"), "--api-port", port)
	exit, isExit := errors.AsType[*exec.ExitError](cmd.Run())
	if !isExit || exit.ExitCode() != exitPortInUse {
		t.Errorf("%v; want exit code %d", exit, exitPortInUse)
	}
}

func TestBackoff(t *testing.T) {
	p := beginBy(t, clockwork.NewFakeClock(), t.TempDir(), "/nowhere")
	s := &newCluster(p, folder(id), record{ID: id, Spec: spec, Port: 1}).process
	var got []time.Duration
	for range 10 {
		got = append(got, s.died(0, nil))
	}
	want := []time.Duration{200, 400, 800, 1600, 3200, 6400, 12800, 25600, 30000, 30000}
	for i := range want {
		if got[i] != want[i]*time.Millisecond {
			t.Fatalf("%v; want %v ms", got, want)
		}
	}
	if d := s.died(2*healthyFor, nil); d != firstDelay {
		t.Errorf("after a long life: %v", d)
	}
}

func TestProcessThatDoesNotListenIsKilled(t *testing.T) {
	clock, dir := clockwork.NewFakeClock(), t.TempDir()
	p := beginBy(t, clock, dir, script(t, `trap "" TERM; echo up >&2; while :; do read _ || sleep 0.1; done`))
	if _, err := p.Ensure(t.Context(), id, spec); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error {
		log, err := os.ReadFile(filepath.Join(dir, folder(id), "berth-kube.log"))
		if err == nil && !strings.Contains(string(log), "up") {
			err = errors.New("not up")
		}
		return err
	})
	old, err := running(dir)
	if err != nil {
		t.Fatal(err)
	}
	if gone, err := p.Remove(t.Context(), id); gone || err != nil {
		t.Fatalf("%v, %v", gone, err)
	}
	if _, err := p.Ensure(t.Context(), id, spec); !errors.Is(err, errRemoving) {
		t.Errorf("ensure meanwhile: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := clock.BlockUntilContext(ctx, 1); err != nil {
		t.Fatal(err)
	}
	clock.Advance(killAfter)
	removed(t, p)
	if err := gone(old); err != nil {
		t.Error(err)
	}
}

func TestStopDoesNotWaitForever(t *testing.T) {
	dir := t.TempDir()
	p := begin(t, dir, script(t, `trap "" TERM; while :; do read _ || sleep 0.1; done`))
	if _, err := p.Ensure(t.Context(), id, spec); err != nil {
		t.Fatal(err)
	}
	var old process
	eventually(t, func() (err error) {
		old, err = running(dir)
		return err
	})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Stop(ctx); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), folder(id)) {
		t.Errorf("%v", err)
	}
	eventually(t, func() error { return gone(old) })
}

// Removes that overlap take away one cluster, and not the next one of the same name.
func TestRemoveTwiceAndMakeAnew(t *testing.T) {
	p := begin(t, t.TempDir(), script(t, `exec sleep 1000`))
	for round := range 20 {
		if err := p.Prepare(id, spec); err != nil {
			t.Fatal(round, err)
		}
		old := p.find(id)
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() { eventually(t, func() error { return whole(p.Remove(context.Background(), id)) }) })
		}
		wg.Wait()
		if err := p.Prepare(id, spec); err != nil {
			t.Fatal(round, err)
		}
		if gone, err := old.remove(); !gone || err != nil {
			t.Errorf("%v, %v", gone, err)
		}
		if _, err := readRecord(filepath.Join(p.Dir, folder(id))); err != nil {
			t.Fatal(round, err)
		}
		removed(t, p)
	}
}

func whole(gone bool, err error) error {
	if err == nil && !gone {
		err = errors.New("still there")
	}
	return err
}

func TestManyAtOnce(t *testing.T) {
	p := begin(t, t.TempDir(), script(t, `exec sleep 1000`))
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 5 {
				_, _ = p.Ensure(t.Context(), id, providertest.Spec(1+i%3))
				_, _ = p.Observe(t.Context(), id)
				_, _ = p.Kubeconfig(t.Context(), id)
				_, _ = p.Remove(t.Context(), id)
			}
		})
	}
	wg.Wait()
	removed(t, p)
}

// A process that an earlier server left is ended before its cluster is started again.
func TestLeftoverIsReaped(t *testing.T) {
	dir := t.TempDir()
	left := exec.Command("/bin/sleep", "1000")
	if err := left.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = left.Wait(); close(ended) }()
	t.Cleanup(func() { _ = left.Process.Kill(); <-ended })
	started, ok := startTime(left.Process.Pid)
	if !ok {
		t.Fatal("no start time")
	}
	mine := process{PID: left.Process.Pid, Started: started}
	writeFolder(t, dir, map[string]any{"cluster.json": record{ID: id, Spec: spec, Port: 1}, "process.json": mine})
	p := begin(t, dir, script(t, `exec sleep 1000`))
	if err := gone(mine); err != nil {
		t.Error(err)
	}
	eventually(t, func() error {
		now, err := running(dir)
		if err == nil && now == mine {
			err = errors.New("the old one is still noted down")
		}
		return err
	})
	removed(t, p)
}

const parentOf = "BERTH_TEST_PARENT_OF"

// TestMain can be a server: one that starts a cluster, says so, and waits to be killed.
func TestMain(m *testing.M) {
	if dir := os.Getenv(parentOf); dir != "" {
		serveUntilKilled(dir, os.Getenv("BERTH_TEST_CHILD"))
	}
	os.Exit(m.Run())
}

func serveUntilKilled(dir, binary string) {
	p, err := New(Options{Dir: dir, Binary: binary, Nodes: "simulated", Logger: discard, Clock: clockwork.NewRealClock()})
	if err == nil {
		err = p.Prepare(id, spec)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	select {}
}

// A killed server takes its children with it, however soon it is killed.
func TestKilledServerLeavesNoChild(t *testing.T) {
	for round := range 5 {
		dir := t.TempDir()
		parent := exec.Command(os.Args[0])
		parent.Env = append(os.Environ(), parentOf+"="+dir, "BERTH_TEST_CHILD="+script(t, `exec sleep 1000`))
		if err := parent.Start(); err != nil {
			t.Fatal(err)
		}
		var child process
		eventually(t, func() (err error) {
			child, err = running(dir)
			return err
		})
		if err := errors.Join(parent.Process.Signal(syscall.SIGKILL), ignoreExit(parent.Wait())); err != nil {
			t.Fatal(round, err)
		}
		eventually(t, func() error { return gone(child) })
	}
}

func ignoreExit(err error) error {
	if _, ok := errors.AsType[*exec.ExitError](err); ok {
		return nil
	}
	return err
}
