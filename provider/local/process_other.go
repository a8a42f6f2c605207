//go:build !linux

package local

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// starter starts children.
type starter struct{}

func newStarter() *starter { return &starter{} }

func (*starter) start(cmd *exec.Cmd) error { return cmd.Start() }

func (*starter) stop() {}

// childArgs: where the kernel does not end a child with its parent, the child looks after itself.
func childArgs() []string { return []string{"--exit-with-parent"} }

// startTime is when a process started, as ps tells it. False when there is none.
func startTime(pid int) (string, bool) {
	out, err := exec.Command("ps", "-o", "lstart=", "-p", fmt.Sprint(pid)).Output() // #nosec: a number
	text := strings.TrimSpace(string(out))
	return text, err == nil && text != ""
}

// killAndWait ends a process that is not our child.
func killAndWait(p process) error {
	found, err := os.FindProcess(p.PID)
	if err != nil {
		return nil
	}
	_ = found.Kill() // gone already is as good
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if started, ok := startTime(p.PID); !ok || started != p.Started {
			return nil
		}
	}
	return fmt.Errorf("process %d does not end", p.PID)
}
