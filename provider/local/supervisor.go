package local

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"
)

const (
	firstDelay = 200 * time.Millisecond
	lastDelay  = 30 * time.Second
	healthyFor = time.Minute // after so long a life a death counts as the first
	manyDeaths = 5
	killAfter  = 6 * time.Second // berth-kube stops in five
	logLimit   = 5 << 20
)

// exitPortInUse is the exit code of a berth-kube whose API port another program has. It is the copy of a constant in
// localkube/exit.go, where all codes stand: the two modules meet only as processes. Change one with the other.
const exitPortInUse = 69

// supervisor keeps one berth-kube running: it is restarted with backoff when it dies.
type supervisor struct {
	cluster *cluster
	log     *slog.Logger

	mu        sync.Mutex
	done      chan struct{} // closed when the loop has ended; nil before run
	stop      chan struct{}
	deaths    int    // in a row
	line      string // the last one on the standard error of the process that runs
	lastWords string // of the one that died last
	answered  bool
	outdated  chan struct{} // closed when the process that runs has options of before
	renewing  bool          // a process with the present options is still to be started
}

// run starts the loop, once.
func (s *supervisor) run() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done != nil {
		return
	}
	s.done, s.stop = make(chan struct{}), make(chan struct{})
	s.outdated = make(chan struct{})
	go s.loop(s.stop, s.done)
}

// halt ends the loop and asks the process to end. It does not wait.
func (s *supervisor) halt() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stop != nil {
		close(s.stop)
		s.stop = nil
	}
}

// restart ends the process in order, and starts one with the record's present options. It does not wait.
func (s *supervisor) restart() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.outdated != nil && !s.renewing {
		s.renewing, s.answered = true, false
		close(s.outdated)
	}
}

// restarting reports whether the process that runs, if any, has the options of before.
func (s *supervisor) restarting() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.renewing
}

// renewed begins with the record's present options: what it says is read after this.
func (s *supervisor) renewed() (outdated chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.renewing {
		s.outdated, s.renewing = make(chan struct{}), false
	}
	return s.outdated
}

// ended reports whether no process runs and none will be started.
func (s *supervisor) ended() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done == nil {
		return true
	}
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

func (s *supervisor) wait(ctx context.Context) error {
	s.mu.Lock()
	done := s.done
	s.mu.Unlock()
	if done == nil {
		return nil
	}
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *supervisor) loop(stop, done chan struct{}) {
	defer close(done)
	for {
		start := s.cluster.provider.Clock.Now()
		err := s.once(stop)
		select {
		case <-stop:
			return
		default:
		}
		if s.restarting() {
			continue
		}
		delay := s.died(s.cluster.provider.Clock.Since(start), err)
		s.log.Warn("a cluster's process ended and is started again", "error", err, "in", delay)
		select {
		case <-stop:
			return
		case <-s.cluster.provider.Clock.After(delay):
		}
	}
}

// died counts a death, moves the cluster when its port was in use, and returns how long to wait before the next start.
func (s *supervisor) died(life time.Duration, err error) time.Duration {
	s.mu.Lock()
	if life > healthyFor {
		s.deaths = 0
	}
	s.deaths++
	s.answered = false
	deaths := s.deaths
	s.line, s.lastWords = "", s.line
	if s.lastWords == "" && err != nil {
		s.lastWords = err.Error()
	}
	s.mu.Unlock()
	if exit, isExit := errors.AsType[*exec.ExitError](err); isExit && exit.ExitCode() == exitPortInUse {
		if err := s.cluster.move(); err != nil {
			s.log.Warn("no other port for a cluster", "error", err)
		}
	}
	return min(firstDelay<<min(deaths-1, 10), lastDelay)
}

