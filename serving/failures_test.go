package serving_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"berth.dev/berth"
	"berth.dev/berth/serving"
)

// archived is a source folder as SDK v1 sends one, with one file.
func (w *world) archived(name, content string) serving.File {
	w.Helper()
	var out bytes.Buffer
	packed := gzip.NewWriter(&out)
	files := tar.NewWriter(packed)
	if err := files.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content))}); err != nil {
		w.Fatal(err)
	}
	if _, err := files.Write([]byte(content)); err != nil {
		w.Fatal(err)
	}
	for _, c := range []interface{ Close() error }{files, packed} {
		if err := c.Close(); err != nil {
			w.Fatal(err)
		}
	}
	f := w.file("src", out.Bytes())
	f.Unpack = true
	return f
}

// answersOnce is a container that answers its first probe, so that it counts as started, and no later one.
const answersOnce = `
import http.server, itertools
asked = itertools.count()
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(500 if next(asked) else 200)
        self.end_headers()
http.server.HTTPServer(("", 5001), Handler).serve_forever()
`

// failsItsProbe makes a deployment one of that container.
func failsItsProbe(d *serving.Deployment) {
	d.EntryScript, d.Drain = "", time.Second
	d.Environment = serving.Environment{Image: serving.PythonImage, Command: []string{"python3", "-c", answersOnce}}
	d.Readiness = serving.Probe{Period: time.Second, FailureThreshold: 1}
	d.Liveness = serving.Probe{Period: time.Second, FailureThreshold: 1, InitialDelay: time.Second}
}

// curious is what a model does that is a pickle of a stranger: it looks for what it can reach.
const curious = `
import builtins, os, socket, ssl, urllib.request

def tried(f):
    try:
        return str(f())
    except Exception as e:
        return "refused: %s" % e

with open("/proc/self/status") as f:
    status = dict(line.rstrip().split(":\t", 1) for line in f if ":\t" in line)
api = "https://%s/api/v1/namespaces/azureml/secrets" % os.environ.get("KUBERNETES_SERVICE_HOST", "kubernetes.default.svc")
builtins.found = {
    "capabilities": int(status["CapEff"], 16), "can gain more": status["NoNewPrivs"] != "1",
    "system calls are filtered": status["Seccomp"] == "2",
    "token": os.path.exists("/var/run/secrets/kubernetes.io"),
    "root": tried(lambda: open("/written", "w")),
    "environment": tried(lambda: open("/opt/berth/env/written", "w")),
    "secrets": tried(lambda: urllib.request.urlopen(api, context=ssl._create_unverified_context(), timeout=5)),
    "metadata": tried(lambda: socket.create_connection(("169.254.169.254", 80), 2)),
    "variables": [name for name in os.environ if "SECRET" in name or "PASSWORD" in name or "INDEX" in name],
}
`

