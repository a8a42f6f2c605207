// Command unlimited starts the container runtime for users who may make no cgroups: it takes out of a container's configuration what
// needs them, and the groups that do not exist in a namespace of one user. containerd has no setting for that.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// runtimes is the folder that holds the one runtime.
const runtimes = "/opt/runtime"

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "unlimited:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	entries, err := os.ReadDir(runtimes)
	if err != nil || len(entries) != 1 {
		return fmt.Errorf("%s holds %d runtimes, %w", runtimes, len(entries), err)
	}
	if i := slices.Index(args, "--bundle"); i >= 0 && i+1 < len(args) && (slices.Contains(args, "create") || slices.Contains(args, "run")) {
		if err := rewrite(filepath.Join(args[i+1], "config.json")); err != nil {
			return err
		}
	}
	name := entries[0].Name()
	command := []string{name}
	if name == "crun" {
		command = append(command, "--cgroup-manager=disabled")
	}
	return syscall.Exec(filepath.Join(runtimes, name), append(command, args...), os.Environ()) // #nosec: containerd's arguments
}

// rewrite changes the configuration in its place.
func rewrite(path string) error {
	text, err := os.ReadFile(path) // #nosec: containerd's own file
	if err != nil {
		return err
	}
	var config map[string]any
	if err := json.Unmarshal(text, &config); err != nil {
		return err
	}
	strip(config)
	if text, err = json.Marshal(config); err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o600)
}

// maxProcesses is how many processes and threads all containers of a cluster may have in all: without cgroups nothing else holds one that
// forks without end, and the user of the server would have no process left.
const maxProcesses = 8192

func strip(config map[string]any) {
	if process, ok := config["process"].(map[string]any); ok {
		limits, _ := process["rlimits"].([]any)
		process["rlimits"] = append(limits, map[string]any{"type": "RLIMIT_NPROC", "hard": maxProcesses, "soft": maxProcesses})
	}
	if linux, ok := config["linux"].(map[string]any); ok {
		delete(linux, "resources")
		delete(linux, "cgroupsPath")
	}
	mounts, _ := config["mounts"].([]any)
	config["mounts"] = slices.DeleteFunc(mounts, func(m any) bool {
		of, _ := m.(map[string]any)
		options, _ := of["options"].([]any)
		of["options"] = slices.DeleteFunc(options, func(o any) bool {
			text, _ := o.(string)
			return strings.HasPrefix(text, "gid=")
		})
		return of["type"] == "cgroup"
	})
}
