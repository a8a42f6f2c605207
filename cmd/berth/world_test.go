package main

import (
	"bytes"
	"context"
	"encoding/pem"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"berth.dev/berth/client"
)

var update = flag.Bool("update", false, "write the golden files anew")

const (
	testSubscription = "11111111-1111-1111-1111-111111111111"
	testSecret       = "it's a s3cret"
	inGroup          = "/subscriptions/" + testSubscription + "/resourceGroups/g/providers/"
	computePath      = inGroup + "Microsoft.MachineLearningServices/workspaces/w/computes/c"
	clusterPath      = inGroup + "Microsoft.ContainerService/managedClusters/k"
	operationPath    = "/subscriptions/" + testSubscription +
		"/providers/Microsoft.MachineLearningServices/locations/global/operationsStatuses/op-1"
)

// world is a scripted server, and a user's settings that point at it.
type world struct {
	t       *testing.T
	dataDir string

	mu       sync.Mutex
	replies  map[string][]string // by "METHOD path", in turn; the last one stays
	seen     []string            // "METHOD path?query body", without the api-version
	language string              // the last Accept-Language
	header   map[string]string   // of every answer
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, dataDir: t.TempDir(), replies: map[string][]string{}}
	server := httptest.NewTLSServer(w)
	t.Cleanup(server.Close)
	ca := filepath.Join(w.dataDir, "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(ca, text, 0o600); err != nil {
		t.Fatal(err)
	}
	cr := client.Credentials{
		Endpoint: server.URL, TenantID: "tenant", SubscriptionID: testSubscription, ClientID: "me",
		ClientSecret: testSecret, CAFile: ca, CloudName: "Berth",
	}
	if err := cr.Write(filepath.Join(w.dataDir, "credentials.json")); err != nil {
		t.Fatal(err)
	}
	emptyEnvironment(t)
	t.Setenv("BERTH_DATA_DIR", w.dataDir)
	return w
}

// host is where the server listens.
func (w *world) host() string {
	cr, err := client.CredentialsIn(w.dataDir)
	if err != nil {
		w.t.Fatal(err)
	}
	return strings.TrimPrefix(cr.Endpoint, "https://")
}

// emptyEnvironment takes away what the developer's own environment would say.
func emptyEnvironment(t *testing.T) {
	t.Helper()
	home := t.TempDir()
	for _, name := range []string{
		"BERTH_ENDPOINT", "BERTH_TENANT_ID", "BERTH_SUBSCRIPTION_ID", "BERTH_CLIENT_ID",
		"BERTH_CLIENT_SECRET", "BERTH_CA_FILE", "BERTH_DATA_DIR", "KUBECONFIG", "XDG_DATA_HOME", "NO_COLOR",
		"LC_ALL", "LC_MESSAGES", "LANG",
	} {
		t.Setenv(name, "")
	}
	t.Setenv("HOME", home)
	t.Setenv("BERTH_CONFIG_DIR", filepath.Join(home, "settings"))
}

// ServeHTTP answers a reply of the script: "STATUS body", or just a body. A status 201 or 202 begins the operation op-1.
func (w *world) ServeHTTP(out http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if strings.HasSuffix(r.URL.Path, "/oauth2/v2.0/token") {
		_, _ = io.WriteString(out, `{"access_token":"token","expires_in":3600}`)
		return
	}
	body, _ := io.ReadAll(r.Body)
	query := r.URL.Query()
	query.Del("api-version")
	line := r.Method + " " + r.URL.Path
	if len(query) > 0 {
		line += "?" + query.Encode()
	}
	w.language = r.Header.Get("Accept-Language")
	w.seen = append(w.seen, strings.TrimSpace(line+" "+string(body)))
	key := r.Method + " " + r.URL.Path
	list := w.replies[key]
	if len(list) == 0 {
		list = []string{`404 {"error":{"code":"ResourceNotFound","message":"There is no ` + r.URL.Path + `."}}`}
	}
	if len(list) > 1 {
		w.replies[key] = list[1:]
	}
	status, text := 200, list[0]
	if _, err := fmt.Sscanf(text, "%d ", &status); err == nil {
		text = text[min(4, len(text)):]
	}
	if status == http.StatusCreated || status == http.StatusAccepted {
		out.Header().Set("Azure-AsyncOperation", "https://"+r.Host+operationPath)
	}
	for name, value := range w.header {
		out.Header().Set(name, value)
	}
	out.WriteHeader(status)
	_, _ = io.WriteString(out, text)
}

// on scripts the answers to a request.
func (w *world) on(request string, replies ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.replies[request] = replies
}

// requests are those of one method that were seen.
func (w *world) requests(method string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := ""
	for _, line := range w.seen {
		if strings.HasPrefix(line, method+" ") {
			out += line + "\n"
		}
	}
	return out
}

// result is how a command ended.
type result struct {
	code     int
	out, err string
}

// offTerminal runs a command line that does not come from a terminal.
func offTerminal(args ...string) result {
	var out, err bytes.Buffer
	code := run(args, strings.NewReader(""), &out, &err)
	return result{code, out.String(), err.String()}
}

// atTerminal runs a command line as if a person sat there and typed the answers.
func atTerminal(ctx context.Context, answers string, args ...string) result {
	var out, err bytes.Buffer
	c := newCLI(strings.NewReader(answers), &out, &err)
	c.inTerminal = true
	c.outTerminal, c.errTerminal = true, true
	code := c.execute(ctx, args)
	return result{code, out.String(), err.String()}
}

// ok fails the test unless a command succeeded, and answers its output.
func (w *world) ok(args ...string) string {
	w.t.Helper()
	r := offTerminal(args...)
	if r.code != 0 {
		w.t.Fatalf("berth %s: exit %d\n%s", strings.Join(args, " "), r.code, r.err)
	}
	return r.out
}

// golden compares with testdata/name, or writes it with -update.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v; run the test with -update to make it", err)
	}
	if got != string(want) {
		t.Errorf("%s differs (run the test with -update if it should):\n--- got\n%s\n--- want\n%s", file, got, want)
	}
}
