package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// processesOf are the command lines of the processes in the cgroup of a cluster, or of one of its nodes.
func processesOf(t *testing.T, dir, node string) (out []string) {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/cgroup")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range all {
		text, err := os.ReadFile(path)
		if err == nil && strings.Contains(string(text), filepath.Join(cgroupOf(dir), node)) {
			line, _ := os.ReadFile(filepath.Join(filepath.Dir(path), "cmdline")) // gone already is as good
			out = append(out, strings.ReplaceAll(string(line), "\x00", " "))
		}
	}
	return out
}

// pidNamespace is the one that the kubelets and containers of a cluster are in.
func pidNamespace(t *testing.T, dir string) string {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range all {
		line, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(line), "berth-nodes\x00stage\x00--dir\x00"+filepath.Join(dir, nodesDir)+"\x00") &&
			!strings.Contains(string(line), "berth-nodes\x00enter\x00--dir\x00"+filepath.Join(dir, nodesDir)+"\x00") {
			continue
		}
		pid := filepath.Base(filepath.Dir(path))
		for _, task := range tasks(t, pid) {
			child, _ := os.ReadFile(fmt.Sprintf("/proc/%s/task/%s/children", pid, task)) // of the thread that started it
			if first := strings.Fields(string(child)); len(first) > 0 {
				namespace, err := os.Readlink(filepath.Join("/proc", first[0], "ns", "pid"))
				if err != nil {
					t.Fatal(err)
				}
				return namespace
			}
		}
	}
	t.Fatal("the nodes do not run")
	return ""
}

// tasks are the threads of a process.
func tasks(t *testing.T, pid string) (out []string) {
	t.Helper()
	all, err := os.ReadDir(filepath.Join("/proc", pid, "task"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		out = append(out, e.Name())
	}
	return out
}

// nothingRuns: the kernel ends a pid namespace with its first process.
func nothingRuns(t *testing.T, namespace string) {
	eventually(t, func(context.Context) error {
		left := 0
		all, err := filepath.Glob("/proc/[0-9]*/ns/pid")
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range all {
			if of, err := os.Readlink(path); err == nil && of == namespace {
				left++
			}
		}
		if left > 0 {
			return fmt.Errorf("there are still %d processes", left)
		}
		return nil
	})
}

func noCgroupsStay(t *testing.T, dir string) {
	if left, err := filepath.Glob(filepath.Join("/sys/fs/cgroup", "*", cgroupOf(dir))); err != nil || len(left) > 0 {
		t.Errorf("%v, %v", left, err)
	}
}

// TestStopWhileNodesStart: whenever the end comes, no process and no cgroup is left. The nodes begin before the API server does.
func TestStopWhileNodesStart(t *testing.T) {
	needsCgroups(t)
	program := nodesProgram(t)
	for name, begun := range map[string]func(dir string) string{
		"folder":  func(dir string) string { return filepath.Join(dir, nodesDir) },
		"cgroups": func(dir string) string { return filepath.Join("/sys/fs/cgroup", "*", cgroupOf(dir)) },
		"socket":  func(dir string) string { return filepath.Join(dir, socketsDir, "in.sock") },
		"inside":  func(dir string) string { return filepath.Join(dir, nodesDir, "layers", "*") },
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "kube")
			r := start(t, dir, freePort(t), "--nodes", program)
			eventually(t, func(context.Context) error {
				found, err := filepath.Glob(begun(dir))
				if err == nil && len(found) == 0 {
					err = fmt.Errorf("%s is not there", begun(dir))
				}
				return err
			})
			r.stop()
			noCgroupsStay(t, dir)
			all, err := filepath.Glob("/proc/[0-9]*/cmdline")
			if err != nil {
				t.Fatal(err)
			}
			for _, path := range all {
				if line, err := os.ReadFile(path); err == nil && strings.Contains(string(line), dir) {
					t.Errorf("%s still runs: %q", path, line)
				}
			}
		})
	}
}

// cgroupOf is the name of the cgroup of a cluster's nodes: localnodes/cgroup.go makes it.
func cgroupOf(dir string) string {
	sum := sha256.Sum256([]byte(filepath.Join(dir, nodesDir)))
	return "berth-" + hex.EncodeToString(sum[:6])
}
