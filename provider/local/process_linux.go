package local

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// starter starts children from one thread that lives as long as the provider: on Linux a child with Pdeathsig dies with
// the *thread* that started it, and Go ends threads as it likes.
type starter struct {
	jobs chan func()
	done chan struct{}
	once sync.Once
}

func newStarter() *starter {
	s := &starter{jobs: make(chan func()), done: make(chan struct{})}
	go func() {
		runtime.LockOSThread()
		for {
			select {
			case job := <-s.jobs:
				job()
			case <-s.done:
				return
			}
		}
	}()
	return s
}

func (s *starter) start(cmd *exec.Cmd) error {
	started := make(chan error, 1)
	select {
	case s.jobs <- func() { started <- cmd.Start() }:
		return <-started
	case <-s.done:
		return errStopping
	}
}

// stop ends the thread, and with it every child that is still there.
func (s *starter) stop() { s.once.Do(func() { close(s.done) }) }

// childAttributes: the child dies when the server does, whatever kills it, and gets no Ctrl-C of the terminal.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

func childArgs() []string { return nil }

// startTime is when a process started, as the kernel counts it, with the boot it counts from. False when there is none.
func startTime(pid int) (string, bool) {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return "", false
	}
	// The name in parentheses may hold spaces; what follows the last one is regular. Field 22 of all is 20 of those.
	_, rest, ok := strings.Cut(string(stat[strings.LastIndexByte(string(stat), ')'):]), " ")
	fields := strings.Fields(rest)
	if !ok || len(fields) < 20 || fields[0] == "Z" {
		return "", false
	}
	boot, _ := os.ReadFile("/proc/sys/kernel/random/boot_id") // without it the time alone must do
	return strings.TrimSpace(string(boot)) + "/" + fields[19], true
}

// killAndWait ends a process that is not our child.
func killAndWait(p process) error {
	if err := syscall.Kill(p.PID, syscall.SIGKILL); err != nil && err != syscall.ESRCH {
		return fmt.Errorf("end process %d: %w", p.PID, err)
	}
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if started, ok := startTime(p.PID); !ok || started != p.Started {
			return nil
		}
	}
	return fmt.Errorf("process %d does not end", p.PID)
}
