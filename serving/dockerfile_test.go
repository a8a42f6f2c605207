package serving_test

import (
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"berth.dev/berth/images"
	"berth.dev/berth/kube"
	"berth.dev/berth/provider/local"
	"berth.dev/berth/provider/providertest"
	"berth.dev/berth/serving"
)

// builds keeps images as a server does, and serves them to the nodes.
type builds struct {
	*images.Store
	program string
	taken   int
}

func (b *builds) Builder() (string, error) {
	const name = "berth.dev/build:1"
	return name, b.KeepProgram(name, b.program)
}

func (b *builds) Take(name string, archive io.Reader) error {
	b.taken++
	return b.Store.Take(name, archive)
}

// keepBuilds gives a world what a server has to build images.
func (w *world) keepBuilds() *builds {
	w.Helper()
	dir := filepath.Join(w.dir, local.ImagesFolder)
	store, err := images.Open(dir)
	if err != nil {
		w.Fatal(err)
	}
	socket := filepath.Join(dir, "registry.sock")
	l, err := net.Listen("unix", socket)
	if err == nil {
		err = os.Chmod(socket, 0o666) // the ids of nodes are others
	}
	if err != nil {
		w.Fatal(err)
	}
	server := &http.Server{ReadHeaderTimeout: patience, Handler: store.Registry(images.RegistryOptions{ReadOnly: true,
		Log: slog.New(slog.DiscardHandler), Own: func(string) bool { return false }})}
	go func() { _ = server.Serve(l) }()
	w.Cleanup(func() { _ = server.Close() })
	b := &builds{Store: store, program: filepath.Join(filepath.Dir(providertest.Binary(w.T)), "nodes", "berth-build")}
	o := w.options()
	o.Builds = b
	w.s = serving.New(o)
	return b
}

// served is the server in the image: it answers what the steps have left.
const served = `
import http.server, json, os

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        text = json.dumps({name: open("/made/" + name).read() for name in os.listdir("/made")}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_POST = do_GET

http.server.ThreadingHTTPServer(("", 5001), Handler).serve_forever()
`

// steps try what a step can, and what it must not.
const steps = `# syntax=docker/dockerfile:1
FROM berth.dev/python:3.11 AS first
RUN mkdir /made && grep CapEff /proc/self/status > /made/rights
RUN (sleep 3600 &)
FROM first
ARG WORD=arg
ENV WORD=$WORD
COPY app /app
COPY --from=first /etc/os-release /made/os
RUN --mount=type=cache,target=/cache --mount=type=tmpfs,target=/fast echo $WORD > /cache/a && cp /cache/a /made/word
RUN --network=none ls /sys/class/net /proc/net/dev >/made/net 2>&1 || true
RUN if test -e /opt/images || test -e /build || cat /proc/1/environ >/dev/null 2>&1; then echo seen > /made/seen; fi
RUN ps -o args | grep -c '[s]leep 3600' > /made/left || true
CMD ["python3", "/app/serve.py"]
`

// dockerfile is a deployment of an image that is built.
func (w *world) dockerfile(name, text string) serving.Deployment {
	return serving.Deployment{
		Namespace: workspace, Name: name, Generation: 1, Replicas: 1, CPU: 0.1, MemoryGB: 0.25,
		Environment: serving.Environment{Dockerfile: &serving.Dockerfile{Path: "docker/Dockerfile", Files: []serving.File{
			w.file("docker/Dockerfile", []byte(text)), w.file("app/serve.py", []byte(served))}}},
		Liveness: serving.Probe{InitialDelay: 310 * time.Second},
	}
}

// TestDockerfile: an image is built of a folder on real nodes, once, and served; what fails is told with the log of the build.
func TestDockerfile(t *testing.T) {
	w := newWorld(t, 1)
	b := w.keepBuilds()
	t.Run("built and served", func(t *testing.T) {
		w := w.as(t)
		w.serve(w.dockerfile("built", steps))
		w.route("built")
		var made map[string]string
		if err := json.Unmarshal([]byte(w.scored("built", "{}")), &made); err != nil {
			t.Fatal(err)
		}
		if made["word"] != "arg\n" || !strings.Contains(made["os"], "NAME=") || made["left"] != "0\n" || made["seen"] != "" {
			t.Errorf("the steps have left %q", made)
		}
		if rights := strings.Fields(made["rights"]); len(rights) != 2 || rights[1] != "00000000a80425fb" { // those that docker gives
			t.Errorf("a step has the rights %q", made["rights"])
		}
		jobs, err := kube.Objects[kube.Object](w.Context(), w.conn, kube.Ref{Kind: "Job", Namespace: workspace}, "")
		if err != nil || len(jobs) > 0 {
			t.Errorf("the build has left %v, %v", jobs, err)
		}
	})
	t.Run("known", func(t *testing.T) {
		w := w.as(t)
		w.serve(w.dockerfile("again", steps))
		if b.taken != 1 {
			t.Errorf("an equal folder was built anew: %d", b.taken)
		}
	})
	for name, c := range map[string]struct{ text, words, log string }{
		"a step":       {"FROM berth.dev/python:3.11\nRUN echo a word of the step && exit 7\n", "exit code: 7", "a word of the step"},
		"no image":     {"FROM berth.dev/none:1\n", "berth.dev/none:1: not found", ""},
		"no Docker":    {"FROM berth.dev/python:3.11\nRAN x\n", "unknown instruction: RAN", ""},
		"other syntax": {"# syntax=example.com/other\nFROM scratch\n", "docker/dockerfile:1 alone", ""},
	} {
		t.Run("fails: "+name, func(t *testing.T) {
			w := w.as(t)
			p := w.deploy(w.dockerfile("broken", c.text))
			if p.Failure == nil || p.Failure.Code != serving.CodeEnvironment || !strings.Contains(p.Failure.Message, c.words) ||
				!strings.Contains(p.Log, c.log) {
				t.Errorf("told as %v\n%s", p.Failure, p.Log)
			}
		})
	}
}
