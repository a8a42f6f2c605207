package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// partTry is what check tries inside.
const partTry = "try"

// checked is one thing that the nodes need. provider/local reads the list as JSON.
type checked struct {
	Name    string `json:"name"`
	OK      bool   `json:"ok"`
	Message string `json:"message,omitempty"` // what is wrong and what to do; of what is right, what is less than usual
}

// step is one thing to try. note is what is less than usual although it is enough.
type step struct {
	name string
	try  func() (note string, err error)
}

// plain is a step that works or does not.
func plain(name string, try func() error) step {
	return step{name, func() (string, error) { return "", try() }}
}

// tryAll tries one step after the other. What comes after a failure is not tried where it builds on it.
func tryAll(steps []step) (out []checked) {
	for _, s := range steps {
		note, err := s.try()
		c := checked{Name: s.name, OK: err == nil, Message: note}
		if err != nil {
			c.Message = err.Error()
		}
		out = append(out, c)
		if !c.OK {
			return out
		}
	}
	return out
}

// noLimits is the note of a machine on which this user may make no cgroups.
const noLimits = "this user may make no cgroups, so the limits of pods are not kept; a server that runs as root keeps them"

// check tries what run needs and prints the list. It leaves nothing behind in the folder.
func check(s settings) error {
	s.dir = filepath.Join(s.dir, ".check") // its own: it is removed
	if err := s.complete(); err != nil {
		return err
	}
	var groups cgroups
	outside := []step{
		plain("programs", s.programs), plain("runtime", s.findRuntime), plain("inotify", inotifyRoom),
		{"cgroups", func() (note string, err error) {
			if groups, err = s.openCgroups(); s.cgroup == "" {
				note = noLimits
			}
			return note, err
		}},
	}
	all := tryAll(outside)
	if last := all[len(all)-1]; last.OK {
		all = append(all, s.tryInside()...)
	}
	groups.remove()
	if err := errors.Join(os.RemoveAll(s.dir), os.RemoveAll(s.sockets)); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(all)
}

// programs looks for what build.sh builds.
func (s settings) programs() error {
	for _, name := range []string{"containerd", "containerd-shim-runc-v2", "ptp", "host-local", "pause", "hello", "unlimited", reapProgram} {
		if _, err := os.Stat(filepath.Join(s.bin, name)); err != nil {
			return fmt.Errorf("%s is not in %s; 'make' builds it", name, s.bin)
		}
	}
	return nil
}

// instances is how many inotify instances three nodes and their control plane hold.
const instances = 34

// inotifyRoom opens as many inotify instances as three nodes do: the kernel bounds them for each user.
func inotifyRoom() error {
	for range instances {
		fd, err := unix.InotifyInit1(unix.IN_CLOEXEC)
		if err != nil {
			return errors.New("the inotify instances of this user are used up; allow more: sysctl fs.inotify.max_user_instances=1024")
		}
		defer func() { _ = unix.Close(fd) }()
	}
	return nil
}

// tryInside runs partTry in namespaces as run makes them.
func (s settings) tryInside() []checked {
	cmd, err := s.first(partTry)
	if err == nil {
		err = handOver(s.dir, s.base)
	}
	if err != nil {
		return []checked{{Name: "namespaces", Message: err.Error()}}
	}
	var words bytes.Buffer
	cmd.Stdout, cmd.Stderr = nil, &words
	text, err := cmd.Output()
	var all []checked
	if jsonErr := json.Unmarshal(text, &all); jsonErr != nil || len(all) == 0 {
		return []checked{{Name: "namespaces", Message: fmt.Sprintf("user, pid, mount and network namespaces cannot be made by this user "+
			"(%v: %.300s)", errors.Join(err, jsonErr), words.String())}}
	}
	return append([]checked{{Name: "namespaces", OK: true}}, all...)
}

// try is the part inside.
func try(s settings) error {
	return json.NewEncoder(os.Stdout).Encode(tryAll([]step{
		plain("root file system", func() error { return enterRoot(s) }), plain("overlay", tryOverlay),
		plain("network", func() error { return errors.Join(addAddress(apiAddress), tryVeth()) }),
		plain("nftables", func() error {
			kernel, err := newRules(s.serviceCIDR)
			if err != nil {
				return err
			}
			return kernel.write(nil)
		}),
		plain("container", func() error { return tryContainer(s) }),
	}))
}

// tryOverlay mounts an overlay in the folder where containerd will.
func tryOverlay() error {
	for _, d := range []string{"lower", "upper", "work", "merged"} {
		if err := os.MkdirAll(filepath.Join(insideDir, d), 0o700); err != nil {
			return err
		}
	}
	merged := filepath.Join(insideDir, "merged")
	if err := unix.Mount("overlay", merged, "overlay", 0, fmt.Sprintf("lowerdir=%[1]s/lower,upperdir=%[1]s/upper,workdir=%[1]s/work",
		insideDir)); err != nil {
		return fmt.Errorf("the kernel mounts no overlay here: %w", err)
	}
	return unix.Unmount(merged, 0)
}

func tryVeth() error {
	link := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "try0"}, PeerName: "try1"}
	if err := netlink.LinkAdd(link); err != nil {
		return fmt.Errorf("the kernel makes no veth pair: %w", err)
	}
	return netlink.LinkDel(link)
}

// bundle is a container that ends at once. The arguments: its cgroup.
const bundle = `{"ociVersion": "1.3.0", "process": {"user": {"uid": 0, "gid": 0}, "args": ["/pause", "check"], "cwd": "/"},
 "root": {"path": "rootfs"}, "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"}],
 "linux": {"cgroupsPath": %q, "resources": {"memory": {"limit": 33554432}},
 "namespaces": [{"type": "pid"}, {"type": "mount"}, {"type": "network"}, {"type": "ipc"}, {"type": "uts"}]}}
`

// containerPatience is how long a container that ends at once may take on a machine that is busy.
const containerPatience = 10 * time.Second

// tryContainer lets the runtime run one container with a limit.
func tryContainer(s settings) error {
	dir := filepath.Join(insideDir, "bundle")
	if err := os.MkdirAll(filepath.Join(dir, "rootfs"), 0o755); err != nil {
		return err
	}
	program, err := os.ReadFile(filepath.Join(insideBin, "pause"))
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "rootfs", "pause"), program, 0o755); err != nil { // #nosec: a program
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "config.json"), fmt.Appendf(nil, bundle, s.cgroup+"/try/container"), 0o600); err != nil {
		return err
	}
	if _, err := s.nodeCgroup("try"); err != nil {
		return err
	}
	ctx, stop := context.WithTimeout(context.Background(), containerPatience)
	defer stop()
	cmd := exec.CommandContext(ctx, s.insideRuntime(), "--root", "/run/try", "run", "--bundle", dir, "try") // #nosec: the runtime
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = time.Second
	text, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		return fmt.Errorf("%s hangs: a container that ends at once had not ended after %s; install another runtime (runc, crun)", s.runtime,
			containerPatience)
	}
	if err != nil {
		return fmt.Errorf("%s cannot run a container here: %w: %.300s", s.runtime, err, text)
	}
	return nil
}
