package main

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// When root starts the nodes, whoever is root inside is nobody outside: its user and group ids are 65,536 ones that belong to no one. They
// are taken from a range that systemd, too, leaves free for that; each cluster has its own.
const (
	idCount   = 65536
	firstBase = 0x70000000
	baseCount = 4094
)

// partStage prepares, as the machine's root, what those ids could not reach, and starts the next part with them.
const partStage = "stage"

// stageDirs are where it does that, in a mount namespace of its own: folders that every Linux has, and that everyone may enter.
var stageDirs = []string{"/mnt", "/media", "/srv", "/opt"}

// stageDir is the first of them that holds nothing that is needed.
func (s settings) stageDir(self string) (string, error) {
	for _, dir := range stageDirs {
		below := func(path string) bool { return strings.HasPrefix(path, dir+"/") }
		if info, err := os.Stat(dir); err == nil && info.IsDir() &&
			!slices.ContainsFunc([]string{s.dir, s.bin, s.kube, s.images, s.runtime, s.sockets, self}, below) {
			return dir, nil
		}
	}
	return "", fmt.Errorf("none of %s can be used: each is missing or holds something that is needed", strings.Join(stageDirs, ", "))
}

// idBase is the user and group id outside of the one that is 0 inside.
func idBase(dir string) int {
	if os.Getuid() != 0 {
		return os.Getuid()
	}
	sum := sha256.Sum256([]byte(dir))
	return firstBase + int(binary.BigEndian.Uint32(sum[:])%baseCount)*idCount
}

// handOver gives the folder of the nodes, and all in it, to the ids of the nodes. The folder itself comes last: until then the next start
// begins again.
func handOver(dir string, base int) error {
	had, err := owner(dir)
	if err != nil || had == base {
		return err
	}
	err = filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		info, err := os.Lstat(path)
		if err != nil {
			return err
		}
		s := info.Sys().(*syscall.Stat_t)
		return os.Lchown(path, moved(int(s.Uid), had, base), moved(int(s.Gid), had, base))
	})
	return errors.Join(err, os.Chown(dir, base, base))
}

// moved is an id of a range that began at had, in one that begins at base. What has been moved stays.
func moved(id, had, base int) int {
	if id >= had && id < had+idCount {
		return id - had + base
	}
	return id
}

func owner(path string) (int, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return 0, err
	}
	return int(info.Sys().(*syscall.Stat_t).Uid), nil
}

// stage binds what lies in folders that only root may enter to places that everyone may, and starts the part that follows.
func stage(s settings) error {
	runtime.LockOSThread() // a child with Pdeathsig dies with the thread that started it
	if err := enterCgroups(s.cgroup); err != nil {
		return err
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	to, err := s.stageDir(self)
	if err != nil {
		return err
	}
	staged := s
	all := []mount{{"berth", "", "tmpfs", unix.MS_NOSUID | unix.MS_NODEV, "mode=0755"}, {self, "/berth-nodes", "", unix.MS_BIND, ""}}
	for name, path := range map[string]*string{"dir": &staged.dir, "bin": &staged.bin, "berth-kube": &staged.kube, "images": &staged.images,
		"sockets": &staged.sockets, filepath.Base(s.runtime): &staged.runtime} {
		if *path == "" {
			continue
		}
		if _, err := os.Stat(*path); err != nil {
			return err
		}
		all = append(all, mount{*path, "/" + name, "", unix.MS_BIND, ""})
		*path = filepath.Join(to, name)
	}
	for _, m := range all {
		if err := m.make(to); err != nil {
			return err
		}
	}
	if s.layers != "" {
		staged.layers = filepath.Join(to, "layers")
		if err := shift(s.layers, staged.layers, s.base); err != nil {
			fmt.Fprintf(os.Stderr, "this cluster unpacks all layers itself: %v\n", err)
			staged.layers = ""
		}
	}
	return staged.wait(filepath.Join(to, "berth-nodes"), s.next)
}

// wait runs a part as the first process of new namespaces, until it ends. Always a user namespace: whoever is root inside has no right
// over the machine.
func (s settings) wait(program, part string) error {
	cmd := exec.Command(program, s.args(part)...) // #nosec: this program
	cmd.Stdin = os.Stdin
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.ExtraFiles = passed(part)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=/root"}
	count, group := 1, os.Getgid()
	attributes := &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWPID | syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWIPC |
			syscall.CLONE_NEWUTS,
		Pdeathsig: syscall.SIGKILL,
		Setpgid:   true,
	}
	if os.Getuid() == 0 {
		count, group = idCount, s.base
		attributes.GidMappingsEnableSetgroups = true
		attributes.Credential = &syscall.Credential{Uid: 0, Gid: 0} // those inside
	}
	attributes.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: s.base, Size: count}}
	attributes.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: group, Size: count}}
	cmd.SysProcAttr = attributes
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("the namespaces cannot be made: %w", err)
	}
	if part == partInit { // the only one that lasts
		standBy(s.bin, cmd.Process.Pid)
	}
	return cmd.Wait()
}
