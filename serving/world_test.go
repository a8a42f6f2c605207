package serving_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"

	"berth.dev/berth"
	"berth.dev/berth/baseimage"
	"berth.dev/berth/images"
	"berth.dev/berth/kube"
	"berth.dev/berth/provider/local"
	"berth.dev/berth/provider/providertest"
	"berth.dev/berth/router/route"
	"berth.dev/berth/serving"
)

const (
	patience  = 10 * time.Minute // for one thing, on a machine that is busy with other tests
	workspace = "azureml-wspace"
	secretKey = "the-key-of-the-service" // #nosec G101 -- of tests
)

// world is a cluster of real nodes, with what is deployed to it.
type world struct {
	*testing.T
	conn    *kube.Conn
	dir     string // of the images, and of the cluster
	config  []byte // the kubeconfig of an administrator
	s       *serving.Serving
	files   map[string][]byte
	routes  []route.Route
	routers int
}

// as is the same world for a part of a test.
func (w *world) as(t *testing.T) *world {
	other := *w
	other.T = t
	return &other
}

// newWorld starts a cluster of real nodes. It ends with the test.
func newWorld(t *testing.T, nodes int) *world {
	t.Helper()
	return newWorldOf(t, nodes, realNodes(t))
}

// newWorldOf starts a cluster of nodes of a kind; real ones where the machine can when it is empty.
func newWorldOf(t *testing.T, nodes int, kind string) *world {
	t.Helper()
	if testing.Short() {
		t.Skip("starts a cluster")
	}
	dir := t.TempDir()
	p, err := local.New(local.Options{Dir: filepath.Join(dir, "clusters"), Binary: providertest.Binary(t),
		Nodes: kind, Logger: slog.New(slog.DiscardHandler), Clock: clockwork.NewRealClock()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := p.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	w := &world{T: t, dir: dir, files: map[string][]byte{}}
	spec := providertest.Spec(nodes)
	w.until("the cluster", func() error {
		f, err := p.Ensure(t.Context(), providertest.ID, spec)
		if err == nil && (!f.Ready || f.Simulated && kind != berth.NodesSimulated || f.Nodes != nodes) {
			if f.Simulated && os.Getenv("BERTH_REAL_NODES") != "required" {
				t.Skip(f.SimulatedBecause)
			}
			err = errors.New(f.Message)
		}
		return err
	})
	givePython(t, dir)
	config, err := p.Kubeconfig(t.Context(), providertest.ID)
	if err != nil {
		t.Fatal(err)
	}
	w.config = config
	if w.conn, err = kube.Connect(config, kube.Options{Timeout: 20 * time.Second}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.conn.Close)
	w.s = w.fresh()
	return w
}

// fresh is a Serving that knows nothing yet.
func (w *world) fresh() *serving.Serving { return serving.New(w.options()) }

func (w *world) options() serving.Options {
	return serving.Options{Clock: clockwork.NewRealClock(), Authorities: authorities(w.T), Index: index()}
}

func realNodes(t *testing.T) string {
	if os.Getenv("BERTH_REAL_NODES") == "required" {
		return berth.NodesReal
	}
	return ""
}

// authorities are those that this machine trusts, as the server gives them to pods.
func authorities(t *testing.T) []byte {
	t.Helper()
	path := os.Getenv("SSL_CERT_FILE")
	if path == "" {
		return nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func index() map[string]string {
	out := map[string]string{}
	for _, name := range []string{"UV_INDEX_URL", "PIP_INDEX_URL"} {
		if v := os.Getenv(name); v != "" {
			out["UV_DEFAULT_INDEX"] = v
		}
	}
	return out
}

// until asks again until there is no error.
func (w *world) until(what string, f func() error) {
	w.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); ; <-tick.C {
		err := f()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			w.Fatalf("%s: not within %v: %v", what, patience, err)
		}
	}
}

// file keeps a file as Berth's store does.
func (w *world) file(path string, content []byte) serving.File {
	sum := sha256.Sum256(content)
	digest := hex.EncodeToString(sum[:])
	w.files[digest] = content
	return serving.File{Path: path, Digest: digest, Size: int64(len(content))}
}

func (w *world) open(_ context.Context, digest string, offset int64) (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader(w.files[digest][offset:])), nil
}

// pack replaces small files by archives, as the engine does.
func (w *world) pack(d *serving.Deployment) {
	w.Helper()
	files, open, err := serving.Pack(w.Context(), d.Files, w.open)
	if err != nil || len(files) > 2 {
		w.Fatalf("%d files: %v", len(files), err)
	}
	for _, f := range files {
		r, err := open(w.Context(), f.Digest, 0)
		if err == nil {
			w.files[f.Digest], err = io.ReadAll(r)
		}
		if err != nil {
			w.Fatal(err)
		}
	}
	d.Files = files
}

// deploy brings a deployment to its end, and logs the steps on the way.
func (w *world) deploy(d serving.Deployment) serving.Progress {
	w.Helper()
	start, last := time.Now(), ""
	for {
		p, err := w.s.Advance(w.Context(), w.conn, d, w.open)
		if err != nil && !kube.Unreachable(err) {
			w.Fatal(err)
		}
		var now strings.Builder
		for _, s := range p.Steps {
			if s.State != serving.Pending {
				_, _ = fmt.Fprintf(&now, "; %s: %s", s.Name, s.Text)
			}
		}
		if now.String() != last {
			last = now.String()
			w.Logf("%s %d after %.1f s%s", d.Name, d.Generation, time.Since(start).Seconds(), last)
		}
		if p.Done || p.Failure != nil {
			return p
		}
		if time.Since(start) > patience {
			w.Fatalf("the deployment did not come to its end: %+v", p)
		}
		pause := time.NewTimer(max(p.Await, 10*time.Millisecond))
		<-pause.C
	}
}

// serve deploys, and fails when that fails.
func (w *world) serve(d serving.Deployment) {
	w.Helper()
	if p := w.deploy(d); p.Failure != nil {
		w.Fatalf("%v\n%s", p.Failure, p.Log)
	}
}

// deployment is one with a script.
func (w *world) deployment(name, script string, requirements ...string) serving.Deployment {
	return serving.Deployment{
		Namespace: workspace, Name: name, Generation: 1, Replicas: 1, CPU: 0.1, MemoryGB: 0.5, MemoryLimitGB: 1,
		Environment: serving.Environment{Python: "3.11", Requirements: append([]string{"azureml-defaults"}, requirements...)},
		Files:       []serving.File{w.file("score.py", []byte(script))}, EntryScript: "score.py",
		Liveness: serving.Probe{InitialDelay: 310 * time.Second},
	}
}

// route adds a route to a service, and waits for the router.
func (w *world) route(name string) {
	w.Helper()
	w.routeTo(name, "")
}

// routeTo does it for a container that scores at another path than /score.
func (w *world) routeTo(name, path string) {
	w.Helper()
	w.routes = append(w.routes, route.Route{Name: route.Name{Kind: route.Service, Name: name}, Auth: route.ByKey,
		Keys: []route.KeyHash{route.HashKey(secretKey)}, Versions: []route.Version{{Name: "v1", Default: true, Traffic: 100, Concurrency: 4,
			ScorePath:      path,
			MaxQueueWaitMS: 20_000, Backend: route.Backend{Namespace: workspace, Service: serving.ObjectName(name), Port: "http"}}}})
	w.routed()
}

// routed waits until the router leads by the routes.
func (w *world) routed() {
	w.Helper()
	w.until("the router", func() error {
		ready, err := w.s.EnsureRouter(w.Context(), w.conn, serving.Router{Replicas: w.routers, Table: &route.Table{Routes: w.routes}})
		if err == nil && !ready {
			err = errors.New("the router is not ready")
		}
		return err
	})
}

// score sends a request as a client outside of the cluster does.
func (w *world) score(name, key, body string) (status int, answer string, err error) {
	return w.ask(http.MethodPost, name, key, body)
}

func (w *world) ask(method, name, key, body string) (status int, answer string, err error) {
	a, err := w.s.Address(w.Context(), w.conn)
	if err != nil {
		return 0, "", err
	}
	if a.Host == "" {
		return 0, "", errors.New("the load balancer has no address")
	}
	address := fmt.Sprintf("http://%s:%d/api/v1/service/%s/score", a.Host, a.HTTP, name)
	r, err := http.NewRequestWithContext(w.Context(), method, address, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	r.Header.Set("Authorization", "Bearer "+key)
	r.Header.Set("Content-Type", "application/json")
	got, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = got.Body.Close() }()
	text, err := io.ReadAll(got.Body)
	return got.StatusCode, string(text), err
}

// scored asks until the service answers with 200.
func (w *world) scored(name, body string) string {
	w.Helper()
	var text string
	w.until("an answer of "+name, func() error {
		status, answer, err := w.score(name, secretKey, body)
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("status %d: %s", status, answer)
		}
		text = answer
		return err
	})
	return text
}

// givePython gives the nodes the base image.
func givePython(t *testing.T, dir string) {
	t.Helper()
	file := os.Getenv("BERTH_PYTHON_IMAGE")
	if file == "" {
		var err error
		if file, err = pythonImage(); err != nil {
			t.Fatal(err)
		}
	}
	store, err := images.Open(filepath.Join(dir, local.ImagesFolder))
	if err == nil {
		_, err = store.Import(file)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// pythonImage builds the base image, once for all tests.
var pythonImage = sync.OnceValues(func() (string, error) {
	to, err := os.Create(filepath.Join(os.TempDir(), fmt.Sprintf("berth-python-%d.tar", os.Getpid())))
	if err != nil {
		return "", err
	}
	_, err = baseimage.Build(context.Background(), baseimage.Options{UV: true, Name: serving.PythonImage}, to)
	return to.Name(), errors.Join(err, to.Close())
})

func TestMain(m *testing.M) {
	code := m.Run()
	_ = os.Remove(filepath.Join(os.TempDir(), fmt.Sprintf("berth-python-%d.tar", os.Getpid()))) // there is none when no test needed it
	os.Exit(code)
}
