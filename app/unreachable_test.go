//go:build linux

package app_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"berth.dev/berth"
	"berth.dev/berth/client"
)

// TestDetachUnreachable: a cluster that does not answer does not hold a detach back; what stays in it is named.
func TestDetachUnreachable(t *testing.T) {
	w := start(t, t.TempDir())
	w.makeWorkspace()
	id := w.cluster("existing", 1)
	w.put("attached", attachTo(id, "DevTest"))
	pid := w.process("existing")
	w.must(syscall.Kill(pid, syscall.SIGSTOP))
	defer func() { _ = syscall.Kill(pid, syscall.SIGCONT) }()
	op, err := w.client.DeleteCompute(w.ctx, named("attached"), client.ActionDetach)
	w.done(op, err)
	if notes := strings.Join(op.Notes, " "); !strings.Contains(notes, "did not answer") || !strings.Contains(notes, "azureml-"+jobWorkspace) {
		t.Errorf("the operation's notes do not name what was left: %q", notes)
	}
	if _, err := w.client.GetCompute(w.ctx, named("attached")); !client.IsNotFound(err) {
		t.Errorf("after detach the compute answers %v", err)
	}
}

// process is the pid of a cluster's berth-kube.
func (w *world) process(name string) int {
	w.Helper()
	found, err := filepath.Glob(filepath.Join(w.dir, "clusters", name+"-*", "process.json"))
	if err != nil || len(found) != 1 {
		w.Fatalf("processes noted down for %s: %v, %v", name, found, err)
	}
	text, err := os.ReadFile(found[0])
	w.must(err)
	var p struct{ PID int }
	w.must(json.Unmarshal(text, &p))
	return p.PID
}

// TestKubernetesCompute: a compute of type Kubernetes takes up a cluster in a namespace of the user's, of any size.
func TestKubernetesCompute(t *testing.T) {
	w := start(t, t.TempDir())
	w.makeWorkspace()
	id := w.cluster("existing", 1)
	body := client.Object{"properties": client.Object{"computeType": "Kubernetes", "resourceId": id, "properties": client.Object{"namespace": "default"}}}
	w.put("k8s", body)
	got, err := w.client.GetCompute(w.ctx, named("k8s"))
	w.must(err)
	properties := got["properties"].(client.Object)
	if properties["computeType"] != "Kubernetes" || properties["isAttachedCompute"] != true || properties["properties"].(client.Object)["namespace"] != "default" {
		t.Errorf("the compute is %v", got)
	}
	_, _, err = w.client.PutCompute(w.ctx, named("other"), client.Object{"properties": client.Object{"computeType": "Kubernetes"}})
	w.refused(err, berth.CodeInvalidRequest, "resourceId")
	op, err := w.client.DeleteCompute(w.ctx, named("k8s"), client.ActionDetach)
	w.done(op, err)
	config, err := w.client.ClusterCredentials(w.ctx, jobGroup, "existing", false)
	w.must(err)
	if left := w.ready(w.connect(config)); len(left) != 1 {
		t.Errorf("after detach the nodes are %v", left)
	}
}
