package main

import (
	"bytes"
	"context"

	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/remotecommand"
)

// nodesProgram is berth-nodes. Where this machine cannot run real nodes the test says why and is skipped, unless
// BERTH_REAL_NODES=required.
func nodesProgram(t *testing.T) string {
	t.Helper()
	path := filepath.Join(filepath.Dir(binary(t)), "berth-nodes")
	text, err := exec.Command(path, "check", "--dir", filepath.Join(t.TempDir(), "check"), "--bin", filepath.Join(filepath.Dir(path), "nodes"),
		"--kube", binary(t)).CombinedOutput()
	if err == nil && !strings.Contains(string(text), `"ok":false`) {
		return path
	}
	if os.Getenv("BERTH_REAL_NODES") == "required" {
		t.Fatalf("this machine cannot run real nodes: %v\n%s", err, text)
	}
	t.Skipf("this machine cannot run real nodes: %v\n%s", err, text)
	return ""
}

// TestRealNodes looks at one cluster of real nodes from all sides.
func TestRealNodes(t *testing.T) {
	dir, port := filepath.Join(t.TempDir(), "kube"), freePort(t)
	program := nodesProgram(t)
	images := t.TempDir()
	r := start(t, dir, port, "--nodes", program, "--images", images).ready()
	for i := range 2 {
		if _, err := r.client().CoreV1().Nodes().Create(t.Context(), newRealNode(i), metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	for _, part := range []struct {
		name string
		run  func(*testing.T, *running)
	}{
		{"size", realNodesAreAsLargeAsAsked}, {"pods", realPodsAnswer}, {"names", namesAreAnswered}, {"logs", logsAreKept},
		{"limits", limitsAreKept}, {"keys", keysStayOutside}, {"kubelets", kubeletsAskWhoMay}, {"balancer", balancersAnswer},
		{"volumes", claimsGetVolumes},
		{"images", func(t *testing.T, r *running) { importedImagesRun(t, r, images) }}, {"gone", deletedNodesEnd},
	} {
		t.Run(part.name, func(t *testing.T) { part.run(t, r) })
	}
	inside := pidNamespace(t, dir)
	r.kill()
	t.Run("killed", func(t *testing.T) { nothingRuns(t, inside) })
	r = start(t, dir, port, "--nodes", program).ready()
	t.Run("again", func(t *testing.T) { helloAnswers(t, r) })
	inside = pidNamespace(t, dir)
	r.stop()
	t.Run("stopped", func(t *testing.T) { nothingRuns(t, inside); noCgroupsStay(t, dir) })
}

func newRealNode(i int) *corev1.Node {
	name := fmt.Sprintf("n%d", i)
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: map[string]string{sizeAnnotation: "3/5000/20"},
			Labels: map[string]string{"berth.dev/node": "real", corev1.LabelHostname: name, corev1.LabelOSStable: "linux"}},
		Status: corev1.NodeStatus{Addresses: []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: fmt.Sprintf("10.224.0.%d", 4+i)}}},
	}
}

func realNodesAreAsLargeAsAsked(t *testing.T, r *running) {
	for i := range 2 {
		eventually(t, func(ctx context.Context) error {
			n, err := r.client().CoreV1().Nodes().Get(ctx, fmt.Sprintf("n%d", i), metav1.GetOptions{})
			if err == nil && !nodeReady(n) {
				err = errors.New("not ready")
			}
			if c := n.Status.Capacity; err == nil && (c.Cpu().Value() != 3 || c.Memory().Value() != 5000<<20 || c.Pods().Value() != 20) {
				t.Errorf("%s has %v", n.Name, c)
			}
			return err
		})
	}
}

