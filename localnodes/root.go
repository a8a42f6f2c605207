package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// The parts that berth-nodes starts itself.
const (
	partInit   = "init"
	partManage = "manage"
)

// Where things are inside. Socket paths may be about 100 bytes long, so the folder of the nodes has a short name.
const (
	insideDir  = "/berth"
	insideBin  = "/opt/berth"
	insideKube = "/opt/kube/berth-kube"
	insideRun  = "/run/berth"
	// insideImages is where the images of the server are read; it may be empty.
	insideImages = "/opt/images"
	// insideSockets is the folder of the sockets that lead outside.
	insideSockets = "/opt/sockets"
)

// initialize is the first process inside. It makes the small root, starts manage in it and reaps what is left to it. Its end is the
// end of every process inside.
func initialize(s settings) error {
	if err := enterRoot(s); err != nil {
		return fmt.Errorf("the root file system of the nodes: %w", err)
	}
	if err := unix.Sethostname([]byte("berth-nodes")); err != nil {
		return err
	}
	inside := s
	inside.dir, inside.bin = insideDir, insideBin
	inside.images, inside.sockets = insideImages, insideSockets
	inside.kube = insideKube
	cmd := exec.Command("/proc/self/exe", inside.args(partManage)...) // #nosec: this program
	cmd.Stdin = os.Stdin
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.ExtraFiles = passed(partManage)
	cmd.Env = []string{"PATH=" + insideBin + ":/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root"}
	runtime.LockOSThread() // standBy
	if err := cmd.Start(); err != nil {
		return err
	}
	standBy(insideBin, cmd.Process.Pid)
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil {
			return fmt.Errorf("wait: %w", err)
		}
		if pid != cmd.Process.Pid {
			continue
		}
		if status.Exited() && status.ExitStatus() == 0 {
			return nil
		}
		return errors.New("the part that manages the nodes ended; its reason stands above")
	}
}

// mount is one piece of the small root.
type mount struct {
	source, target, kind string
	flags                uintptr
	data                 string
}

// enterRoot makes a root file system of the few things that are needed, and leaves the machine's. The system's programs and
// libraries are there to read: the runtime and the tools of volumes are among them.
func enterRoot(s settings) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	root := filepath.Join(s.dir, ".root") // a mount point; nothing is written there
	if err := os.MkdirAll(root, 0o700); err != nil {
		return err
	}
	for _, m := range s.mounts() {
		if err := m.make(root); err != nil {
			return err
		}
	}
	if err := s.fillRoot(root); err != nil {
		return err
	}
	if err := unix.PivotRoot(root, filepath.Join(root, "mnt")); err != nil {
		return fmt.Errorf("pivot: %w", err)
	}
	if err := os.Chdir("/"); err != nil {
		return err
	}
	return unix.Unmount("/mnt", unix.MNT_DETACH)
}

