package app_test

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"berth.dev/berth"
	"berth.dev/berth/app"
	"berth.dev/berth/app/apptest"
	"berth.dev/berth/blob"
)

// knock opens a connection to the port of a server, and sends a text.
func knock(t *testing.T, s *apptest.Server, text string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.Endpoint, "https://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(apptest.Patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	return conn
}

// roots are the authorities of a server.
func roots(t *testing.T, s *apptest.Server) *x509.CertPool {
	t.Helper()
	text, err := os.ReadFile(s.Info.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(text)
	return pool
}

// TestFrontDoor: the port is a proxy to the server's own names and to no other; plain HTTP is refused as before, and who says nothing keeps
// nobody waiting.
func TestFrontDoor(t *testing.T) {
	s := apptest.New(t)
	for range 50 {
		knock(t, s, "") // says nothing
	}
	for request, want := range map[string]string{
		"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n":                                      "403 Forbidden",
		"CONNECT 127.0.0.1.example.com:443 HTTP/1.1\r\nHost: 127.0.0.1.example.com:443\r\n\r\n":                  "403 Forbidden",
		"COPY / HTTP/1.1\r\nHost: localhost:1\r\n\r\n":                                                           "403 Forbidden",
		"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n":                                                              "400 Bad Request",
		fmt.Sprintf("CONNECT %[1]s:8443 HTTP/1.1\r\nHost: %[1]s:8443\r\n\r\n", strings.ToUpper(berth.FilesHost)): "200 Connection established",
	} {
		status, err := bufio.NewReader(knock(t, s, request)).ReadString('\n')
		if err != nil || !strings.Contains(status, want) {
			t.Errorf("%q: %q, %v; want %s", request, status, err, want)
		}
	}
	endless := knock(t, s, "CONNECT "+strings.Repeat("a", 20<<10))
	if n, err := io.Copy(io.Discard, endless); err == nil && n > 0 {
		t.Errorf("a request without an end got %d bytes", n)
	}
	conn := knock(t, s, "CONNECT localhost:8443 HTTP/1.1\r\nHost: localhost:8443\r\n\r\n")
	answer := make([]byte, len("HTTP/1.1 200 Connection established\r\n\r\n"))
	if _, err := io.ReadFull(conn, answer); err != nil {
		t.Fatal(err)
	}
	secure := tls.Client(conn, &tls.Config{RootCAs: roots(t, s), ServerName: berth.FilesHost, MinVersion: tls.VersionTLS12})
	if _, err := fmt.Fprintf(secure, "GET /azureml-x/y HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", berth.FilesHost); err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(secure); err != nil || !strings.Contains(string(text), "X-Ms-Error-Code") {
		t.Errorf("the files behind the proxy answer %.300q, %v", text, err)
	}
}

// modelWorld is a server with two workspaces, and a client that finds the host name of files.
type modelWorld struct {
	*apptest.Server
	files *http.Client
}

func newModelWorld(t *testing.T) modelWorld {
	t.Helper()
	s := apptest.New(t)
	s.MakeWorkspace("g", "one")
	s.MakeWorkspace("g", "two")
	return modelWorld{s, filesClient(t, s)}
}

// filesClient finds the host name of files.
func filesClient(t *testing.T, s *apptest.Server) *http.Client {
	t.Helper()
	proxy, err := url.Parse("http://" + strings.TrimPrefix(s.Endpoint, "https://"))
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{Proxy: http.ProxyURL(proxy), TLSClientConfig: &tls.Config{RootCAs: roots(t, s), MinVersion: tls.VersionTLS12}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: apptest.Patience}
}

// v1 is an address of the model management service, without a version.
func (m modelWorld) v1(workspace, rest string) string {
	return "/modelmanagement/v1.0" + strings.Split(m.Workspace("g", workspace), "?")[0] + rest
}

func (m modelWorld) call(method, path string, body any) *apptest.Response {
	return m.Send(apptest.Request{Method: method, Path: path, Body: body, Raw: true})
}

// upload uploads a file as the SDK does, and returns the name of its artifact and where it was put.
func (m modelWorld) upload(t *testing.T, workspace, path, text string) (name, address string) {
	t.Helper()
	batch := strings.Replace(m.v1(workspace, "/artifacts/batch/metadata/LocalUpload/stamp"), "/modelmanagement/v1.0", "/artifact/v2.0", 1)
	r := m.Want(http.StatusOK, m.call(http.MethodPost, batch, map[string]any{"paths": []any{map[string]any{"path": path}}}))
	contents := apptest.At(r.Body, "artifactContentInformation").(map[string]any)
	address, _ = contents[path].(map[string]any)["contentUri"].(string)
	if status := m.file(t, http.MethodPut, address, text); status != http.StatusCreated {
		t.Fatalf("upload of %s: %d", path, status)
	}
	return "LocalUpload/stamp/" + path, address
}

func (m modelWorld) file(t *testing.T, method, address, text string) int {
	t.Helper()
	q, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	q.Header.Set("x-ms-blob-type", "BlockBlob")
	q.Header.Set("x-ms-version", "2021-12-02")
	r, err := m.files.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, r.Body)
	_ = r.Body.Close()
	return r.StatusCode
}

