package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// somebody is an id that no account of the machine has.
const somebody = 54_321

// TestPlainUser: somebody without rights runs a cluster with real nodes. Its pods run; what needs cgroups is said and not done.
func TestPlainUser(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("all tests here run as a plain user")
	}
	home, err := os.MkdirTemp("", "plain") // those of the test's own are root's alone
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(home) })
	bin := filepath.Join(home, "bin")
	if err := errors.Join(copyPrograms(filepath.Dir(binary(t)), bin), os.Chmod(home, 0o755), os.Chown(home, somebody, somebody)); err != nil {
		t.Fatal(err)
	}
	as := func(program string, args ...string) *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), filepath.Join(bin, program), args...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: somebody, Gid: somebody}}
		cmd.Dir, cmd.Env = home, []string{"HOME=" + home, "PATH=" + os.Getenv("PATH")}
		return cmd
	}
	checked := checkOf(t, as("berth-nodes", "check", "--dir", filepath.Join(home, "check"), "--bin", filepath.Join(bin, "nodes"),
		"--kube", filepath.Join(bin, "berth-kube")))
	if strings.Contains(checked, `"ok":false`) {
		if os.Getenv("BERTH_REAL_NODES") == "required" {
			t.Fatalf("a plain user cannot run real nodes here: %s", checked)
		}
		t.Skipf("a plain user cannot run real nodes here: %s", checked)
	}
	if !strings.Contains(checked, "may make no cgroups") {
		t.Errorf("%s", checked)
	}
	images := filepath.Join(home, "images")
	if err := os.Mkdir(images, 0o755); err != nil {
		t.Fatal(err)
	}
	storeImages(t, images, imageOf(t, probeImage, map[string][]byte{"hello": probeProgram(t)}))
	dir, port := filepath.Join(home, "kube"), freePort(t)
	args := serveArgs(dir, port, "--nodes", filepath.Join(bin, "berth-nodes"), "--images", images)
	r := startBy(t, as("berth-kube", args...), dir, port).ready()
	node := newRealNode(0)
	node.Labels[limitsLabel] = "none" // as who makes the node has it from the check
	if _, err := r.client().CoreV1().Nodes().Create(t.Context(), node, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	s := newSpace(t, r, "plain", nil)
	s.run(t, probe("answers", "serve"), ready)
	eventually(t, func(ctx context.Context) error {
		return r.client().RESTClient().Get().AbsPath("/api/v1/namespaces/plain/pods/answers:8080/proxy/").Do(ctx).Error()
	})
	usageIsNotCounted(t, s)
	forksAreBoundedTogether(t, s)
	r.stop()
}

// copyPrograms copies them to where anybody may read them.
func copyPrograms(from, to string) error {
	if err := os.MkdirAll(filepath.Join(to, "nodes"), 0o755); err != nil {
		return err
	}
	programs, err := filepath.Glob(filepath.Join(from, "nodes", "*"))
	if err != nil {
		return err
	}
	for _, path := range append(programs, filepath.Join(from, "berth-kube"), filepath.Join(from, "berth-nodes")) {
		name, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		program, err := os.ReadFile(path)
		if err == nil {
			err = os.WriteFile(filepath.Join(to, name), program, 0o755)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// usageIsNotCounted: kubectl top says why there is nothing.
func usageIsNotCounted(t *testing.T, s space) {
	of := usageOf(t, s.config())
	_, pods := of.PodMetricses(s.name).List(t.Context(), metav1.ListOptions{})
	_, pod := of.PodMetricses(s.name).Get(t.Context(), "answers", metav1.GetOptions{})
	_, nodes := of.NodeMetricses().List(t.Context(), metav1.ListOptions{})
	_, node := of.NodeMetricses().Get(t.Context(), "n0", metav1.GetOptions{})
	for _, err := range []error{pods, pod, nodes, node} {
		if !apierrors.IsServiceUnavailable(err) || !strings.Contains(err.Error(), "start the server as root") {
			t.Errorf("%v", err)
		}
	}
}

// maxProcesses is how many all containers of a plain user's cluster may have; localnodes/unlimited has the same.
const maxProcesses = 8192

// forksAreBoundedTogether: a pod that makes processes without end takes them from the other pods of its cluster, but not from its user.
func forksAreBoundedTogether(t *testing.T, s space) {
	s.run(t, probe("forks", "fork"), func(p *corev1.Pod) error { return inPhase(p, corev1.PodRunning) })
	eventually(t, func(ctx context.Context) error {
		out, err := s.logs(ctx, "forks")
		var made int
		if _, scanErr := fmt.Sscanf(out, "%d made, then: resource temporarily unavailable", &made); err == nil && scanErr != nil {
			err = fmt.Errorf("%q: %w", out, scanErr)
		}
		if made > maxProcesses {
			t.Errorf("it made %d processes", made)
		}
		return err
	})
	s.remove(t, "forks")
	s.run(t, probe("after", "true"), succeeded)
}