// realPodsAnswer: two pods on two nodes behind a Service, which the API server reaches.
func realPodsAnswer(t *testing.T, r *running) {
	labels, replicas := map[string]string{"app": "hello"}, int32(2)
	container := corev1.Container{
		Name: "hello", Image: "berth.dev/hello:1",
		Env: []corev1.EnvVar{{Name: "NODE_NAME", ValueFrom: &corev1.EnvVarSource{
			FieldRef: &corev1.ObjectFieldSelector{FieldPath: "spec.nodeName"}}}},
		ReadinessProbe: &corev1.Probe{PeriodSeconds: 1, TimeoutSeconds: probePatience,
			ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/", Port: intstr.FromInt32(8080)}}},
		Resources: corev1.ResourceRequirements{Limits: corev1.ResourceList{
			corev1.ResourceMemory: resource.MustParse("32Mi"), corev1.ResourceCPU: resource.MustParse("2")}},
	}
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "hello"}, Spec: appsv1.DeploymentSpec{Replicas: &replicas,
		Selector: &metav1.LabelSelector{MatchLabels: labels}, Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels},
			Spec: corev1.PodSpec{Containers: []corev1.Container{container}}}}}
	if _, err := r.client().AppsV1().Deployments("default").Create(t.Context(), d, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	s := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "hello"}, Spec: corev1.ServiceSpec{Selector: labels,
		Ports: []corev1.ServicePort{{Port: 80, TargetPort: intstr.FromInt32(8080)}}}}
	if _, err := r.client().CoreV1().Services("default").Create(t.Context(), s, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	helloAnswers(t, r)
}

// helloAnswers waits until both nodes have answered through the Service.
func helloAnswers(t *testing.T, r *running) {
	seen := map[string]bool{}
	eventually(t, func(ctx context.Context) error {
		text, err := r.client().RESTClient().Get().AbsPath("/api/v1/namespaces/default/services/hello:80/proxy/").DoRaw(ctx)
		if err != nil {
			return err
		}
		for _, node := range []string{"n0", "n1"} {
			seen[node] = seen[node] || strings.Contains(string(text), "on the node "+node+".")
		}
		if len(seen) != 2 || !seen["n0"] || !seen["n1"] {
			return fmt.Errorf("%v have answered, the last with %q", seen, text)
		}
		return nil
	})
}

// helloPod is one of the pods that run.
func helloPod(t *testing.T, r *running, node string) string {
	t.Helper()
	name := ""
	eventually(t, func(ctx context.Context) error {
		list, err := r.client().CoreV1().Pods("default").List(ctx, metav1.ListOptions{LabelSelector: "app=hello"})
		if err != nil {
			return err
		}
		for _, p := range list.Items {
			if p.Spec.NodeName == node && p.DeletionTimestamp == nil && p.Status.Phase == corev1.PodRunning {
				name = p.Name
				return nil
			}
		}
		return fmt.Errorf("no pod on %s", node)
	})
	return name
}

// in runs a command in a pod, as kubectl exec does.
func in(ctx context.Context, r *running, pod string, command ...string) (string, error) {
	req := r.client().CoreV1().RESTClient().Post().Resource("pods").Namespace("default").Name(pod).SubResource("exec").
		VersionedParams(&corev1.PodExecOptions{Command: command, Stdout: true, Stderr: true}, scheme.ParameterCodec)
	config := r.config()
	config.Timeout = 0
	exec, err := remotecommand.NewWebSocketExecutor(config, "GET", req.URL().String())
	if err != nil {
		return "", err
	}
	var out, errs bytes.Buffer
	err = exec.StreamWithContext(ctx, remotecommand.StreamOptions{Stdout: &out, Stderr: &errs})
	return out.String() + errs.String(), err
}

func namesAreAnswered(t *testing.T, r *running) {
	pod := helloPod(t, r, "n0")
	for _, name := range []string{"hello", "hello.default.svc.cluster.local"} {
		eventually(t, func(ctx context.Context) error {
			text, err := in(ctx, r, pod, "/hello", "get", "http://"+name+"/")
			if err == nil && !strings.HasPrefix(text, "Hello from the pod") {
				err = fmt.Errorf("%q", text)
			}
			return err
		})
	}
	for address, want := range map[string]string{
		"http://10.0.99.99/":      "connection refused", // nothing serves there: told at once
		"http://www.example.com/": "no such host\nserver misbehaving\n",
		"https://kubernetes/":     "certificate signed by unknown authority", // the API itself answers
	} {
		text, err := in(t.Context(), r, pod, "/hello", "get", address)
		if err == nil || !containsOne(text, want) {
			t.Errorf("%s: %v, %q", address, err, text)
		}
	}
}