// TestModels: what was uploaded is registered, listed and removed; the files of one workspace are not another's, and no address leads
// anywhere else.
func TestModels(t *testing.T) {
	m := newModelWorld(t)
	name, address := m.upload(t, "one", "model.pkl", "weights")
	asset := m.Want(http.StatusOK, m.call(http.MethodPost, m.v1("one", "/assets"), map[string]any{"name": "a",
		"artifacts": []any{map[string]any{"prefix": name}}}))
	url := "aml://asset/" + apptest.At(asset.Body, "id").(string)
	register := func(workspace, name string) *apptest.Response {
		return m.call(http.MethodPost, m.v1(workspace, "/models"), map[string]any{"name": name, "url": url, "kvTags": map[string]any{"a": "b"},
			"mimeType": "application/json", "framework": "Custom"})
	}
	for version := range 2 {
		r := m.Want(http.StatusOK, register("one", "m"))
		if apptest.At(r.Body, "id") != fmt.Sprintf("m:%d", version+1) || apptest.At(r.Body, "framework") != "Custom" {
			t.Errorf("%v", r.Body)
		}
	}
	m.Want(http.StatusOK, m.call(http.MethodDelete, m.v1("one", "/models/m:2"), nil))
	if r := m.Want(http.StatusOK, register("one", "m")); apptest.At(r.Body, "version") != 3.0 {
		t.Errorf("a number is given twice: %v", r.Body)
	}
	list := m.Want(http.StatusOK, m.call(http.MethodGet, m.v1("one", "/models?latestVersionOnly=true&tags=a=b"), nil))
	if all := apptest.At(list.Body, "value").([]any); len(all) != 1 || apptest.At(all[0], "id") != "m:3" {
		t.Errorf("%v", list.Body)
	}
	used := m.call(http.MethodDelete, m.v1("one", "/assets/"+strings.TrimPrefix(url, "aml://asset/")), nil)
	m.Refused(used, http.StatusConflict, "Conflict", "m:")
	for _, patch := range []map[string]any{
		{"op": "replace", "path": "", "value": nil}, {"op": "copy", "from": "/properties", "path": "/properties/x"},
		{"op": "add", "path": "/properties/x/25000/y", "value": 1}, {"op": "add", "path": strings.Repeat("/a", 11), "value": 1},
		{"op": "replace", "path": "/Version", "value": 9},
	} {
		m.Refused(m.call(http.MethodPatch, m.v1("one", "/models/m:3"), []any{patch}), http.StatusBadRequest, "BadRequest")
	}
	tags := []any{map[string]any{"op": "add", "path": "/kvTags/c", "value": "d"},
		map[string]any{"op": "replace", "path": "/description", "value": "e"}}
	if r := m.Want(http.StatusOK, m.call(http.MethodPatch, m.v1("one", "/models/m:3"), tags)); apptest.At(r.Body, "kvTags.c") != "d" ||
		apptest.At(r.Body, "description") != "e" || apptest.At(r.Body, "version") != 3.0 {
		t.Errorf("%v", r.Body)
	}
	m.Refused(register("two", "m"), http.StatusNotFound, "ResourceNotFound", "asset")
	m.Refused(register("one", "../x"), http.StatusBadRequest, "InvalidResourceName")
	m.Refused(m.call(http.MethodPost, m.v1("two", "/assets"), map[string]any{"name": "a", "artifacts": []any{map[string]any{"id": name}}}),
		http.StatusNotFound, "ResourceNotFound", name)
	batch := strings.Replace(m.v1("one", "/artifacts/batch/metadata/LocalUpload/stamp"), "/modelmanagement/v1.0", "/artifact/v2.0", 1)
	bad := m.Want(http.StatusOK, m.call(http.MethodPost, batch, map[string]any{"paths": []any{map[string]any{"path": "../../two/model.pkl"}}}))
	if failed := apptest.At(bad.Body, "errors").(map[string]any); len(failed) != 1 {
		t.Errorf("a path that leads upwards: %v", bad.Body)
	}
	for what, other := range map[string]string{
		"another file": strings.Replace(address, "model.pkl", "other.pkl", 1), "no signature": strings.Split(address, "?")[0],
		"a signature of another": strings.Replace(address, "sig=", "sig=A", 1),
	} {
		if status := m.file(t, http.MethodPut, other, "x"); status != http.StatusForbidden && status != http.StatusUnauthorized {
			t.Errorf("%s: %d", what, status)
		}
	}
}

