package browser

import (
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"berth.dev/berth"
	"berth.dev/berth/app"
	"berth.dev/berth/app/apptest"
	"berth.dev/berth/client"
)

// runs creates a cluster with one real node by the form, and skips the test where this machine cannot run real nodes.
func (b *tab) runs(name string) *client.Kubernetes {
	b.t.Helper()
	b.visit("/studio/clusters")
	b.fill("name", name)
	b.fill("nodes", "1")
	b.run(press("input[name=runs][value=real]"))
	b.picture("workloads-form")
	b.loads(press("form.row button.main"))
	const impossible = "Real nodes are not possible"
	b.until("the cluster", func(text string) bool {
		return strings.Contains(text, "Succeeded") || strings.Contains(text, impossible)
	})
	if text := b.text(); strings.Contains(text, impossible) {
		if os.Getenv("BERTH_REAL_NODES") == "required" {
			b.t.Fatalf("this machine cannot run real nodes: %s", text)
		}
		b.t.Skipf("this machine cannot run real nodes: %s", text)
	}
	b.sees("Succeeded", "1 real")
	api, err := client.OpenKubernetes(b.s.ClusterKeys(b.s.Cluster("rg", name)))
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(api.Close)
	return api
}

// pod is a pod of the image that every real node has.
func pod(name string, container apptest.Object) apptest.Object {
	container["name"] = "main"
	if container["image"] == nil {
		container["image"] = "berth.dev/hello:1"
	}
	return apptest.Object{"metadata": apptest.Object{"name": name, "labels": apptest.Object{"app": name}},
		"spec": apptest.Object{"containers": []any{container}, "terminationGracePeriodSeconds": 0}}
}

// TestWorkloads: what runs in a cluster with real nodes, and why something does not; events; a log that grows while it is read.
func TestWorkloads(t *testing.T) {
	s := server(t, func(c *app.Config) { c.Nodes = "auto" })
	s.MakeWorkspace("rg", "vision")
	b := open(t, s)
	b.signIn()
	api := b.runs("box")
	call := func(method, path string, body any) { // a service account, or a container that listens, comes a moment later
		t.Helper()
		s.Until(method+" "+path, func() bool {
			_, status, err := api.Call(t.Context(), method, path, body)
			return err == nil || method == http.MethodPost && status == http.StatusConflict
		})
	}
	const pods = "/api/v1/namespaces/default/pods"
	limits := func(cpu string) apptest.Object {
		return apptest.Object{"requests": apptest.Object{"cpu": cpu, "memory": "64Mi"}}
	}
	call(http.MethodPost, pods, pod("talks", apptest.Object{"resources": limits("100m"),
		"env": []any{apptest.Object{"name": "PASSWORD", "value": "s3cr3t-value"}}}))
	call(http.MethodPost, pods, pod("crashes", apptest.Object{"command": []any{"/hello", "get", "http://127.0.0.1:1/nobody"}}))
	call(http.MethodPost, pods, pod("imageless", apptest.Object{"image": "127.0.0.1:1/nowhere:1"}))
	call(http.MethodPost, pods, pod("huge", apptest.Object{"resources": limits("500")}))

	b.click("Workloads")
	b.sees("talks", "Running", "127.0.0.1:1/nowhere:1", "Unschedulable", "0/1 nodes are available", "Insufficient cpu",
		"The container main ended: Error, exit code 1", "3 with a problem", "0.1 / 4", "64 MiB / 14.0 GiB", "FailedScheduling")
	b.fits("workloads")
	b.picture("workloads")
	b.click("talks")
	b.sees("berth.dev/hello:1", "New lines appear here", "Started", "Pulled")
	b.hides("s3cr3t-value")
	call(http.MethodGet, pods+"/talks:8080/proxy/first", nil)
	b.sees("GET /first from")
	call(http.MethodGet, pods+"/talks:8080/proxy/second", nil)
	b.sees("GET /second from")
	b.fits("pod")
	b.picture("workloads-pod")
	b.run(chromedp.Reload())
	b.sees("GET /first from", "New lines appear here")
	call(http.MethodGet, pods+"/talks:8080/proxy/third", nil)
	b.sees("GET /third from")
	if n := strings.Count(b.text(), "GET /first from"); n != 1 {
		t.Errorf("the first line is there %d times", n)
	}
	call(http.MethodDelete, pods+"/talks", nil)
	b.sees("There is no pod talks")

	b.visit("/studio/k/rg/managed/box/pods/default/crashes")
	b.sees("connection refused", "before its restart")
	b.click("before its restart")
	b.seesNot("Follow") // it does not grow
	b.picture("workloads-previous")
	b.visit("/studio/k/rg/managed/box/workloads?namespace=kube-system")
	b.seesNot("crashes")
	t.Run("models", func(t *testing.T) { s, b := s.As(t), *b; b.t, b.s = t, s; b.serves() })
	if found := b.s.Log.String(); strings.Contains(found, "level=ERROR") || strings.Contains(found, "s3cr3t-value") {
		t.Error(found)
	}
	if r := s.Do(http.MethodPost, s.Cluster("rg", "box")+"/listWorkloads", nil); strings.Contains(r.Text, "s3cr3t-value") ||
		apptest.At(s.Do(http.MethodGet, s.Cluster("rg", "box"), nil).Body, "properties.nodes") != berth.NodesReal {
		t.Errorf("%d %s", r.Status, r.Text)
	}
}
