package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestContract holds what the provider relies on beyond a cluster that runs. The folder's path is longer than a socket's
// path may be.
func TestContract(t *testing.T) {
	r := start(t, filepath.Join(t.TempDir(), strings.Repeat("a-long-path-", 12)), freePort(t)).ready()
	for _, part := range []struct {
		name string
		run  func(*testing.T, *running)
	}{
		{"a node waits for its size", nodeWaitsForSize}, {"a job completes", jobCompletes},
		{"logs fail at once", logsFailAtOnce}, {"a token of ten minutes", shortToken}, {"secrets", secretsArePrivate},
	} {
		t.Run(part.name, func(t *testing.T) { part.run(t, r) })
	}
	r.kill()
	moved := start(t, r.dir, freePort(t)).ready()
	if _, err := moved.client().CoreV1().Nodes().Get(t.Context(), "late", metav1.GetOptions{}); err != nil {
		t.Errorf("on another port: %v", err)
	}
	moved.stop()
}

// nodeWaitsForSize: a creator that writes the status in a second request must win over what kwok would invent.
func nodeWaitsForSize(t *testing.T, r *running) {
	nodes, wanted := r.client().CoreV1().Nodes(), newNode("late")
	wanted.Status.NodeInfo = corev1.NodeSystemInfo{KubeletVersion: "v1.36.0", OSImage: "simulated"}
	bare := wanted.DeepCopy()
	bare.Status = corev1.NodeStatus{}
	late, err := nodes.Create(t.Context(), bare, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := nodes.Create(t.Context(), newNode("after"), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	becomesReady(t, r, "after") // then the first has been looked at too
	if late, err = nodes.Get(t.Context(), "late", metav1.GetOptions{}); err != nil || nodeReady(late) || len(late.Status.Capacity) > 0 {
		t.Fatalf("without a size: %+v, %v", late.Status, err)
	}
	late.Status.Capacity = wanted.Status.Capacity
	late.Status.Allocatable = wanted.Status.Allocatable
	late.Status.NodeInfo = wanted.Status.NodeInfo
	late.ResourceVersion = "" // others write to it as well
	if _, err := nodes.UpdateStatus(t.Context(), late, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	late = becomesReady(t, r, "late")
	if c := late.Status.Capacity; c.Cpu().String() != "4" || c.Memory().String() != "14Gi" ||
		late.Status.NodeInfo.KubeletVersion != "v1.36.0" || late.Status.NodeInfo.OSImage != "simulated" {
		t.Errorf("%+v", late.Status)
	}
}

func becomesReady(t *testing.T, r *running, name string) (n *corev1.Node) {
	t.Helper()
	nodes := r.client().CoreV1().Nodes()
	eventually(t, func(ctx context.Context) (err error) {
		n, err = nodes.Get(ctx, name, metav1.GetOptions{})
		if err == nil && !nodeReady(n) {
			err = errors.New(name + " is not ready")
		}
		return err
	})
	return n
}

func jobCompletes(t *testing.T, r *running) {
	jobs := r.client().BatchV1().Jobs("default")
	pod := corev1.PodSpec{RestartPolicy: corev1.RestartPolicyNever, Containers: []corev1.Container{{Name: "c", Image: "example.com/once:1"}}}
	if _, err := jobs.Create(t.Context(), &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: "once"},
		Spec: batchv1.JobSpec{Template: corev1.PodTemplateSpec{Spec: pod}}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, func(ctx context.Context) error {
		job, err := jobs.Get(ctx, "once", metav1.GetOptions{})
		if err == nil && job.Status.Succeeded != 1 {
			err = errors.New("the job is not complete")
		}
		return err
	})
}

// logsFailAtOnce: a simulated node has an address and a port, and a stranger may listen there. Nobody connects to it.
func logsFailAtOnce(t *testing.T, r *running) {
	stranger, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	reached := make(chan struct{}, 100)
	go func() {
		for {
			c, err := stranger.Accept()
			if err != nil {
				return
			}
			_ = c.Close()
			reached <- struct{}{}
		}
	}()
	defer func() { _ = stranger.Close() }()
	node := newNode("listening")
	node.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: "127.0.0.1"},
		{Type: corev1.NodeHostName, Address: "localhost"}}
	node.Status.DaemonEndpoints.KubeletEndpoint.Port = int32(stranger.Addr().(*net.TCPAddr).Port)
	core := r.client().CoreV1()
	if _, err := core.Nodes().Create(t.Context(), node, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if n := becomesReady(t, r, node.Name); !slices.Equal(n.Status.Addresses, node.Status.Addresses) ||
		n.Status.DaemonEndpoints != node.Status.DaemonEndpoints {
		t.Fatalf("the node has %+v", n.Status)
	}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "talks"}, Spec: corev1.PodSpec{NodeName: node.Name,
		Containers: []corev1.Container{{Name: "c", Image: "example.com/c:1"}}}}
	if _, err := core.Pods("default").Create(t.Context(), pod, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, func(ctx context.Context) error {
		p, err := core.Pods("default").Get(ctx, pod.Name, metav1.GetOptions{})
		if err == nil && (p.Status.Phase != corev1.PodRunning || p.Status.HostIP != "127.0.0.1") {
			err = fmt.Errorf("%+v", p.Status)
		}
		return err
	})
	begin := time.Now()
	_, logs := core.Pods("default").GetLogs(pod.Name, &corev1.PodLogOptions{}).DoRaw(t.Context())
	exec := core.RESTClient().Post().AbsPath("/api/v1/namespaces/default/pods/talks/exec").Param("command", "ls").Do(t.Context()).Error()
	proxy := core.RESTClient().Get().AbsPath("/api/v1/nodes/listening/proxy/pods").Do(t.Context()).Error()
	const tried = 25 * time.Second // an address at which nobody answers is tried for longer
	if logs == nil || exec == nil || proxy == nil || time.Since(begin) > tried || len(reached) > 0 {
		t.Errorf("after %v and %d connections: %v; %v; %v", time.Since(begin), len(reached), logs, exec, proxy)
	}
}

func shortToken(t *testing.T, r *running) {
	seconds := int64(600)
	answer, err := r.client().CoreV1().ServiceAccounts("default").CreateToken(t.Context(), "default",
		&authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &seconds}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if left := time.Until(answer.Status.ExpirationTimestamp.Time); left > 10*time.Minute || left < 9*time.Minute {
		t.Errorf("it lasts %v", left)
	}
}

func secretsArePrivate(t *testing.T, r *running) {
	for _, name := range []string{"pki", "pki/ca.key", tokenFile, "admin.kubeconfig", etcdClientSocket} {
		info, err := os.Stat(filepath.Join(r.dir, name))
		if err != nil || info.Mode().IsRegular() && info.Mode().Perm() != 0o600 || info.IsDir() && info.Mode().Perm() != 0o700 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
}