// TestServiceRefused: all that is wrong with a service is told at once, and nothing remains of it.
func TestServiceRefused(t *testing.T) {
	m := newModelWorld(t)
	r := m.call(http.MethodPost, m.v1("one", "/services"), map[string]any{
		"name": "Bad_Name", "computeType": "AKS", "computeName": "nosuch", "scoringTimeoutMs": 400_000, "numReplicas": 0,
		"autoScaler":                    map[string]any{"autoscaleEnabled": true, "minReplicas": 5, "maxReplicas": 2},
		"containerResourceRequirements": map[string]any{"cpu": 2, "cpuLimit": 1}, "aadAuthEnabled": true,
		"environmentImageRequest": map[string]any{"modelIds": []any{"none:1"}, "environment": map[string]any{
			"docker": map[string]any{"baseDockerfile": "FROM x"}, "environmentVariables": map[string]any{"AZUREML_ENTRY_SCRIPT": "../score.py"}}},
	})
	m.Refused(r, http.StatusBadRequest, "BadRequest", "service name is invalid", "nosuch", "300000", "autoscale_min_replicas",
		"cpu_cores_limit", "none:1", "Dockerfile", "../score.py")
	m.Refused(m.call(http.MethodPost, m.v1("one", "/services"), map[string]any{"name": "svc", "computeType": "ACI"}), http.StatusBadRequest,
		"BadRequest", "container instances")
	m.Refused(m.call(http.MethodPost, m.v1("one", "/services"), map[string]any{
		"name": "Bad_Name", "computeType": "AKSENDPOINT", "computeName": "nosuch", "versions": map[string]any{
			"blue": map[string]any{"trafficPercentile": 101, "numReplicas": 0, "isDefault": true},
			"green": map[string]any{"trafficPercentile": 0.5, "isDefault": true,
				"environmentImageRequest": map[string]any{"modelIds": []any{"none:1"}}}},
	}), http.StatusBadRequest, "BadRequest", "service name is invalid", "nosuch", "greater than 100", "whole percentages", "num_replicas",
		"none:1", "blue, green", "101.5 in sum")
	list := m.Want(http.StatusOK, m.call(http.MethodGet, m.v1("one", "/services"), nil))
	if all := apptest.At(list.Body, "value").([]any); len(all) != 0 {
		t.Errorf("%v", list.Body)
	}
	m.Want(http.StatusNoContent, m.call(http.MethodDelete, m.v1("one", "/services/svc"), nil))
}

// TestFilesOfTheServer: uploads take no more than they may, and are told the numbers; and a server removes what workspaces that are gone
// have left.
func TestFilesOfTheServer(t *testing.T) {
	dir := t.TempDir()
	files, err := blob.Open(t.Context(), blob.Settings{Folder: filepath.Join(dir, "files")})
	if err != nil {
		t.Fatal(err)
	}
	const gone = "azureml-00000000-0000-4000-8000-000000000000"
	if _, _, err := files.CreateContainer(t.Context(), gone, nil); err != nil {
		t.Fatal(err)
	}
	if err := files.Close(); err != nil {
		t.Fatal(err)
	}
	s := apptest.In(t, dir, func(c *app.Config) { c.FilesMax = "1KB" })
	s.MakeWorkspace("g", "one")
	m := modelWorld{Server: s, files: filesClient(t, s)}
	_, address := m.upload(t, "one", "a", strings.Repeat("a", 600))
	if status := m.file(t, http.MethodPut, address, strings.Repeat("b", 401)); status != http.StatusRequestEntityTooLarge {
		t.Errorf("more than there is room for: %d", status)
	}
	if status := m.file(t, http.MethodPut, address, strings.Repeat("b", 400)); status != http.StatusCreated {
		t.Errorf("as much as there is room for: %d", status)
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(apptest.Patience); !strings.Contains(s.Log.String(), gone); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatal("the files of a workspace that is gone stay")
		}
	}
}
