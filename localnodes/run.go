package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// run makes the namespaces and waits for their end.
func run(s settings) error {
	ends := make(chan os.Signal, 1)
	signal.Notify(ends, syscall.SIGTERM, syscall.SIGINT) // from the start: what is made is removed
	if err := errors.Join(s.complete(), s.findRuntime()); err != nil {
		return err
	}
	groups, err := s.openCgroups()
	if err != nil {
		return err
	}
	defer groups.remove()
	if err := handOver(s.dir, s.base); err != nil {
		return err
	}
	in, err := s.listen("in.sock")
	if err != nil {
		return err
	}
	if err := s.listenOutside(); err != nil {
		return err
	}
	cmd, err := s.first(partInit)
	if err != nil {
		return err
	}
	out, far, err := socketPair()
	if err != nil {
		return err
	}
	go serveEgress(out)
	cmd.ExtraFiles = []*os.File{in, far}
	cmd.Stdin = os.Stdin   // the list of nodes
	runtime.LockOSThread() // a child with Pdeathsig dies with the thread that started it
	if err := cmd.Start(); err != nil {
		return err
	}
	if err := far.Close(); err != nil { // the child has its own
		return err
	}
	stopped := make(chan struct{})
	go func() {
		<-ends
		close(stopped)
		_ = cmd.Process.Kill() // and with it the first process of the pid namespace, and all others in it
	}()
	err = cmd.Wait()
	select {
	case <-stopped:
		return nil
	default:
		return err
	}
}

// complete makes paths absolute, and names the cgroup and the ids.
func (s *settings) complete() (err error) {
	for _, path := range []*string{&s.dir, &s.bin, &s.kube} {
		if *path, err = filepath.Abs(*path); err != nil {
			return err
		}
	}
	s.cgroup, s.base = cgroupName(s.dir), idBase(s.dir)
	s.sockets = s.dir + socketsSuffix
	if s.images != "" {
		s.layers = filepath.Join(s.images, layersName)
		if err := errors.Join(os.MkdirAll(s.layers, 0o700), handOver(s.layers, idBase(s.layers))); err != nil { // not this user's folder
			fmt.Fprintf(os.Stderr, "this cluster unpacks all layers itself: %v\n", err)
			s.layers = ""
		}
	}
	return errors.Join(os.MkdirAll(s.dir, 0o700), os.MkdirAll(s.sockets, 0o755)) // #nosec: in a folder that only its owner may enter
}

// findRuntime finds what starts containers.
func (s *settings) findRuntime() error {
	if s.runtime != "" {
		return nil
	}
	for _, name := range []string{"runc", "crun"} {
		for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), "/usr/sbin", "/sbin") {
			path := filepath.Join(dir, name)
			if isProgram(path) {
				s.runtime = path
				return nil
			}
		}
	}
	const neither = "neither runc nor crun is installed: install one of them with the package manager of this system"
	if os.Getuid() != 0 {
		return errors.New(neither)
	}
	own := filepath.Join(s.bin, ownRuntime)
	if !isProgram(own) || !isProgram(filepath.Join(s.bin, "containerd-shim-runsc-v1")) {
		return fmt.Errorf("%s; or run 'make nodes', which builds gVisor's %s where both are missing", neither, ownRuntime)
	}
	s.runtime = own
	return nil
}

// ownRuntime is what build.sh builds where the system has no runtime: gVisor's. A plain user's namespace has too few ids for it.
const ownRuntime = "runsc"

func isProgram(path string) bool {
	info, err := os.Stat(path)
	return err == nil && !info.IsDir() && info.Mode()&0o111 != 0
}

// socketsSuffix makes the name of the folder of sockets from that of the nodes: beside it, so that nothing inside can put something else in
// their place. localkube/realnodes.go has the same.
const socketsSuffix = "-sockets"

// The numbers by which the parts inside know the open files that run gives them: the socket in.sock, on which it listens, and a socket to
// send it the way out.
const (
	inDescriptor = 3 + iota
	outDescriptor
)

// passed are the open files that a part hands on.
func passed(part string) []*os.File {
	if part == partInit || part == partManage {
		return []*os.File{os.NewFile(inDescriptor, "in.sock"), os.NewFile(outDescriptor, "way out")}
	}
	return nil
}

// socketPair is two ends of one connection.
func socketPair() (near, far *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	return os.NewFile(uintptr(fds[0]), "way out"), os.NewFile(uintptr(fds[1]), "way out"), nil // #nosec: file descriptors
}

// listen listens on a socket by a short name: paths of sockets may be about 100 bytes long.
func (s settings) listen(name string) (*os.File, error) {
	if err := os.Chdir(s.sockets); err != nil {
		return nil, err
	}
	if err := os.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	l, err := net.Listen("unix", name)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(name, 0o666); err != nil { // #nosec: only the owner enters the folder around it, and the ids inside are others
		return nil, err
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false) // the file goes on
	f, err := l.(*net.UnixListener).File()
	return f, errors.Join(err, l.Close())
}

// first is the process that comes before a part inside. For root it prepares what the part could not reach.
func (s settings) first(part string) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	s.next = part
	name, attributes := partEnter, &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if os.Getuid() == 0 {
		name, attributes.Cloneflags = partStage, syscall.CLONE_NEWNS
	}
	cmd := exec.Command(self, s.args(name)...) // #nosec: this program
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=/root"}
	cmd.SysProcAttr = attributes
	return cmd, nil
}

// partEnter is what stage is for a plain user, who has nothing to prepare.
const partEnter = "enter"

func enter(s settings) error {
	runtime.LockOSThread() // as in run
	self, err := os.Executable()
	if err != nil {
		return err
	}
	return s.wait(self, s.next)
}
