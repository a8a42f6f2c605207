package app_test

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"berth.dev/berth"
	"berth.dev/berth/app"
	"berth.dev/berth/app/apptest"
	"berth.dev/berth/client"
)

// pythonSays proves in a container that Python and the libraries below it are whole. What it prints names the version of the image, too.
const pythonSays = `import ssl, sqlite3, ctypes, json, lzma, bz2, zoneinfo, os, sys
ctypes.CDLL("libgomp.so.1"), ctypes.CDLL("libstdc++.so.6"), zoneinfo.ZoneInfo("Asia/Seoul")
print(json.dumps({"version": "%d.%d" % sys.version_info[:2], "authorities": len(ssl.create_default_context().get_ca_certs()) > 50,
    "sqlite": sqlite3.connect(":memory:").execute("select 6*7").fetchone()[0], "uv": os.popen("uv --version").read().split()[0]}))`

// TestBaseImage builds an image from the packages of this machine's mirror, gives it to a server and runs it on a real node.
func TestBaseImage(t *testing.T) {
	if testing.Short() {
		t.Skip("fetches packages")
	}
	if _, err := os.Stat("/etc/apt"); err != nil {
		t.Skipf("this machine has no mirror of packages: %v", err)
	}
	realNodes(t)
	s := apptest.New(t, func(c *app.Config) { c.Nodes = berth.NodesReal })
	file := filepath.Join(t.TempDir(), "python.tar")
	built, err := app.BuildImage(t.Context(), app.BaseImage{UV: true, Progress: func(line string) { t.Log(line) }}, file)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", built)
	if _, err := app.ImportImage(s.Dir, file); err != nil {
		t.Fatal(err)
	}
	s.MakeWorkspace("rg", "wspace")
	s.Succeed(s.Do(http.MethodPut, s.Cluster("rg", "k"), apptest.ClusterOf(2, size)))
	api, err := client.OpenKubernetes(s.ClusterKeys(s.Cluster("rg", "k")))
	if err != nil {
		t.Fatal(err)
	}
	defer api.Close()
	container := client.Object{"name": "python", "image": built.Name, "command": []any{"python3", "-c", pythonSays}}
	runPod(t, s, api, container)
	log := client.Object{}
	s.Until("the log of the pod", func() bool {
		text, _, err := api.Call(t.Context(), http.MethodGet, "/api/v1/namespaces/default/pods/python/log", nil)
		return err == nil && json.Unmarshal(text, &log) == nil
	})
	if all, err := app.ListImages(s.Dir); err != nil || len(all) != 1 || len(all[0].Nodes) == 0 ||
		!strings.HasPrefix(built.ID, "sha256:"+all[0].ID) || !strings.HasPrefix(all[0].Nodes[0], "rg/k/aks-pool-") {
		t.Errorf("the list of images: %+v, %v", all, err)
	}
	_, version, _ := strings.Cut(built.Name, ":")
	want := client.Object{"version": version, "authorities": true, "sqlite": 42.0, "uv": "uv"}
	if fmt.Sprint(log) != fmt.Sprint(want) {
		t.Errorf("the pod says %v; want %v", log, want)
	}
	t.Run("pull", func(t *testing.T) { imagesArePulled(t, s.As(t), api, built.Name) })
}

// registry serves the files of an image, by their digests, as a registry does.
const registry = `import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        path = "/data/" + os.path.basename(self.path).removeprefix("sha256:")
        if not os.path.exists(path):
            return self.send_error(404)
        text = open(path, "rb").read()
        self.send_response(200)
        self.send_header("Content-Type", "application/vnd.docker.distribution.manifest.v2+json" if "/manifests/" in self.path else "a/b")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(text)
    do_HEAD = do_GET
http.server.ThreadingHTTPServer(("127.0.0.1", 80), Handler).serve_forever()`

