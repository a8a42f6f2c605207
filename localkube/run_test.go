package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

const (
	patience = 5 * time.Minute // for one change, on a machine that is busy with other tests
	poll     = 20 * time.Millisecond
)

// binary is what is tested: the program as it is built, not this test's own copy of it.
func binary(t testing.TB) string {
	t.Helper()
	path := os.Getenv("BERTH_KUBE_BIN")
	if path == "" {
		path = filepath.Join("..", "bin", "berth-kube")
	}
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%s is not there; run make first", path)
	}
	return path
}

// running is one berth-kube.
type running struct {
	t      testing.TB
	dir    string
	port   int
	cmd    *exec.Cmd
	up     chan struct{} // closed when it said that it is ready
	exited chan struct{}

	mu     sync.Mutex
	stdout []string
	stderr bytes.Buffer
}

// start runs "berth-kube serve". It ends with the test, and with the test's process.
func start(t testing.TB, dir string, port int, more ...string) *running {
	t.Helper()
	return startBy(t, exec.Command(binary(t), serveArgs(dir, port, more...)...), dir, port)
}

func serveArgs(dir string, port int, more ...string) []string {
	return append([]string{"serve", "--dir", dir, "--api-port", strconv.Itoa(port), "--exit-with-parent"}, more...)
}

// startBy does so by a command.
func startBy(t testing.TB, cmd *exec.Cmd, dir string, port int) *running {
	t.Helper()
	r := &running{t: t, dir: dir, port: port, cmd: cmd, up: make(chan struct{}), exited: make(chan struct{})}
	stdout, err := r.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	stderr, err := r.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var read sync.WaitGroup
	read.Go(func() { r.readEvents(bufio.NewScanner(stdout)) })
	read.Go(func() { r.readLog(bufio.NewScanner(stderr)) })
	go func() {
		read.Wait()
		_ = r.cmd.Wait() // told by the exit code
		close(r.exited)
	}()
	t.Cleanup(r.kill)
	return r
}

func (r *running) readEvents(lines *bufio.Scanner) {
	for lines.Scan() {
		r.mu.Lock()
		r.stdout = append(r.stdout, lines.Text())
		r.mu.Unlock()
		var e struct{ Event string }
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			r.t.Errorf("%q is no event: %v", lines.Text(), err)
		}
		if e.Event == "ready" {
			close(r.up)
		}
	}
}

func (r *running) readLog(lines *bufio.Scanner) {
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		r.mu.Lock()
		fmt.Fprintln(&r.stderr, lines.Text())
		r.mu.Unlock()
	}
}

func (r *running) log() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stderr.String()
}

func (r *running) kill() {
	_ = r.cmd.Process.Kill() // gone already is as good
	<-r.exited
}

// ready waits until it says so.
func (r *running) ready() *running {
	r.t.Helper()
	select {
	case <-r.up:
	case <-r.exited:
		r.t.Fatalf("it ended with %d before it was ready:\n%s", r.cmd.ProcessState.ExitCode(), r.log())
	case <-time.After(patience):
		r.t.Fatalf("not ready within %v:\n%s", patience, r.log())
	}
	return r
}

// code waits for the end and answers the exit code.
func (r *running) code() int {
	r.t.Helper()
	select {
	case <-r.exited:
	case <-time.After(patience):
		r.t.Fatalf("it did not end within %v:\n%s", patience, r.log())
	}
	return r.cmd.ProcessState.ExitCode()
}

func (r *running) stop() {
	r.t.Helper()
	if err := r.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		r.t.Fatal(err)
	}
	if code := r.code(); code != 0 {
		r.t.Errorf("exit code %d:\n%s", code, r.log())
	}
}

func (r *running) config() *rest.Config {
	r.t.Helper()
	c, err := clientcmd.BuildConfigFromFlags("", filepath.Join(r.dir, "admin.kubeconfig"))
	if err != nil {
		r.t.Fatal(err)
	}
	c.QPS, c.Timeout = -1, time.Minute
	return c
}

func (r *running) client() *kubernetes.Clientset {
	r.t.Helper()
	c, err := kubernetes.NewForConfig(r.config())
	if err != nil {
		r.t.Fatal(err)
	}
	return c
}

func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port
}

// eventually asks again until there is no error.
func eventually(t testing.TB, f func(ctx context.Context) error) {
	t.Helper()
	eventuallyIn(t, patience, f)
}

// eventuallyIn does so for something that takes its time by itself.
func eventuallyIn(t testing.TB, patience time.Duration, f func(ctx context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for {
		err := f(ctx)
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("not within %v: %v", patience, err)
		}
	}
}
