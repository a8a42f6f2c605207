package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestMinors runs each minor in turn, on one folder: a server that is upgraded finds clusters of an older one.
func TestMinors(t *testing.T) {
	dir, port := filepath.Join(t.TempDir(), "kube"), freePort(t)
	uid := ""
	for minor := oldestMinor; minor <= newestMinor; minor++ {
		wanted := fmt.Sprintf("1.%d", minor)
		r := start(t, dir, port, "--kubernetes-version", wanted).ready()
		v, err := r.client().Discovery().ServerVersion()
		if err != nil {
			t.Fatal(err)
		}
		if v.EmulationMajor+"."+v.EmulationMinor != wanted || v.GitVersion != kubernetesVersion {
			t.Errorf("%s says %+v", wanted, v)
		}
		ns, err := r.client().CoreV1().Namespaces().Get(t.Context(), "kube-system", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if uid != "" && string(ns.UID) != uid {
			t.Error("it became another cluster")
		}
		uid = string(ns.UID)
		r.stop()
	}
}

func TestKilledClusterKeepsItsObjects(t *testing.T) {
	dir, port := filepath.Join(t.TempDir(), "kube"), freePort(t)
	r := start(t, dir, port).ready()
	createNodes(t, r)
	m := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "kept"}, Data: map[string]string{"a": "b"}}
	made, err := r.client().CoreV1().ConfigMaps("default").Create(t.Context(), m, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	admin := read(t, r, "admin.kubeconfig")
	r.kill()
	hurt(t, dir)
	again := start(t, dir, port).ready()
	have, err := again.client().CoreV1().ConfigMaps("default").Get(t.Context(), "kept", metav1.GetOptions{})
	if err != nil || have.UID != made.UID || have.Data["a"] != "b" {
		t.Errorf("%+v, %v", have, err)
	}
	nodes := again.client().CoreV1().Nodes()
	eventually(t, func(ctx context.Context) error {
		list, err := nodes.List(ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		for _, n := range list.Items {
			if !nodeReady(&n) {
				return errors.New(n.Name + " is not ready")
			}
		}
		return nil
	})
	if !bytes.Equal(read(t, again, "admin.kubeconfig"), admin) {
		t.Error("the administrator's credential changed")
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "pki", unfinishedPrefix+"*")); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

func read(t *testing.T, r *running, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(r.dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// hurt makes the folder what a crash at a bad moment could leave, and worse.
func hurt(t *testing.T, dir string) {
	t.Helper()
	for _, name := range []string{"scheduler.crt", "nodes.key", "front-proxy.crt", "apiserver.crt", "controller-manager.kubeconfig"} {
		if err := os.Remove(filepath.Join(dir, "pki", name)); err != nil {
			t.Fatal(err)
		}
	}
	err := errors.Join(
		os.WriteFile(filepath.Join(dir, "pki", unfinishedPrefix+"123"), []byte("-----BEGIN"), 0o600),
		os.WriteFile(filepath.Join(dir, "pki", "scheduler.kubeconfig"), []byte("apiVersion"), 0o600),
		os.WriteFile(filepath.Join(dir, "pki", "nodes.crt"), nil, 0o600),
		os.Chmod(dir, 0o755),
	)
	if err != nil {
		t.Fatal(err)
	}
}

// TestKilledWhileStarting kills a cluster at many moments of its first start: whatever is there then, the next one works.
func TestKilledWhileStarting(t *testing.T) {
	for _, after := range []time.Duration{5, 100, 250, 600, 1500} {
		after *= time.Millisecond
		t.Run(after.String(), func(t *testing.T) {
			dir, port := filepath.Join(t.TempDir(), "kube"), freePort(t)
			r := start(t, dir, port)
			select {
			case <-time.After(after):
			case <-r.exited:
				t.Fatalf("ended by itself:\n%s", r.log())
			}
			r.kill()
			start(t, dir, port).ready().kill()
		})
	}
}

func TestUsage(t *testing.T) {
	for _, args := range []string{
		"", "help", "serve", "serve --dir d", "serve --api-port 1", "serve --dir d --api-port 0", "serve --dir d --api-port 65536",
		"serve --dir d --api-port x",
		"serve --dir d --api-port 1 more", "serve --dir d --api-port 1 --kubernetes-version 1.33",
		"serve --dir d --api-port 1 --kubernetes-version 1.38",
		"serve --dir d --api-port 1 --kubernetes-version 2.36", "serve --dir d --api-port 1 --kubernetes-version x",
		"serve --dir d --api-port 1 --log-level 10", "serve --dir d --api-port 1 --local-accounts some",
		"serve --dir d --api-port 1 --authentication-config relative.json", "serve --dir d --api-port 1 --authorization-config a/b",
		"serve --dir d --api-port 1 --nonsense", "version now",
	} {
		cmd := exec.Command(binary(t), strings.Fields(args)...)
		cmd.Dir = t.TempDir()
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		_ = cmd.Run() // told by the exit code
		if code := cmd.ProcessState.ExitCode(); code != exitUsage || !strings.Contains(stderr.String(), "usage: berth-kube") ||
			strings.Count(stderr.String(), "\n") > 5 {
			t.Errorf("%q: exit code %d, %s", args, code, &stderr)
		}
		if entries, err := os.ReadDir(cmd.Dir); err != nil || len(entries) > 0 {
			t.Errorf("%q left %v, %v", args, entries, err)
		}
	}
}

func TestVersion(t *testing.T) {
	out, err := exec.Command(binary(t), "version").Output()
	if err != nil {
		t.Fatal(err)
	}
	var v struct {
		Kubernetes string
		Minors     []string
	}
	if err := json.Unmarshal(out, &v); err != nil || v.Kubernetes != kubernetesVersion ||
		strings.Join(v.Minors, " ") != "1.34 1.35 1.36 1.37" {
		t.Errorf("%s, %v", out, err)
	}
}

// endsWith is how a start that cannot be ends: with a code for programs, and with one line for people.
func endsWith(t *testing.T, r *running, want int, says string) {
	t.Helper()
	if code := r.code(); code != want {
		t.Errorf("exit code %d; want %d", code, want)
	}
	lines := strings.Split(strings.TrimSpace(r.log()), "\n")
	if last := lines[len(lines)-1]; !strings.HasPrefix(last, "berth-kube: ") || !strings.Contains(last, says) {
		t.Errorf("its last words: %q; want %q", last, says)
	}
}

func TestPortInUse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	port := l.Addr().(*net.TCPAddr).Port
	endsWith(t, start(t, filepath.Join(t.TempDir(), "kube"), port), exitPortInUse, fmt.Sprintf("port %d is in use by another program", port))
}

func TestDirInUse(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "kube")
	first := start(t, dir, freePort(t)).ready()
	endsWith(t, start(t, dir, freePort(t)), exitBusy, "in use by another berth-kube")
	if _, err := first.client().Discovery().ServerVersion(); err != nil {
		t.Errorf("the first one: %v", err)
	}
}

func TestBadDirs(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	endsWith(t, start(t, file, freePort(t)), exitFolder, "not a directory")

	damaged := filepath.Join(t.TempDir(), "kube")
	if err := errors.Join(os.MkdirAll(filepath.Join(damaged, "pki"), 0o700),
		os.WriteFile(filepath.Join(damaged, "pki", "ca.key"), []byte("x"), 0o600)); err != nil {
		t.Fatal(err)
	}
	endsWith(t, start(t, damaged, freePort(t)), exitFolder, "ca.key") // never a new authority in silence: it would cut off all clients
	if _, err := os.Stat(filepath.Join(damaged, "etcd")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("etcd was started: %v", err)
	}
}

func TestStopWhileStarting(t *testing.T) {
	for _, after := range []time.Duration{0, 200, 500, 1000, 1500} {
		r := start(t, filepath.Join(t.TempDir(), "kube"), freePort(t))
		inFolder(t, r.dir) // before main runs, a signal just kills
		select {
		case <-time.After(after * time.Millisecond):
		case <-r.exited:
		}
		r.stop()
	}
}

// inFolder waits until the process has come so far as to lock its folder.
func inFolder(t *testing.T, dir string) {
	t.Helper()
	eventually(t, func(context.Context) error {
		_, err := os.Stat(filepath.Join(dir, "lock"))
		return err
	})
}

func TestExitWithParent(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "kube")
	shell := exec.Command("/bin/sh", "-c", `"$@" >/dev/null 2>&1 & echo $!; wait`, "sh", binary(t), "serve", "--dir", dir,
		"--api-port", strconv.Itoa(freePort(t)), "--exit-with-parent")
	stdout, err := shell.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := shell.Start(); err != nil {
		t.Fatal(err)
	}
	var pid int
	if _, err := fmt.Fscan(stdout, &pid); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGKILL) })
	inFolder(t, dir) // it has noted down its parent by then
	if err := shell.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = shell.Wait()
	eventually(t, func(context.Context) error {
		if err := syscall.Kill(pid, 0); err == nil && !zombie(pid) {
			return fmt.Errorf("process %d still runs", pid)
		}
		return nil
	})
}

// zombie says whether only the name of a process is left, where nobody is there to take notice of its end.
func zombie(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && strings.Contains(string(text), ") Z ")
}