// pickleOf runs code when it is loaded, and is nothing.
func pickleOf(code string) []byte {
	quoted := strings.NewReplacer(`\`, `\\`, "'", `\'`, "\n", `\n`, "\t", `\t`).Replace(code)
	return []byte("cbuiltins\nexec\n(S'" + quoted + "'\n}tR.")
}

// reachesNothing serves a model that runs code, in an environment that is known.
func (w *world) reachesNothing(requirements []string) {
	w.Helper()
	d := w.deployment("curious", "import builtins, os, pickle\n\ndef init():\n    with open(os.environ['AZUREML_MODEL_DIR'] + '/model.pkl', "+
		"'rb') as f:\n        pickle.load(f)\n\ndef run(data):\n    return builtins.found\n", requirements...)
	d.ModelDir = "azureml-models/curious/1"
	d.Files = append(d.Files, w.file("azureml-models/curious/1/model.pkl", pickleOf(curious)))
	w.serve(d)
	w.route("curious")
	var found map[string]any
	text := w.scored("curious", "{}")
	if err := json.Unmarshal([]byte(text), &found); err != nil {
		w.Fatal(err)
	}
	for what, want := range map[string]any{"capabilities": 0.0, "can gain more": false, "system calls are filtered": true, "token": false} {
		if found[what] != want {
			w.Errorf("%s: %v", what, found[what])
		}
	}
	for _, what := range []string{"root", "environment", "secrets", "metadata"} {
		if said, _ := found[what].(string); !strings.HasPrefix(said, "refused: ") || strings.Contains(said, "not defined") {
			w.Errorf("%s: %v", what, found[what])
		}
	}
	if all, _ := found["variables"].([]any); len(all) > 0 {
		w.Errorf("it reads the variables %v", all)
	}
	w.Log(text)
}

// TestFailures: each is told by what is wrong, and by what to do.
func TestFailures(t *testing.T) {
	w := newWorld(t, 1)
	script := answers("one")
	for name, c := range map[string]struct {
		change func(*serving.Deployment)
		code   berth.Code
		want   string
	}{
		"no wheel": {func(d *serving.Deployment) { d.Environment.Requirements = []string{"fusepy==3.0.1"} }, serving.CodeEnvironment,
			"The package 'fusepy==3.0.1' has no wheel for Python 3.11"},
		"no package": {func(d *serving.Deployment) { d.Environment.Requirements = []string{"no-such-package-of-berth"} }, serving.CodeEnvironment,
			"The package 'no-such-package-of-berth' does not exist"},
		"no conda": {func(d *serving.Deployment) { d.Environment.Conda = []string{"python=3.8", "r-base=4"} }, serving.CodeEnvironment,
			"as packages of Python: r-base"},
		"no image": {func(d *serving.Deployment) { d.Environment.Image = "berth.dev/absent:1" }, serving.CodeImage,
			"The image of the container model cannot be pulled"},
		"no room": {func(d *serving.Deployment) { d.Replicas, d.CPU = 3, 3 }, serving.CodeUnschedulable,
			"The nodes have room for 1 of 3 more replicas"},
		"no memory": {func(d *serving.Deployment) {
			d.Files = []serving.File{w.file("score.py",
				[]byte("def init():\n    global x\n    x = b\"x\" * (400 << 20)\n\ndef run(data):\n    pass\n"))}
			d.MemoryGB, d.MemoryLimitGB = 0.25, 0.25
		}, serving.CodeMemory, "The container model needed more than its memory of 0.25 GB"},
		"a bomb": {func(d *serving.Deployment) {
			d.Files = append(d.Files, w.archived("zeros", strings.Repeat("\x00", 80<<20)))
		},
			serving.CodeFiles, "could not be fetched"},
		"a path upwards": {func(d *serving.Deployment) { d.Files = append(d.Files, w.archived("../../score.py", script)) },
			serving.CodeFiles, "could not be fetched"},
		"a probe":            {failsItsProbe, serving.CodeProbe, "did not answer its probe in time"},
		"less than is asked": {func(d *serving.Deployment) { d.MemoryLimitGB = 0.25 }, berth.CodeBadRequest, "must be less than or equal"},
	} {
		t.Run(name, func(t *testing.T) {
			w := w.as(t)
			d := w.deployment(strings.ReplaceAll(name, " ", "-"), script)
			d.Environment.Requirements = nil
			c.change(&d)
			start := time.Now()
			p := w.deploy(d)
			t.Logf("told in %.1f s: %v", time.Since(start).Seconds(), p.Failure)
			if p.Failure == nil || p.Failure.Code != c.code || !strings.Contains(p.Failure.Message, c.want) {
				t.Errorf("%+v\n%s", p.Failure, p.Log)
			}
		})
	}
	t.Run("a node that comes", func(t *testing.T) { w.as(t).nodeComes() }) // the last one: there is another node then
}

// TestSimulatedNodes: where nothing runs, that is told at once.
func TestSimulatedNodes(t *testing.T) {
	w := newWorldOf(t, 1, berth.NodesSimulated)
	p := w.deploy(w.deployment("ridge", answers("one")))
	if p.Failure == nil || p.Failure.Code != berth.CodeProviderUnavailable || !strings.Contains(p.Failure.Message, "simulated nodes only") {
		t.Errorf("%+v", p)
	}
}
