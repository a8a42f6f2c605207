package main

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// forksAreBounded: a pod that makes processes without end is held, its neighbour stays, and it goes when it is told to.
func forksAreBounded(t *testing.T, s space) {
	needsCgroups(t)
	neighbour := s.run(t, probe("neighbour", "serve"), ready)
	p := probe("forks", "fork")
	p.Spec.NodeName = neighbour.Spec.NodeName
	s.run(t, p, ready)
	eventually(t, func(ctx context.Context) error {
		out, err := s.logs(ctx, "forks")
		var made int
		if _, scanErr := fmt.Sscanf(out, "%d made, then: resource temporarily unavailable", &made); err == nil && scanErr != nil {
			err = fmt.Errorf("%q: %w", out, scanErr)
		}
		if made > podPids {
			t.Errorf("it made %d processes", made)
		}
		return err
	})
	if out, err := s.exec(t.Context(), "neighbour", "/hello", "get", "http://127.0.0.1:8080/"); err != nil {
		t.Error(err, out)
	}
	s.remove(t, "forks")
}

// privilegedIsRefused by the API, which says so.
func privilegedIsRefused(t *testing.T, s space) {
	p, yes := probe("privileged", "true"), true
	p.Spec.Containers[0].SecurityContext = &corev1.SecurityContext{Privileged: &yes}
	_, err := s.client().CoreV1().Pods(s.name).Create(t.Context(), p, metav1.CreateOptions{})
	if err == nil || !strings.Contains(err.Error(), "privileged: Forbidden: disallowed by cluster policy") {
		t.Errorf("%v", err)
	}
}