// once starts the process and waits for its end.
func (s *supervisor) once(stop chan struct{}) error {
	c, outdated := s.cluster, s.renewed()
	binary, err := FindBinary(c.provider.Binary)
	if err != nil {
		return err
	}
	cmd, err := c.command(binary)
	if err != nil {
		return err
	}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := c.provider.starter.start(cmd); err != nil {
		return err
	}
	started, _ := startTime(cmd.Process.Pid)
	path := filepath.Join(c.dir, "process.json")
	if err := writeJSON(path, process{PID: cmd.Process.Pid, Started: started}); err != nil {
		s.log.Warn("the cluster's process could not be noted down", "error", err)
	}
	read := make(chan struct{})
	go func() { defer close(read); s.keepLog(stderr) }()
	exited := make(chan struct{})
	go s.endWhenDue(cmd, due{stop, outdated, exited})
	<-read // all of it, before Wait closes the pipe
	err = cmd.Wait()
	close(exited)
	if gone := os.Remove(path); gone != nil && !errors.Is(gone, os.ErrNotExist) {
		return errors.Join(err, gone)
	}
	return err
}

// command runs the cluster in a process that dies with this one.
func (c *cluster) command(binary string) (*exec.Cmd, error) {
	_, r := c.base()
	o, err := r.options()
	if err != nil {
		return nil, err
	}
	var more []string
	if o.real {
		program, err := nodesProgram(binary)
		if err != nil {
			return nil, err
		}
		if err := os.MkdirAll(c.provider.Images, 0o755); err != nil { // #nosec: only its owner enters the data folder
			return nil, err
		}
		more = []string{"--nodes", program, "--images", c.provider.Images, "--egress", c.provider.Egress}
	}
	if o.entra {
		signIn, err := c.signIn()
		if err != nil {
			return nil, err
		}
		more = append(more, signIn...)
	}
	args := append([]string{"serve", "--dir", filepath.Join(c.dir, "kube"), "--api-port", strconv.Itoa(r.Port)}, o.args()...)
	// No secret is among the arguments.
	cmd := exec.Command(binary, slices.Concat(args, more, childArgs())...) // #nosec: the operator's own program
	cmd.Dir, cmd.SysProcAttr = c.dir, childAttributes()
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "GOGC", "GOMEMLIMIT"} {
		if v, ok := os.LookupEnv(name); ok {
			cmd.Env = append(cmd.Env, name+"="+v)
		}
	}
	return cmd, nil
}

// due is why a process is to end, and that it has.
type due struct{ stop, outdated, exited chan struct{} }

// endWhenDue asks the process to end when the supervisor stops or the options have changed, and kills it when it takes too long.
func (s *supervisor) endWhenDue(cmd *exec.Cmd, d due) {
	select {
	case <-d.exited:
		return
	case <-d.stop:
	case <-d.outdated:
	}
	_ = cmd.Process.Signal(syscall.SIGTERM) // gone already is as good
	select {
	case <-d.exited:
	case <-s.cluster.provider.Clock.After(killAfter):
		_ = cmd.Process.Kill()
	}
}

// keepLog writes the process's standard error into a file of bounded size and remembers the last line.
func (s *supervisor) keepLog(r io.Reader) {
	path := filepath.Join(s.cluster.dir, "berth-kube.log")
	if info, err := os.Stat(path); err == nil && info.Size() > logLimit {
		_ = os.Rename(path, path+".1") // an old log is a convenience
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		s.log.Warn("no log for a cluster", "error", err)
	} else {
		defer func() { _ = f.Close() }()
	}
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 4096), 1<<20)
	written := 0
	for lines.Scan() {
		s.say(lines.Text())
		if written < logLimit && f != nil {
			n, _ := fmt.Fprintln(f, lines.Text()) // a full disk must not stop the cluster
			written += n
		}
	}
	_, _ = io.Copy(io.Discard, r) // a line too long ends the scan; the process must still be able to write
}

func (s *supervisor) say(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.line = line
}

// broken is an error once the process keeps dying: worth reporting, and worth another try.
func (s *supervisor) broken() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.deaths < manyDeaths {
		return nil
	}
	return fmt.Errorf("its process has ended %d times in a row; its last words: %.300s", s.deaths, s.lastWords)
}

func (s *supervisor) says(otherwise string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.deaths > 0 {
		return fmt.Sprintf("%s (its process ended %d time(s); last: %.200s)", otherwise, s.deaths, s.lastWords)
	}
	return otherwise
}

func (s *supervisor) wasReady() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.answered
}

func (s *supervisor) ready() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answered = true
}

func (s *supervisor) unready() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answered = false
}
