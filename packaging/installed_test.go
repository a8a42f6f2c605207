package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// serve starts a server of the built programs and returns its data folder and a function that runs a command with it.
func serve(t *testing.T) (dir string, berth func(args ...string) string) {
	t.Helper()
	program, err := filepath.Abs(filepath.Join("..", "bin", "berth"))
	if err != nil {
		t.Fatal(err)
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listen := free.Addr().String()
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	dir = filepath.Join(t.TempDir(), "data")
	server := exec.Command(program, "serve", "--data-dir", dir, "--listen", listen, "--debug-listen", "off", "--nodes", "real")
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	server.Stderr = log
	out, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Process.Signal(syscall.SIGTERM) // it may have ended
		_ = server.Wait()
		if t.Failed() {
			t.Log(read(t, log.Name()))
		}
	})
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || !strings.Contains(line, "Berth is ready") {
		t.Fatal(line, err)
	}
	return dir, func(args ...string) string {
		t.Helper()
		return command(t, false, program, append(args, "--data-dir", dir)...)
	}
}

// TestChartOnRealNodes installs the image and the chart in a cluster of Berth with a real node, does the main job by the server in the pod,
// and deletes the pod: the next one has the data.
func TestChartOnRealNodes(t *testing.T) {
	t.Parallel()
	packed := packages(t, "kubectl")
	archive := only(t, filepath.Join(packed, "berth_*_linux_"+runtime.GOARCH+".oci.tar"))
	manifest, err := tarball.LoadManifest(func() (io.ReadCloser, error) { return os.Open(archive) })
	if err != nil {
		t.Fatal(err)
	}
	repository, tag, _ := strings.Cut(manifest[0].RepoTags[0], ":")
	dir, berth := serve(t)
	berth("image", "import", archive)
	berth("group", "create", "-n", "rg", "-l", "westeurope")
	berth("aks", "create", "-n", "c", "-g", "rg", "-c", "1")
	config := filepath.Join(dir, "..", "kubeconfig")
	berth("aks", "get-credentials", "-n", "c", "-g", "rg", "--file", config)
	kubectl := func(args ...string) string {
		t.Helper()
		return command(t, false, "kubectl", append([]string{"--kubeconfig", config, "-n", "berth"}, args...)...)
	}
	kubectl("create", "namespace", "berth")
	values := least()
	values["publicUrl"] = "https://team-berth.berth.svc"
	values["image"] = map[string]any{"repository": repository, "tag": tag}
	texts, err := manifests(t, values)
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	for name, text := range texts {
		write(t, filepath.Join(folder, filepath.Base(name)), text)
	}
	kubectl("apply", "-f", folder)
	ready := func() {
		t.Helper()
		defer func() {
			if t.Failed() {
				t.Log(kubectl("get", "events", "--sort-by=.lastTimestamp"), kubectl("logs", "team-berth-0", "--tail=50"))
			}
		}()
		kubectl("rollout", "status", "statefulset/team-berth", "--timeout=3m")
	}
	ready()
	inside := func(args ...string) string {
		t.Helper()
		return kubectl(append([]string{"exec", "team-berth-0", "--", "berth"}, args...)...)
	}
	inside("group", "create", "-n", "in", "-l", "westeurope")
	inside("ml", "workspace", "create", "-w", "wspace", "-g", "in")
	inside("ml", "computetarget", "create", "aks", "-n", "myaks", "-g", "in", "-w", "wspace")
	kubectl("delete", "pod", "team-berth-0")
	ready()
	got := inside("ml", "computetarget", "show", "-n", "myaks", "-g", "in", "-w", "wspace", "--query",
		"properties.provisioningState || provisioningState", "-o", "tsv")
	if got != "Succeeded\n" {
		t.Error(got)
	}
	if got := kubectl("auth", "can-i", "--list", "--as=system:serviceaccount:berth:team-berth"); strings.Contains(got, "secrets") {
		t.Error(fmt.Sprint("the account of the server has rights in its cluster: ", got))
	}
}