// imagesArePulled: a registry in a pod, on the loopback address that all nodes of a cluster share. Two nodes pull the same image from it,
// and
// its layer is on disk once.
func imagesArePulled(t *testing.T, s *apptest.Server, api *client.Kubernetes, python string) {
	create := func(path string, object client.Object) {
		t.Helper()
		if _, _, err := api.Call(t.Context(), http.MethodPost, "/api/v1/namespaces/default/"+path, object); err != nil {
			t.Fatal(err)
		}
	}
	create("configmaps", client.Object{"metadata": client.Object{"name": "files"}, "binaryData": pulledImage(t)})
	create("pods", client.Object{"metadata": client.Object{"name": "registry"}, "spec": client.Object{
		"hostNetwork": true, "volumes": []any{client.Object{"name": "data", "configMap": client.Object{"name": "files"}}},
		"containers": []any{client.Object{"name": "c", "image": python, "command": []any{"python3", "-c", registry},
			"volumeMounts": []any{client.Object{"name": "data", "mountPath": "/data"}}}}}})
	var nodes struct {
		Items []struct{ Metadata struct{ Name string } }
	}
	text, _, err := api.Call(t.Context(), http.MethodGet, "/api/v1/nodes", nil)
	if err = errors.Join(err, json.Unmarshal(text, &nodes)); err != nil || len(nodes.Items) != 2 {
		t.Fatalf("%+v, %v", nodes, err)
	}
	for _, node := range nodes.Items {
		create("pods", client.Object{"metadata": client.Object{"name": "on-" + node.Metadata.Name}, "spec": client.Object{
			"nodeName": node.Metadata.Name, "containers": []any{client.Object{"name": "c", "image": "127.0.0.1:80/t:1"}}}})
	}
	t.Cleanup(func() {
		if t.Failed() {
			events, _, err := api.Call(context.Background(), http.MethodGet, "/api/v1/namespaces/default/events", nil)
			for _, e := range regexp.MustCompile(`"message":"(\\.|[^"\\])*"`).FindAll(events, -1) {
				t.Logf("%s", e)
			}
			t.Logf("%.3000s, %v", text, err)
		}
	})
	for _, node := range nodes.Items {
		s.Until("the pulled image to run on "+node.Metadata.Name, func() bool {
			text, _, err = api.Call(t.Context(), http.MethodGet, "/api/v1/namespaces/default/pods/on-"+node.Metadata.Name, nil)
			return err == nil && strings.Contains(string(text), `"phase":"Running"`)
		})
	}
	found, err := filepath.Glob(filepath.Join(s.Dir, "clusters", "*", "kube", "nodes", "layers", "snapshots", "*", "fs", "pulled"))
	if err != nil || len(found) != 1 {
		t.Errorf("the layer is there %d times: %v, %v", len(found), found, err)
	}
}

// pulledImage are the files of an image of one program: its manifest by the tag, the others by their digests.
func pulledImage(t *testing.T) map[string][]byte {
	t.Helper()
	program, err := os.ReadFile(filepath.Join(filepath.Dir(apptest.KubeBinary(t)), "nodes", "pause"))
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(err)
	var files bytes.Buffer
	w := tar.NewWriter(&files)
	must(w.WriteHeader(&tar.Header{Name: "pulled", Mode: 0o755, Size: int64(len(program)), Typeflag: tar.TypeReg}))
	_, err = w.Write(program)
	must(errors.Join(err, w.Close()))
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(files.Bytes())), nil })
	must(err)
	image, err := mutate.AppendLayers(empty.Image, layer)
	must(err)
	file, err := image.ConfigFile()
	must(err)
	file = file.DeepCopy()
	file.OS, file.Architecture = "linux", runtime.GOARCH
	file.Config.Entrypoint = []string{"/pulled"}
	image, err = mutate.ConfigFile(image, file)
	must(err)
	out := map[string][]byte{}
	out["1"], err = image.RawManifest()
	must(err)
	digest, err := image.Digest()
	must(err)
	out[digest.Hex] = out["1"]
	name, err := image.ConfigName()
	must(err)
	out[name.Hex], err = image.RawConfigFile()
	must(err)
	sum, err := layer.Digest()
	must(err)
	r, err := layer.Compressed()
	must(err)
	out[sum.Hex], err = io.ReadAll(r)
	must(err)
	return out
}

// realNodes skips a test on a machine that cannot run real nodes, unless BERTH_REAL_NODES=required.
func realNodes(t *testing.T) {
	t.Helper()
	checks, err := app.CheckNodes(t.Context(), app.Config{KubeBinary: apptest.KubeBinary(t)}, t.TempDir())
	for _, c := range checks {
		if !c.OK {
			err = fmt.Errorf("%s: %s", c.Name, c.Message)
		}
	}
	if err != nil && os.Getenv("BERTH_REAL_NODES") == "required" {
		t.Fatalf("this machine cannot run real nodes: %v", err)
	} else if err != nil {
		t.Skipf("this machine cannot run real nodes: %v", err)
	}
}

// runPod runs a container to its end, in a pod of the same name, and fails when it does not succeed.
func runPod(t *testing.T, s *apptest.Server, api *client.Kubernetes, container client.Object) {
	t.Helper()
	name := container["name"].(string)
	spec := client.Object{"restartPolicy": "Never", "containers": []any{container}}
	pod := client.Object{"metadata": client.Object{"name": name}, "spec": spec}
	var phase string
	s.Until("the pod "+name+" to be created", func() bool { // its namespace's service account comes a moment after the cluster
		_, status, err := api.Call(t.Context(), http.MethodPost, "/api/v1/namespaces/default/pods", pod)
		return err == nil || status == http.StatusConflict
	})
	s.Until("the pod "+name+" to end", func() bool {
		text, _, err := api.Call(t.Context(), http.MethodGet, "/api/v1/namespaces/default/pods/"+name, nil)
		var have struct {
			Status struct{ Phase string }
		}
		if err = errors.Join(err, json.Unmarshal(text, &have)); err != nil {
			return false
		}
		phase = have.Status.Phase
		return phase == "Succeeded" || phase == "Failed"
	})
	if phase != "Succeeded" {
		text, _, _ := api.Call(t.Context(), http.MethodGet, "/api/v1/namespaces/default/pods/"+name+"/log", nil)
		t.Fatalf("the pod %s has failed: %s", name, text)
	}
}
