package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/containerd/containerd/v2/core/mount"
	"github.com/containerd/continuity/fs"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// notFound is the exit code of a program that is not there, as shells have it.
const notFound = 127

// stepMain is the first process of a step, in its namespaces: it makes the file system as the bundle describes it, gives up what the step
// may not do, and becomes the program.
func stepMain(bundle string) int {
	runtime.LockOSThread() // what follows is the thread's, and that becomes the process
	spec, err := readSpec(bundle)
	if err == nil {
		err = enter(spec)
	}
	if err == nil {
		err = restrict(spec)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "berth-build:", err)
		return 1
	}
	program, err := lookUp(spec.Process)
	if err == nil {
		err = unix.Exec(program, spec.Process.Args, spec.Process.Env)
	}
	fmt.Fprintf(os.Stderr, "%s: %v\n", spec.Process.Args[0], err)
	return notFound
}

// enter makes the mounts of a step, and the root file system.
func enter(spec *specs.Spec) error {
	root := spec.Root.Path
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("mounts of its own: %w", err)
	}
	if err := unix.Mount(root, root, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return err
	}
	for _, m := range spec.Mounts {
		if err := place(root, m); err != nil {
			return fmt.Errorf("%s: %w", m.Destination, err)
		}
		if m.Destination == "/dev" {
			if err := devices(root); err != nil {
				return err
			}
		}
	}
	if spec.Root.Readonly {
		if err := unix.Mount("", root, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
			return err
		}
	}
	if err := pivot(root); err != nil {
		return err
	}
	if spec.Hostname != "" {
		if err := unix.Sethostname([]byte(spec.Hostname)); err != nil {
			return err
		}
	}
	return nil
}

// place makes one mount below the root, and what it is mounted on.
func place(root string, m specs.Mount) error {
	if m.Type == "cgroup" || m.Type == "sysfs" { // they are the machine's
		return nil
	}
	target, err := fs.RootPath(root, m.Destination)
	if err != nil {
		return err
	}
	file := false
	if m.Type == "bind" || slices.Contains(m.Options, "bind") || slices.Contains(m.Options, "rbind") {
		info, err := os.Stat(m.Source)
		if err != nil {
			return err
		}
		file = !info.IsDir()
	}
	if err := mountPoint(target, file); err != nil {
		return err
	}
	options := slices.DeleteFunc(slices.Clone(m.Options), func(o string) bool {
		return o == "gid=5" || o == "rprivate" || o == "private" // the group may not be there; mounts are private already
	})
	return (&mount.Mount{Type: m.Type, Source: m.Source, Options: options}).Mount(target)
}

func mountPoint(target string, file bool) error {
	if !file {
		return os.MkdirAll(target, 0o755)
	}
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(target, os.O_CREATE, 0o644) // #nosec: below the root of the step
	if err != nil {
		return err
	}
	return f.Close()
}

// devices fills /dev with those of the pod: a user namespace can make none.
func devices(root string) error {
	dev := filepath.Join(root, "dev")
	for _, name := range []string{"null", "zero", "full", "random", "urandom", "tty"} {
		target := filepath.Join(dev, name)
		if err := mountPoint(target, true); err != nil {
			return err
		}
		if err := unix.Mount("/dev/"+name, target, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("/dev/%s: %w", name, err)
		}
	}
	for name, to := range map[string]string{"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1",
		"stderr": "/proc/self/fd/2", "ptmx": "pts/ptmx"} {
		if err := os.Symlink(to, filepath.Join(dev, name)); err != nil {
			return err
		}
	}
	return nil
}

// pivot makes a folder the root, and takes the former root away.
func pivot(root string) error {
	if err := os.Chdir(root); err != nil {
		return err
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("pivot_root: %w", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return err
	}
	return os.Chdir("/")
}

// limits by their names in the format of containers.
var limits = map[string]int{"RLIMIT_NOFILE": unix.RLIMIT_NOFILE, "RLIMIT_NPROC": unix.RLIMIT_NPROC, "RLIMIT_CORE": unix.RLIMIT_CORE,
	"RLIMIT_STACK": unix.RLIMIT_STACK, "RLIMIT_MEMLOCK": unix.RLIMIT_MEMLOCK, "RLIMIT_CPU": unix.RLIMIT_CPU, "RLIMIT_AS": unix.RLIMIT_AS,
	"RLIMIT_FSIZE": unix.RLIMIT_FSIZE}

// restrict gives up rights, and becomes the user of the step.
func restrict(spec *specs.Spec) error {
	p := spec.Process
	for _, l := range p.Rlimits {
		which, known := limits[l.Type]
		if !known {
			return fmt.Errorf("the limit %s is not known", l.Type)
		}
		var now unix.Rlimit
		if err := unix.Getrlimit(which, &now); err != nil {
			return err
		}
		if err := unix.Setrlimit(which, &unix.Rlimit{Cur: min(l.Soft, now.Max), Max: min(l.Hard, now.Max)}); err != nil {
			return err
		}
	}
	var keeps []string
	if p.Capabilities != nil {
		keeps = p.Capabilities.Bounding
	}
	if err := keepCapabilities(keeps); err != nil {
		return err
	}
	if err := become(p.User); err != nil {
		return err
	}
	if p.NoNewPrivileges {
		if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
			return err
		}
	}
	return os.Chdir(p.Cwd)
}

// become sets the user of this thread alone; that of the others does not matter, they end.
func become(u specs.User) error {
	groups := []int{int(u.GID)}
	for _, g := range u.AdditionalGids {
		groups = append(groups, int(g))
	}
	list := make([]uint32, 0, len(groups))
	for _, g := range groups {
		list = append(list, uint32(g)) // #nosec G115 -- it was one
	}
	if err := setGroups(list); err != nil {
		return fmt.Errorf("the groups of the step: %w", err)
	}
	id := uintptr(u.GID)
	if _, _, e := unix.RawSyscall(unix.SYS_SETRESGID, id, id, id); e != 0 {
		return fmt.Errorf("the group %d: %w", u.GID, e)
	}
	id = uintptr(u.UID)
	if _, _, e := unix.RawSyscall(unix.SYS_SETRESUID, id, id, id); e != 0 {
		return fmt.Errorf("the user %d: %w", u.UID, e)
	}
	if u.Umask != nil {
		unix.Umask(int(*u.Umask))
	}
	return nil
}

// lookUp finds the program of a step, which may be named without its folder.
func lookUp(p *specs.Process) (string, error) {
	name := p.Args[0]
	if strings.Contains(name, "/") {
		return name, nil
	}
	path := "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	for _, v := range p.Env {
		if value, is := strings.CutPrefix(v, "PATH="); is {
			path = value
		}
	}
	for _, dir := range filepath.SplitList(path) {
		file := filepath.Join(dir, name)
		if info, err := os.Stat(file); err == nil && !info.IsDir() && info.Mode()&0o111 != 0 {
			return file, nil
		}
	}
	return "", errors.New("the program is not in the PATH")
}
