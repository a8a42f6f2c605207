package app_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gofrs/flock"

	"berth.dev/berth"
	"berth.dev/berth/app"
	"berth.dev/berth/client"
	"berth.dev/berth/kube"
)

const (
	jobGroup, jobWorkspace = "rg", "wspace"
	patience               = 2 * time.Minute
)

// kubeBinary is berth-kube; a test without it fails, because Berth without it is not tested.
func kubeBinary(t *testing.T) string {
	t.Helper()
	path := os.Getenv("BERTH_KUBE_BIN")
	if path == "" {
		path = filepath.Join("..", "bin", "berth-kube")
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("there is no berth-kube: %v; run 'make kube' first", err)
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return abs
}

// world is a server and who talks to it.
type world struct {
	*testing.T
	ctx    context.Context
	client *client.Client
	dir    string
	log    *lines
	stop   func()
	info   app.Info
}

// lines is a log that can be read while it is written.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func start(t *testing.T, dir string) *world {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	c := app.DefaultConfig()
	c.DataDir, c.Listen, c.DebugListen, c.KubeBinary = dir, "127.0.0.1:0", "127.0.0.1:0", kubeBinary(t)
	w := &world{T: t, ctx: ctx, dir: dir, log: &lines{}}
	ready, ended := make(chan app.Info, 1), make(chan error, 1)
	go func() { ended <- app.Serve(ctx, c, w.log, func(i app.Info) { ready <- i }) }()
	select {
	case w.info = <-ready:
	case err := <-ended:
		t.Fatalf("the server did not start: %v", err)
	}
	w.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the server did not stop in order: %v", err)
		}
	})
	t.Cleanup(w.stop)
	credentials, err := client.CredentialsIn(dir)
	w.must(err)
	w.client, err = client.New(client.Options{Credentials: credentials, PollMax: 50 * time.Millisecond})
	w.must(err)
	return w
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatalf("%v\nthe server's log:\n%s", err, w.log)
	}
}

// done waits for an operation that must succeed.
func (w *world) done(op *client.Operation, err error) *client.Operation {
	w.Helper()
	w.must(err)
	w.must(w.client.Wait(w.ctx, op, nil))
	return op
}

// refused wants an error of a code with words in it.
func (w *world) refused(err error, code berth.Code, words ...string) {
	w.Helper()
	if berth.ErrorCode(err) != code {
		w.Fatalf("got %v (%s), want %s", err, berth.ErrorCode(err), code)
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			w.Errorf("the error does not say %q: %v", word, err)
		}
	}
}

func named(name string) client.ComputeName {
	return client.ComputeName{Group: jobGroup, Workspace: jobWorkspace, Name: name}
}

func inner(properties client.Object) client.Object {
	return client.Object{"properties": client.Object{"computeType": "AKS", "properties": properties}}
}

func (w *world) makeWorkspace() {
	w.Helper()
	_, err := w.client.CreateGroup(w.ctx, jobGroup, "westeurope", nil)
	w.must(err)
	_, err = w.client.CreateWorkspace(w.ctx, jobGroup, jobWorkspace, "westeurope")
	w.must(err)
}

func (w *world) put(name string, body client.Object) *client.Operation {
	w.Helper()
	_, op, err := w.client.PutCompute(w.ctx, named(name), body)
	return w.done(op, err)
}

// inside connects to the cluster of a compute with the credentials that a user gets.
func (w *world) inside(name string) *kube.Conn {
	w.Helper()
	keys, err := w.client.ComputeKeys(w.ctx, named(name))
	w.must(err)
	return w.connect([]byte(keys["userKubeConfig"].(string)))
}

func (w *world) connect(config []byte) *kube.Conn {
	w.Helper()
	conn, err := kube.Connect(config, kube.Options{})
	w.must(err)
	w.Cleanup(conn.Close)
	return conn
}

