package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

const gpu = "nvidia.com/gpu"

// TestCluster looks at one cluster from all sides: starting one is dear.
func TestCluster(t *testing.T) {
	r := start(t, filepath.Join(t.TempDir(), "kube"), freePort(t)).ready()
	for _, part := range []struct {
		name string
		run  func(*testing.T, *running)
	}{
		{"nodes", nodesGetReady}, {"pods", podsRun}, {"tokens", tokensAreGiven},
		{"strangers", strangersAreRefused}, {"sockets", oneSocketListens}, {"memory", memoryIsBounded}, {"files", filesArePrivate},
	} {
		t.Run(part.name, func(t *testing.T) { part.run(t, r) })
	}
	r.stop()
	// On a busy machine Kubernetes gives a node its range twice, sees it, and says so in three lines a node.
	n := strings.Count(r.log(), "\n") - strings.Count(r.log(), " range_allocator.go:")
	if n > 20 || strings.Contains(r.log(), "goroutine ") {
		t.Errorf("a log that nobody can read, of %d lines:\n%.4000s", n, r.log())
	}
}

func newNode(name string) *corev1.Node {
	capacity := corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse("4"), corev1.ResourceMemory: resource.MustParse("14Gi"),
		corev1.ResourcePods: resource.MustParse("110"), gpu: resource.MustParse("2"),
	}
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"berth.dev/simulated": "true", "kubernetes.io/os": "linux"}},
		Status:     corev1.NodeStatus{Capacity: capacity, Allocatable: capacity},
	}
}

func nodeReady(n *corev1.Node) bool {
	for _, c := range n.Status.Conditions {
		if c.Type == corev1.NodeReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

func nodesGetReady(t *testing.T, r *running) {
	nodes := r.client().CoreV1().Nodes()
	stranger := newNode("stranger")
	stranger.Labels = nil
	if _, err := nodes.Create(t.Context(), stranger, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	createNodes(t, r)
	list, err := nodes.List(t.Context(), metav1.ListOptions{LabelSelector: simulatedNodes})
	if err != nil || len(list.Items) != 3 {
		t.Fatalf("%d nodes, %v", len(list.Items), err)
	}
	for _, n := range list.Items {
		c := n.Status.Capacity
		if c.Cpu().String() != "4" || c.Memory().String() != "14Gi" || c.Name(gpu, resource.DecimalSI).String() != "2" ||
			n.Status.Allocatable.Cpu().String() != "4" {
			t.Errorf("%s has %v", n.Name, c)
		}
	}
	if n, err := nodes.Get(t.Context(), "stranger", metav1.GetOptions{}); err != nil || nodeReady(n) {
		t.Errorf("a node that is not simulated got ready, or %v", err)
	}
	if err := nodes.Delete(t.Context(), "stranger", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
}

func podsRun(t *testing.T, r *running) {
	labels, replicas := map[string]string{"app": "web"}, int32(6)
	template := corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: corev1.PodSpec{Containers: []corev1.Container{{
		Name: "c", Image: "example.com/model:1",
		Resources: corev1.ResourceRequirements{Limits: corev1.ResourceList{gpu: resource.MustParse("1")}},
	}}}}
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "web"},
		Spec: appsv1.DeploymentSpec{Replicas: &replicas, Selector: &metav1.LabelSelector{MatchLabels: labels}, Template: template}}
	if _, err := r.client().AppsV1().Deployments("default").Create(t.Context(), d, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, available(r, 6))
	list, err := r.client().CoreV1().Pods("default").List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	on := map[string]int{}
	for _, p := range list.Items {
		on[p.Spec.NodeName]++
		if p.Status.Phase != corev1.PodRunning || p.Status.PodIP == "" {
			t.Errorf("%s is %s with address %q", p.Name, p.Status.Phase, p.Status.PodIP)
		}
	}
	if on["n0"] != 2 || on["n1"] != 2 || on["n2"] != 2 { // two GPUs each
		t.Errorf("pods by node: %v", on)
	}
}

func available(r *running, want int32) func(context.Context) error {
	c := r.client()
	return func(ctx context.Context) error {
		d, err := c.AppsV1().Deployments("default").Get(ctx, "web", metav1.GetOptions{})
		if err == nil && d.Status.AvailableReplicas != want {
			err = fmt.Errorf("%+v", d.Status)
		}
		return err
	}
}

func tokensAreGiven(t *testing.T, r *running) {
	seconds := int64(3600)
	answer, err := r.client().CoreV1().ServiceAccounts("default").CreateToken(t.Context(), "default",
		&authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &seconds}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	config := rest.AnonymousClientConfig(r.config())
	config.BearerToken = answer.Status.Token
	c, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	who, err := c.AuthenticationV1().SelfSubjectReviews().Create(t.Context(), &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	if err != nil || who.Status.UserInfo.Username != "system:serviceaccount:default:default" {
		t.Errorf("%+v, %v", who, err)
	}
	if _, err := c.CoreV1().Secrets("").List(t.Context(), metav1.ListOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("secrets: %v", err)
	}
}

func strangersAreRefused(t *testing.T, r *running) {
	for _, token := range []string{"", "guessed"} {
		config := rest.AnonymousClientConfig(r.config())
		config.BearerToken = token
		c, err := kubernetes.NewForConfig(config)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{"/api/v1/nodes", "/version", "/readyz", "/metrics", "/"} {
			if err := c.RESTClient().Get().AbsPath(path).Do(t.Context()).Error(); !apierrors.IsUnauthorized(err) {
				t.Errorf("%s with token %q: %v", path, token, err)
			}
		}
	}
}

var socketLink = regexp.MustCompile(`^socket:\[(\d+)\]$`)

// oneSocketListens: a process that can connect to etcd reads every secret, so it must not be on a port.
func oneSocketListens(t *testing.T, r *running) {
	proc := fmt.Sprintf("/proc/%d", r.cmd.Process.Pid)
	descriptors, err := os.ReadDir(proc + "/fd")
	if err != nil {
		t.Fatal(err)
	}
	own := map[string]bool{}
	for _, d := range descriptors {
		link, err := os.Readlink(filepath.Join(proc, "fd", d.Name()))
		if m := socketLink.FindStringSubmatch(link); err == nil && m != nil {
			own[m[1]] = true
		}
	}
	var listening []string
	for _, table := range []string{"tcp", "tcp6", "udp", "udp6"} {
		text, err := os.ReadFile(proc + "/net/" + table)
		if err != nil {
			continue // no IPv6
		}
		for _, line := range strings.Split(string(text), "\n") {
			f := strings.Fields(line)
			if len(f) > 9 && own[f[9]] && (f[3] == "0A" || f[3] == "07") {
				listening = append(listening, f[1])
			}
		}
	}
	if want := fmt.Sprintf("0100007F:%04X", r.port); len(listening) != 1 || listening[0] != want {
		t.Errorf("listens on %v; want %s alone", listening, want)
	}
}

func filesArePrivate(t *testing.T, r *running) {
	err := filepath.WalkDir(r.dir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if d.IsDir() && path == r.dir && info.Mode().Perm() != 0o700 || strings.HasSuffix(path, ".key") && info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %s", path, strconv.FormatUint(uint64(info.Mode().Perm()), 8))
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
