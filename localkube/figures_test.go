package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	clockTicks     = 100     // per second, on every Linux that Go runs on
	mostResidentKB = 450_000 // 330,000 to 360,000 is usual
)

func memoryIsBounded(t *testing.T, r *running) {
	if kB := status(t, r, "VmRSS"); kB > mostResidentKB {
		t.Errorf("%d kB resident", kB)
	}
}

// BenchmarkCluster measures a cluster with three nodes, once:
//
//	go test -run '^$' -bench Cluster -benchtime 1x
func BenchmarkCluster(b *testing.B) {
	for range b.N {
		dir, port := filepath.Join(b.TempDir(), "kube"), freePort(b)
		begin := time.Now()
		r := start(b, dir, port).ready()
		b.ReportMetric(time.Since(begin).Seconds(), "s-ready")
		createNodes(b, r)
		b.ReportMetric(time.Since(begin).Seconds(), "s-3-nodes")
		time.Sleep(10 * time.Second) // the caches fill and the first garbage is collected
		before, span := cpuTicks(b, r), 30*time.Second
		time.Sleep(span)
		b.ReportMetric(float64(cpuTicks(b, r)-before)/clockTicks/span.Seconds()*100, "%-of-a-core-idle")
		b.ReportMetric(float64(status(b, r, "VmRSS"))/1000, "MB-resident")
		begin = time.Now()
		r.stop()
		b.ReportMetric(time.Since(begin).Seconds(), "s-stop")
		begin = time.Now()
		start(b, dir, port).ready().stop()
		b.ReportMetric(time.Since(begin).Seconds(), "s-start-and-stop-again")
	}
}

func createNodes(t testing.TB, r *running) {
	nodes := r.client().CoreV1().Nodes()
	for i := range 3 {
		if _, err := nodes.Create(t.Context(), newNode(fmt.Sprint("n", i)), metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, func(ctx context.Context) error {
		list, err := nodes.List(ctx, metav1.ListOptions{LabelSelector: simulatedNodes})
		if err != nil {
			return err
		}
		for _, n := range list.Items {
			if !nodeReady(&n) || len(n.Spec.Taints) > 0 {
				return fmt.Errorf("%s is not ready: %+v, %+v", n.Name, n.Status.Conditions, n.Spec.Taints)
			}
		}
		return nil
	})
}

// cpuTicks is the time that the process has used, in user and system mode.
func cpuTicks(t testing.TB, r *running) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", r.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	f := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	user, errUser := strconv.Atoi(f[11])
	system, errSystem := strconv.Atoi(f[12])
	if errUser != nil || errSystem != nil {
		t.Fatalf("%s", text)
	}
	return user + system
}

func status(t testing.TB, r *running, key string) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", r.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, key+":"); ok {
			n, err := strconv.Atoi(strings.Fields(rest)[0])
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatalf("no %s", key)
	return 0
}
