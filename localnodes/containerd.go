package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// containerdConfig is version 3 of containerd's configuration. It counts nothing: what pods use is read by the kubelet itself, and
// containerd would ask the shims every second. The arguments: root, state, socket, socket of the layers, pullSilence, runtimeConfig,
// CNI folder.
const containerdConfig = `version = 3
root = %q
state = %q
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.blockfile", "io.containerd.snapshotter.v1.erofs", "io.containerd.tracing.processor.v1.otlp",
  "io.containerd.internal.v1.tracing", "io.containerd.nri.v1.nri", "io.containerd.internal.v1.restart"]
[grpc]
  address = %q
[proxy_plugins.` + layersName + `]
  type = "snapshot"
  address = %q
[proxy_plugins.` + layersName + `.exports]
  root = "` + layersDir + `"
[plugins."io.containerd.cri.v1.images"]
  snapshotter = "` + layersName + `"
  discard_unpacked_layers = true
  image_pull_progress_timeout = %q
  stats_collect_period = 60
[plugins."io.containerd.cri.v1.images".pinned_images]
  sandbox = "` + pauseImage + `"
[plugins."io.containerd.cri.v1.images".registry]
  config_path = "` + registriesDir + `"
[plugins."io.containerd.cri.v1.runtime"]
  restrict_oom_score_adj = true
  disable_apparmor = true
  tolerate_missing_hugetlb_controller = true
  disable_hugetlb_controller = true
  netns_mounts_under_state_dir = true
  stats_collect_period = "1h"
[plugins."io.containerd.cri.v1.runtime".containerd]
  default_runtime_name = "oci"
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.oci]
%s
[plugins."io.containerd.cri.v1.runtime".cni]
  bin_dirs = ["/opt/berth"]
  conf_dir = %q
  use_internal_loopback = true
`

// cniConfig joins a pod to this namespace by a veth pair with routes and no bridge. The arguments: range of pods, folder of addresses.
const cniConfig = `{"cniVersion": "1.0.0", "name": "berth", "plugins": [{"type": "ptp", "ipam": {"type": "host-local",
  "ranges": [[{"subnet": %q}]], "routes": [{"dst": "0.0.0.0/0"}], "dataDir": %q}}]}
`

// containerd runs the node's containerd. The kubelet waits for it.
func (n *node) containerd(ctx context.Context) error {
	for _, dir := range []string{n.path("containerd"), n.runPath("state"), n.runPath("cni")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	text := fmt.Sprintf(containerdConfig, n.path("containerd"), n.runPath("state"), n.socket(), n.runPath("layers.sock"), pullSilence.String(),
		n.runtimeConfig(), n.runPath("cni"))
	server, err := nodeLayers{n.layers, n.spec.Name}.serve(n.runPath("layers.sock"))
	if err != nil {
		return fmt.Errorf("layers: %w", err)
	}
	defer server.Stop()
	if err := os.WriteFile(n.runPath("containerd.toml"), []byte(text), 0o600); err != nil {
		return err
	}
	options := fmt.Appendf(nil, runscOptions, "/opt/runtime/"+ownRuntime, n.cgroup == "")
	if err := os.WriteFile(n.runPath("runsc.toml"), options, 0o600); err != nil {
		return err
	}
	cni := fmt.Sprintf(cniConfig, n.spec.PodCIDR, n.runPath("addresses"))
	if err := os.WriteFile(n.runPath("cni/10-berth.conflist"), []byte(cni), 0o600); err != nil {
		return err
	}
	return n.child(ctx, "containerd.log", "/usr/bin/env", "HTTPS_PROXY=http://"+outsideAddress, insideBin+"/containerd",
		"--config", n.runPath("containerd.toml"), "--log-level", "warn")
}

// runcConfig is the runtime in containerd's configuration. The argument: its program.
const runcConfig = `  runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.oci.options]
  BinaryName = %q`

// runscConfig is gVisor's, which has a shim of its own. The argument: its configuration.
const runscConfig = `  runtime_type = "io.containerd.runsc.v1"
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.oci.options]
  TypeUrl = "io.containerd.runsc.v1.options"
  ConfigPath = %q`

// runscOptions are for its shim. The arguments: its program, whether there are no cgroups.
const runscOptions = `binary_name = %q
[runsc_config]
  ignore-cgroups = "%t"
`

// runtimeConfig is what containerd is told of the runtime.
func (n *node) runtimeConfig() string {
	if filepath.Base(n.runtime) == ownRuntime {
		return fmt.Sprintf(runscConfig, n.runPath("runsc.toml"))
	}
	return fmt.Sprintf(runcConfig, n.insideRuntime())
}

// insideRuntime is the program that starts containers.
func (s settings) insideRuntime() string {
	if s.cgroup == "" {
		return insideBin + "/unlimited"
	}
	return "/opt/runtime/" + filepath.Base(s.runtime)
}

// awaitContainerd waits until the socket takes connections.
func (n *node) awaitContainerd(ctx context.Context) error {
	for {
		c, err := net.Dial("unix", n.socket())
		if err == nil {
			return c.Close()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// killPods ends the node's shims and all that they have started: they outlast a containerd that ends.
func (n *node) killPods() {
	all, err := os.ReadDir("/proc")
	if err != nil {
		return
	}
	children, shims := map[int][]int{}, []int{}
	for _, e := range all {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		children[parent(pid)] = append(children[parent(pid)], pid)
		if n.isShim(pid) {
			shims = append(shims, pid)
		}
	}
	for len(shims) > 0 { // whoever is killed first starts nothing more
		pid := shims[0]
		_ = unix.Kill(pid, unix.SIGKILL) // gone already is as good
		shims = append(shims[1:], children[pid]...)
	}
}

// isShim reports whether a process is a shim of this node's containerd.
func (n *node) isShim(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return err == nil && strings.Contains(string(text), "containerd-shim") && strings.Contains(string(text), n.socket())
}

// parent is the process that started this one; 0 for one that is gone.
func parent(pid int) int {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(text[strings.LastIndexByte(string(text), ')')+1:]), " ") // the name may hold spaces
	fields := strings.Fields(rest)
	if len(fields) < 2 {
		return 0
	}
	number, _ := strconv.Atoi(fields[1]) // the kernel writes numbers
	return number
}

// unmountBelow takes every mount below a folder away, the latest first. The error says that some are left.
func unmountBelow(dir string) error {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	var points []string
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) > 4 && strings.HasPrefix(fields[4], dir+"/") {
			points = append(points, fields[4])
		}
	}
	var errs []error
	for i := len(points) - 1; i >= 0; i-- {
		errs = append(errs, unix.Unmount(points[i], unix.MNT_DETACH))
	}
	return errors.Join(errs...)
}