// hostPathShowsLittle: the root of a node is not that of the machine, and what it shares with it cannot be written to.
func hostPathShowsLittle(t *testing.T, s space) {
	p := probe("hostpath", "wait")
	p.Spec.Volumes = []corev1.Volume{{Name: "root", VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/"}}}}
	p.Spec.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "root", MountPath: "/node"}}
	s.run(t, p, ready)
	marker := filepath.Join(t.TempDir(), "marker")
	if err := os.WriteFile(marker, []byte("of the machine"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{marker, filepath.Join(s.dir, "pki", "ca.key"), filepath.Join(s.dir, "admin.kubeconfig"), "/etc/shadow"} {
		if out, err := s.exec(t.Context(), p.Name, "/hello", "cat", "/node"+file); err == nil {
			t.Errorf("it reads %s: %d bytes", file, len(out))
		}
	}
	for _, file := range []string{"/node/usr/bin/marker", "/node/proc/sys/kernel/hostname"} {
		if out, err := s.exec(t.Context(), p.Name, "/hello", "write", file, "marker"); err == nil {
			t.Errorf("it writes %s: %s", file, out)
		}
	}
}

// hostNetworkIsInside: such a pod has the address of its node, and does not reach what listens on loopback of the machine.
func hostNetworkIsInside(t *testing.T, s space) {
	machine := httptest.NewServer(http.NotFoundHandler())
	defer machine.Close()
	p := probe("hostnetwork", "wait")
	p.Spec.HostNetwork = true
	p = s.run(t, p, ready)
	if p.Status.PodIP != p.Status.HostIP || net.ParseIP(p.Status.PodIP) == nil {
		t.Errorf("%+v", p.Status)
	}
	if out, err := s.exec(t.Context(), p.Name, "/hello", "get", machine.URL); err == nil || !strings.Contains(out, "connection refused") {
		t.Errorf("%s: %q, %v", machine.URL, out, err)
	}
}

// Images that cannot run here.
const (
	otherArchitecture = "example.com/architecture:1"
	otherOwners       = "example.com/owners:1"
	corruptLayer      = "example.com/corrupt:1"
)

func badImages(t *testing.T) []storedImage {
	t.Helper()
	of := "arm64"
	if runtime.GOARCH == of {
		of = "amd64"
	}
	layer := tarOf(t, map[string][]byte{"hello": []byte("a program of elsewhere")})
	return []storedImage{{name: otherArchitecture, architecture: of, layer: layer}, {name: otherOwners, layer: foreignLayer(t)},
		{name: corruptLayer, layer: tarOf(t, map[string][]byte{"hello": []byte("a program of nobody")}), damaged: true}}
}

// foreignLayer has a file of an owner that does not exist inside.
func foreignLayer(t *testing.T) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	if err := w.WriteHeader(&tar.Header{Name: "hello", Mode: 0o755, Uid: 200_000, Typeflag: tar.TypeReg}); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// badImagesSayWhy: none of them runs, each pod has a reason, and the others that were imported after them run.
func badImagesSayWhy(t *testing.T, s space) {
	for name, image := range map[string]string{"architecture": otherArchitecture, "owners": otherOwners, "corrupt": corruptLayer} {
		p := probe(name)
		p.Spec.Containers[0].Image, p.Spec.Containers[0].ImagePullPolicy = image, corev1.PullIfNotPresent
		s.run(t, p, func(p *corev1.Pod) error {
			if ready(p) == nil || p.Status.Phase == corev1.PodSucceeded {
				t.Fatalf("%s runs", image)
			}
			for _, c := range p.Status.ContainerStatuses {
				if w := c.State.Waiting; w != nil && w.Message != "" {
					return nil
				}
				if e := c.State.Terminated; e != nil && e.Message+e.Reason != "" && e.ExitCode != 0 {
					return nil
				}
			}
			return errors.New("no reason yet")
		})
		t.Logf("%s: %+v", name, s.wait(t, name, func(*corev1.Pod) error { return nil }).Status.ContainerStatuses[0].State)
	}
	s.run(t, probe("good", "true"), succeeded)
}

// checkOf runs berth-nodes check and answers what it says about one thing.
func checkOf(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	cmd.WaitDelay = time.Second
	text, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return string(text)
}

// hideRuntimes runs a command where no runtime of the system is found. It needs a mount namespace of its own.
const hideRuntimes = `for d in /usr/local/sbin /usr/local/bin /usr/sbin; do /usr/bin/mount -t tmpfs none $d || exit 1; done
PATH=/usr/bin:/bin; exec "$@"`

// TestRunsc: where the system has no runtime, pods run on gVisor's, which make builds then.
func TestRunsc(t *testing.T) {
	program := nodesProgram(t)
	if _, err := os.Stat(filepath.Join(filepath.Dir(program), "nodes", "runsc")); err != nil || os.Getuid() != 0 {
		t.Skipf("it was not built, because this machine has another runtime, or this is a plain user: %v", err)
	}
	dir, port := filepath.Join(t.TempDir(), "kube"), freePort(t)
	cmd := exec.Command("/bin/sh", append([]string{"-c", hideRuntimes, "sh", binary(t)}, serveArgs(dir, port, "--nodes", program)...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	r := startBy(t, cmd, dir, port).ready()
	for i := range 2 {
		if _, err := r.client().CoreV1().Nodes().Create(t.Context(), newRealNode(i), metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	realPodsAnswer(t, r)
	namesAreAnswered(t, r)
	logsAreKept(t, r)
	r.stop()
}

// TestRuntimes: without a runtime, or with one that hangs, the check says which and what to do.
func TestRuntimes(t *testing.T) {
	program := nodesProgram(t)
	args := []string{"check", "--dir", filepath.Join(t.TempDir(), "check"), "--bin", filepath.Join(filepath.Dir(program), "nodes"),
		"--kube", binary(t)}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "runc"), []byte("#!/bin/sh\nexec sleep 1000\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	hangs := exec.CommandContext(t.Context(), program, args...)
	hangs.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"))
	if text := checkOf(t, hangs); !strings.Contains(text, "runc hangs: a container that ends at once") {
		t.Errorf("%s", text)
	}
	bare := t.TempDir()
	all, err := filepath.Glob(filepath.Join(filepath.Dir(program), "nodes", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range all {
		if err := os.Symlink(path, filepath.Join(bare, filepath.Base(path))); err != nil && filepath.Base(path) != "runsc" {
			t.Fatal(err)
		}
	}
	_ = os.Remove(filepath.Join(bare, "runsc")) // where there is one
	args[4] = bare
	none := exec.CommandContext(t.Context(), "/bin/sh", append([]string{"-c", hideRuntimes, "sh", program}, args...)...)
	none.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}, GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}}
	if text := checkOf(t, none); !strings.Contains(text, "neither runc nor crun is installed: install one of them") {
		t.Errorf("%s", text)
	}
}
