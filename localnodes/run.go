package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
)

// idCount is how many user and group ids exist inside, when root starts the nodes: those of ordinary images.
const idCount = 65536

// run makes the namespaces and waits for their end. Always a user namespace: whoever is root inside has no right over the machine.
func run(s settings) error {
	if err := errors.Join(s.complete(), s.findRuntime()); err != nil {
		return err
	}
	groups, err := s.openCgroups()
	if err != nil {
		return err
	}
	defer groups.remove()
	if err := listenOutside(s.dir); err != nil {
		return err
	}
	cmd, err := s.inside(partInit)
	if err != nil {
		return err
	}
	// A child with Pdeathsig dies with the thread that started it, so this one stays.
	runtime.LockOSThread()
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("the namespaces cannot be made: %w", err)
	}
	ends := make(chan os.Signal, 1)
	signal.Notify(ends, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		<-ends
		_ = cmd.Process.Kill() // the first process of its pid namespace: everything inside goes with it
	}()
	err = cmd.Wait()
	if exit, is := errors.AsType[*exec.ExitError](err); is && exit.ExitCode() < 0 { // by the signal above
		return nil
	}
	return err
}

// complete makes paths absolute and names the cgroup.
func (s *settings) complete() (err error) {
	for _, path := range []*string{&s.dir, &s.bin, &s.kube} {
		if *path, err = filepath.Abs(*path); err != nil {
			return err
		}
	}
	s.cgroup = cgroupName(s.dir)
	return os.MkdirAll(s.dir, 0o700)
}

// findRuntime finds what starts containers.
func (s *settings) findRuntime() error {
	if s.runtime != "" {
		return nil
	}
	for _, name := range []string{"runc", "crun"} {
		for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), "/usr/sbin", "/sbin") {
			path := filepath.Join(dir, name)
			if info, err := os.Stat(path); err == nil && !info.IsDir() && info.Mode()&0o111 != 0 {
				s.runtime = path
				return nil
			}
		}
	}
	return errors.New("neither crun nor runc is installed: install one of them with the package manager of this system")
}

// inside is a part as the first process of the namespaces. Its standard input is the list of nodes.
func (s settings) inside(part string) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	count := 1
	if os.Getuid() == 0 {
		count = idCount
	}
	cmd := exec.Command(self, s.args(part)...) // #nosec: this program
	cmd.Stdin = os.Stdin
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=/root"}
	first := os.Getuid()
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWPID | syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWIPC |
			syscall.CLONE_NEWUTS,
		UidMappings:                []syscall.SysProcIDMap{{ContainerID: 0, HostID: first, Size: count}},
		GidMappings:                []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: count}},
		GidMappingsEnableSetgroups: first == 0,
		Pdeathsig:                  syscall.SIGKILL,
		Setpgid:                    true,
	}
	return cmd, nil
}