func (w *world) ready(conn *kube.Conn) []string {
	w.Helper()
	nodes, err := conn.Nodes(w.ctx)
	w.must(err)
	var names []string
	for _, n := range nodes {
		if !n.Ready || !n.Simulated {
			w.Errorf("node %s: ready %v, simulated %v", n.Name, n.Ready, n.Simulated)
		}
		names = append(names, n.Name)
	}
	slices.Sort(names)
	return names
}

func (w *world) cluster(name string, count int) string {
	w.Helper()
	_, op, err := w.client.PutCluster(w.ctx, jobGroup, name, client.Object{"location": "westeurope", "properties": client.Object{
		"agentPoolProfiles": []client.Object{{"name": "pool", "count": count, "vmSize": "Standard_D3_v2", "mode": "System"}}}})
	w.done(op, err)
	return w.client.ID(jobGroup, berth.TypeCluster, name).String()
}

func attachTo(id, purpose string) client.Object {
	body := inner(client.Object{"clusterPurpose": purpose})
	body["properties"].(client.Object)["resourceId"] = id
	return body
}

// TestMainJob is what Berth is for, from the first request to the last, on real Kubernetes.
func TestMainJob(t *testing.T) {
	dir := t.TempDir()
	w := start(t, dir)
	w.makeWorkspace()
	w.put("myaks", client.Object{"properties": client.Object{"computeType": "AKS"}})
	made := w.ready(w.inside("myaks"))
	if len(made) != 3 {
		t.Fatalf("a compute without settings has nodes %v, want three", made)
	}
	w.put("myaks", inner(client.Object{"agentCount": 4}))
	if grown := w.ready(w.inside("myaks")); len(grown) != 4 || !slices.Equal(grown[:3], made) {
		t.Errorf("scaling from %v to four nodes made %v", made, grown)
	}
	_, _, err := w.client.PutCompute(w.ctx, named("myaks"), inner(client.Object{"agentVmSize": "Standard_D4_v2"}))
	w.refused(err, "ResourceExistsWithDifferentShape", "Standard_D3_v2", "number")

	id := w.cluster("existing", 1)
	config, err := w.client.ClusterCredentials(w.ctx, jobGroup, "existing", true)
	w.must(err)
	conn := w.connect(config)
	_, _, err = w.client.PutCompute(w.ctx, named("attached"), attachTo(id, "FastProd"))
	w.refused(err, "BadRequest", "12", "4", "DevTest")
	w.put("attached", attachTo(id, "DevTest"))
	owner, err := conn.Owner(w.ctx)
	w.must(err)
	if owner == nil || !strings.HasSuffix(owner.ComputeID, "/computes/attached") {
		t.Errorf("the ownership record is %+v", owner)
	}
	_, _, err = w.client.PutCompute(w.ctx, named("second"), attachTo(id, "DevTest"))
	w.refused(err, "ClusterAlreadyAttached", "'attached'", jobWorkspace)
	_, err = w.client.DeleteCompute(w.ctx, named("attached"), client.ActionDelete)
	w.refused(err, "AttachedComputeCannotBeDeleted", "Detach")

	op, err := w.client.DeleteCompute(w.ctx, named("attached"), client.ActionDetach)
	w.done(op, err)
	if _, err := w.client.GetCompute(w.ctx, named("attached")); !client.IsNotFound(err) {
		t.Errorf("after detach the compute answers %v", err)
	}
	if owner, err := conn.Owner(w.ctx); err != nil || owner != nil {
		t.Errorf("after detach the record is %+v, %v", owner, err)
	}
	if left := w.ready(conn); len(left) != 1 {
		t.Errorf("after detach the cluster has nodes %v", left)
	}
	checkDebug(w)
	restart(t, w)
}