func containsOne(text, lines string) bool {
	for line := range strings.Lines(lines) {
		if strings.Contains(text, strings.TrimSpace(line)) {
			return true
		}
	}
	return false
}

func logsAreKept(t *testing.T, r *running) {
	pod := helloPod(t, r, "n1")
	stream, err := r.client().CoreV1().Pods("default").GetLogs(pod, &corev1.PodLogOptions{}).Stream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stream.Close() }()
	if text, err := io.ReadAll(stream); err != nil || !strings.Contains(string(text), "GET / from") {
		t.Errorf("%q, %v", text, err)
	}
}

// limitsAreKept: the kernel holds a container to its limit.
func limitsAreKept(t *testing.T, r *running) {
	found := false
	for _, file := range []string{"memory.limit_in_bytes", "memory.max"} {
		err := filepath.WalkDir(filepath.Join("/sys/fs/cgroup"), func(path string, d os.DirEntry, err error) error {
			if err == nil && d.Name() == file && strings.Contains(path, cgroupOf(r.dir)+"/n0/kubepods") {
				text, err := os.ReadFile(path)
				found = found || err == nil && strings.TrimSpace(string(text)) == fmt.Sprint(32<<20)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if !found {
		t.Error("no container has the limit of 32 Mi")
	}
}

// keysStayOutside: no process inside has a file, or was given a key, that lets it sign or administrate; and root inside is nobody here.
func keysStayOutside(t *testing.T, r *running) {
	inside := pidNamespace(t, r.dir)
	var processes []string
	all, err := filepath.Glob("/proc/[0-9]*/ns/pid")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range all {
		if of, err := os.Readlink(path); err == nil && of == inside {
			processes = append(processes, filepath.Dir(filepath.Dir(path)))
		}
	}
	for _, p := range processes {
		status, err := os.ReadFile(p + "/status")
		if err == nil && os.Getuid() == 0 && strings.Contains(string(status), "\nUid:\t0\t") {
			t.Errorf("%s runs as the machine's root:\n%s", p, status)
		}
	}
	for _, secret := range []string{"pki/ca.key", "pki/sa.key", "pki/admin.key", "pki/kubelet-client.key"} {
		want, err := os.ReadFile(filepath.Join(r.dir, secret))
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range processes {
			for _, file := range keyFiles(p + "/root") {
				if text, err := os.ReadFile(file); err == nil && bytes.Contains(text, bytes.TrimSpace(want)) {
					t.Errorf("%s holds %s", file, secret)
				}
			}
		}
	}
}

// keyFiles are the files that a process inside could read keys from.
func keyFiles(root string) (out []string) {
	for _, pattern := range []string{"/run/berth/keys/*", "/run/berth/*/keys/*", "/berth/*", "/berth/nodes/*/*"} {
		files, _ := filepath.Glob(root + pattern) // the patterns are good
		out = append(out, files...)
	}
	return out
}

// deletedNodesEnd: without its object a node has no process and no files, and one of that name may come again.
func deletedNodesEnd(t *testing.T, r *running) {
	nodes, folder := r.client().CoreV1().Nodes(), filepath.Join(r.dir, nodesDir, "nodes", "n1")
	if err := nodes.Delete(t.Context(), "n1", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, func(context.Context) error {
		if _, err := os.Stat(folder); !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("its folder: %v", err)
		}
		if left := processesOf(t, r.dir, "n1"); len(left) > 0 {
			return fmt.Errorf("%v run", left)
		}
		return nil
	})
	if _, err := nodes.Create(t.Context(), newRealNode(1), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, func(ctx context.Context) error { // its pod went with it, so both may be on n0 now
		n, err := nodes.Get(ctx, "n1", metav1.GetOptions{})
		if err == nil && !nodeReady(n) {
			err = errors.New("not ready")
		}
		return err
	})
	for _, p := range []string{helloPod(t, r, "n0")} { // moves one of them
		if err := r.client().CoreV1().Pods("default").Delete(t.Context(), p, metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	helloAnswers(t, r)
}
