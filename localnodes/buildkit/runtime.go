package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// The names by which this program is the runtime and the first process of a step.
const (
	runtimeName = "runc"
	stepName    = "step"
)

// pidFile has, beside the bundle of a step, the id of the process that runs it.
const pidFile = "pid"

// runtimeMain is as much of the command line of runc as BuildKit uses: run, kill and delete.
func runtimeMain(args []string) int {
	log, command, rest := runtimeArgs(args)
	var err error
	code := 0
	switch command {
	case "run":
		code, err = runStep(rest)
	case "kill": // ID SIGNAL
		err = killStep(log, rest)
	case "delete": // what a step has left ends with it
	default:
		err = fmt.Errorf("%s is not there: the runtime knows run, kill and delete", command)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "berth-build:", err)
		return max(code, 1)
	}
	return code
}

// runtimeArgs takes the options before the command away. The log that BuildKit names is in the folder of all bundles.
func runtimeArgs(args []string) (bundles, command string, rest []string) {
	for len(args) > 0 && strings.HasPrefix(args[0], "--") {
		if args[0] == "--log" {
			bundles = filepath.Dir(args[1])
		}
		args = args[2:]
	}
	return bundles, args[0], args[1:]
}

// runStep runs the step of a bundle to its end, and ends what it has left behind: there is no PID namespace that would.
func runStep(args []string) (code int, err error) {
	i := slices.Index(args, "--bundle")
	if i < 0 {
		return 1, errors.New("run needs --bundle")
	}
	bundle := args[i+1]
	spec, err := readSpec(bundle)
	if err != nil {
		return 1, err
	}
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return 1, err
	}
	cmd := exec.Command("/proc/self/exe", bundle) // #nosec: this program
	cmd.Args[0] = stepName
	cmd.Stdin = os.Stdin
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: namespaces(spec), Pdeathsig: syscall.SIGKILL}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGTERM, unix.SIGINT)
	if err := cmd.Start(); err != nil {
		return 1, err
	}
	if err := os.WriteFile(filepath.Join(bundle, pidFile), []byte(strconv.Itoa(cmd.Process.Pid)), 0o600); err != nil {
		return 1, errors.Join(err, cmd.Process.Kill())
	}
	go func() {
		for s := range signals {
			_ = cmd.Process.Signal(s) // it has ended
		}
	}()
	err = cmd.Wait()
	endOrphans()
	failed, is := errors.AsType[*exec.ExitError](err)
	if !is {
		return 0, err
	}
	status := failed.Sys().(syscall.WaitStatus)
	if status.Signaled() {
		return 128 + int(status.Signal()), nil
	}
	return status.ExitStatus(), nil
}

// endOrphans kills what is left of a step. Its processes become children of this one when their parents end.
func endOrphans() {
	for {
		threads, _ := filepath.Glob("/proc/self/task/*/children")
		for _, file := range threads {
			text, _ := os.ReadFile(file) // #nosec: of the kernel; a thread may have ended
			for _, pid := range strings.Fields(string(text)) {
				if n, err := strconv.Atoi(pid); err == nil {
					_ = unix.Kill(n, unix.SIGKILL) // it has ended
				}
			}
		}
		if _, err := unix.Wait4(-1, nil, 0, nil); err != nil && !errors.Is(err, unix.EINTR) {
			return // no child is left
		}
	}
}

// killStep sends a signal to the first process of a step.
func killStep(bundles string, args []string) error {
	if len(args) < 2 {
		return errors.New("kill needs the step and the signal")
	}
	text, err := os.ReadFile(filepath.Join(bundles, args[0], pidFile))
	if err != nil {
		return err
	}
	pid, err := strconv.Atoi(string(text))
	if err != nil {
		return err
	}
	number, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	return unix.Kill(pid, syscall.Signal(number))
}

func readSpec(bundle string) (*specs.Spec, error) {
	text, err := os.ReadFile(filepath.Join(bundle, "config.json")) // #nosec: of BuildKit
	if err != nil {
		return nil, err
	}
	spec := &specs.Spec{}
	return spec, json.Unmarshal(text, spec)
}

// namespaces are those that a step gets for itself. The user namespace is that of the program, so are the processes and, unless the step is
// to have no network, the network.
func namespaces(spec *specs.Spec) (flags uintptr) {
	known := map[specs.LinuxNamespaceType]uintptr{specs.MountNamespace: unix.CLONE_NEWNS, specs.UTSNamespace: unix.CLONE_NEWUTS,
		specs.IPCNamespace: unix.CLONE_NEWIPC, specs.NetworkNamespace: unix.CLONE_NEWNET}
	for _, n := range spec.Linux.Namespaces {
		if n.Path == "" {
			flags |= known[n.Type]
		}
	}
	return flags
}