// restart stops the server and starts another on the same folder: everything is back, and goes when it is deleted.
func restart(t *testing.T, w *world) {
	w.stop()
	w2 := start(t, w.dir)
	conn := w2.inside("myaks")
	for deadline := time.Now().Add(time.Minute); conn.Healthy(w2.ctx) != nil; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("after a restart the cluster does not come back")
		}
	}
	if names := w2.ready(conn); len(names) != 4 {
		t.Errorf("after a restart the nodes are %v", names)
	}
	keys, err := w2.client.ComputeKeys(w2.ctx, named("myaks"))
	w2.must(err)
	secret := secretPart(keys["userKubeConfig"].(string))
	seen := w2.log.String() + w.log.String()
	for _, path := range []string{"/resources", "/resourcegroups", "/providers/" + berth.TypeCluster, "/providers/" + berth.TypeWorkspace} {
		res, err := w2.client.Do(w2.ctx, http.MethodGet, "/subscriptions/"+w2.client.Subscription()+path, nil)
		w2.must(err)
		var text json.RawMessage
		w2.must(res.Decode(&text))
		seen += string(text)
	}
	if strings.Contains(seen, secret) {
		t.Error("a private key is in a list or in the log")
	}
	op, err := w2.client.DeleteGroup(w2.ctx, jobGroup)
	w2.done(op, err)
	if left, err := os.ReadDir(filepath.Join(w2.dir, "clusters")); err != nil || len(left) != 0 {
		t.Errorf("after the group was deleted there is left %v, %v", left, err)
	}
}

// secretPart is the private key in a kubeconfig.
func secretPart(config string) string {
	_, rest, _ := strings.Cut(config, "client-key-data: ")
	key, _, _ := strings.Cut(rest, "\n")
	return key[:min(len(key), 60)]
}

// checkDebug looks at what Prometheus and an engineer would: on loopback only, and only under a loopback name.
func checkDebug(w *world) {
	for path, want := range map[string]string{"/metrics": "berth_http_request_seconds", "/debug/": "goroutine", "/healthz": "ok"} {
		resp, err := http.Get(w.info.DebugAddress + path)
		w.must(err)
		text, err := io.ReadAll(resp.Body)
		w.must(errors.Join(err, resp.Body.Close()))
		if !strings.Contains(string(text), want) {
			w.Errorf("%s answers %s without %q", path, resp.Status, want)
		}
	}
	req, err := http.NewRequestWithContext(w.ctx, http.MethodGet, w.info.DebugAddress+"/metrics", nil)
	w.must(err)
	req.Host = "attacker.example"
	resp, err := http.DefaultClient.Do(req)
	w.must(err)
	w.must(resp.Body.Close())
	if resp.StatusCode != http.StatusForbidden {
		w.Errorf("a request under a stranger's name got %s", resp.Status)
	}
}

// TestStartErrors: what can be wrong at start is told in words that help.
func TestStartErrors(t *testing.T) {
	serve := func(change func(*app.Config)) error {
		c := app.DefaultConfig()
		c.DataDir, c.Listen, c.DebugListen = t.TempDir(), "127.0.0.1:0", "off"
		change(&c)
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		return app.Serve(ctx, c, &lines{}, func(app.Info) { cancel() })
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	broken := t.TempDir()
	if err := os.WriteFile(filepath.Join(broken, "berth.db"), []byte(strings.Repeat("this is no database. ", 500)), 0o600); err != nil {
		t.Fatal(err)
	}
	held := start(t, t.TempDir())
	for name, c := range map[string]struct {
		change func(*app.Config)
		want   string
	}{
		"port in use":       {func(c *app.Config) { c.Listen = l.Addr().String() }, "--listen"},
		"no database":       {func(c *app.Config) { c.DataDir = broken }, "berth.db"},
		"folder served":     {func(c *app.Config) { c.DataDir = held.dir }, "another berth"},
		"bad level":         {func(c *app.Config) { c.LogLevel = "loud" }, "--log-level"},
		"debug port in use": {func(c *app.Config) { c.DebugListen = l.Addr().String() }, "--debug-listen"},
	} {
		if err := serve(c.change); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want words about %q", name, err, c.want)
		}
	}
}

// TestLockIsWaitedFor: a killed server's lock may linger in a child that is just being started; the next start waits.
func TestLockIsWaitedFor(t *testing.T) {
	dir := t.TempDir()
	lock := flock.New(filepath.Join(dir, "lock"))
	if err := lock.Lock(); err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(300*time.Millisecond, func() { _ = lock.Unlock() })
	start(t, dir).stop()
}