func (s settings) mounts() []mount {
	const readOnly = unix.MS_BIND | unix.MS_REC | unix.MS_RDONLY
	const quiet = unix.MS_NOSUID | unix.MS_NODEV
	cgroupFlags := uintptr(unix.MS_BIND | unix.MS_REC)
	if s.cgroup == "" { // those of the user's own session are no business of a pod
		cgroupFlags = readOnly
	}
	all := []mount{{"berth", "", "tmpfs", quiet, "mode=0755"}}
	for _, dir := range []string{"/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc/ssl", "/etc/ca-certificates", "/etc/alternatives"} {
		all = append(all, mount{dir, dir, "", readOnly, ""})
	}
	all = append(all,
		mount{s.dir, insideDir, "", unix.MS_BIND, ""}, // before the tmpfs of the root is seen in it: .root is not followed
		mount{s.bin, insideBin, "", readOnly, ""},
		mount{s.kube, insideKube, "", readOnly, ""},
		mount{s.sockets, insideSockets, "", readOnly, ""},
		mount{s.images, insideImages, "", readOnly, ""},
		mount{s.layers, insideLayers, "", readOnly, ""},
		mount{s.runtime, "/opt/runtime/" + filepath.Base(s.runtime), "", readOnly, ""},
		mount{"proc", "/proc", "proc", quiet | unix.MS_NOEXEC, ""},
		mount{"sysfs", "/sys", "sysfs", quiet | unix.MS_NOEXEC, ""},
		mount{cgroupRoot, cgroupRoot, "", cgroupFlags, ""},
		mount{"tmpfs", "/dev", "tmpfs", unix.MS_NOSUID, "mode=0755"},
		mount{"devpts", "/dev/pts", "devpts", unix.MS_NOSUID | unix.MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620"},
		mount{"shm", "/dev/shm", "tmpfs", quiet, "mode=1777"},
		mount{"mqueue", "/dev/mqueue", "mqueue", quiet | unix.MS_NOEXEC, ""},
	)
	for _, name := range []string{"null", "zero", "full", "random", "urandom", "tty"} {
		all = append(all, mount{"/dev/" + name, "/dev/" + name, "", unix.MS_BIND, ""})
	}
	return all
}

// make mounts one piece. What the machine does not have is left out; a link of it becomes the same link.
func (m mount) make(root string) error {
	target := filepath.Join(root, m.target)
	if m.kind == "" {
		info, err := os.Lstat(m.source)
		if errors.Is(err, os.ErrNotExist) || m.source == "" {
			return nil
		}
		if err != nil {
			return err
		}
		if info.Mode()&os.ModeSymlink != 0 && m.source == m.target {
			to, err := os.Readlink(m.source)
			if err != nil {
				return err
			}
			return os.Symlink(to, target)
		}
		if err := m.place(target); err != nil {
			return err
		}
		if err := unix.Mount(m.source, target, "", m.flags&^unix.MS_RDONLY, ""); err != nil {
			return fmt.Errorf("bind %s: %w", m.source, err)
		}
		if m.flags&unix.MS_RDONLY == 0 {
			return nil
		}
		return readOnly(target)
	}
	if err := os.MkdirAll(target, 0o755); err != nil {
		return err
	}
	err := unix.Mount(m.source, target, m.kind, m.flags, m.data)
	if err != nil && m.kind == "sysfs" { // a container around us may hide parts of it: then its own must do
		err = unix.Mount("/sys", target, "", unix.MS_BIND|unix.MS_REC, "")
	}
	if err != nil {
		return fmt.Errorf("mount %s on %s: %w", m.kind, m.target, err)
	}
	return nil
}

// place makes what a source can be bound to.
func (m mount) place(target string) error {
	info, err := os.Stat(m.source)
	if err != nil {
		return err
	}
	if info.IsDir() {
		return os.MkdirAll(target, 0o755)
	}
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(target, os.O_CREATE|os.O_RDONLY, 0o644)
	if err != nil {
		return err
	}
	return f.Close()
}

// readOnly keeps a bound tree from being written to, the mounts below it included.
func readOnly(target string) error {
	attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}
	if err := unix.MountSetattr(unix.AT_FDCWD, target, unix.AT_RECURSIVE, &attr); err != nil {
		return fmt.Errorf("make %s read-only: %w", target, err)
	}
	return nil
}

// fillRoot makes what is no mount. The machine's own list of name servers would not do: they are out of reach from here.
func (s settings) fillRoot(root string) error {
	resolv := ""
	if s.egress != egressNone {
		resolv = "nameserver " + gatewayAddress + "\n"
	}
	for _, dir := range []string{"/mnt", "/tmp", "/root", "/etc", "/run", "/var/lib", "/var/log", "/var/run"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			return err
		}
	}
	files := map[string]string{
		"/etc/resolv.conf": resolv, "/etc/hosts": "127.0.0.1 localhost berth-nodes\n", "/etc/passwd": "root:x:0:0:root:/root:/bin/sh\n",
		"/etc/group": "root:x:0:\n", "/etc/machine-id": strings.Repeat("0", 31) + "1\n",
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o644); err != nil { // #nosec: no secret
			return err
		}
	}
	links := map[string]string{"/dev/ptmx": "pts/ptmx", "/dev/fd": "/proc/self/fd", "/dev/stdin": "/proc/self/fd/0",
		"/dev/stdout": "/proc/self/fd/1", "/dev/stderr": "/proc/self/fd/2"}
	for name, to := range links {
		if err := os.Symlink(to, filepath.Join(root, name)); err != nil {
			return err
		}
	}
	return nil
}
