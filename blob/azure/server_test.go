package azure_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"

	"berth.dev/berth/blob"
	"berth.dev/berth/blob/azure"
)

const (
	accountName = "berth"
	// serverFolder, in the environment, makes the test binary a server of that folder, until its standard input ends.
	serverFolder = "BERTH_TEST_FILES"
)

var accountKey = []byte("0123456789abcdef0123456789abcdef")

func TestMain(m *testing.M) {
	folder := os.Getenv(serverFolder)
	if folder == "" {
		os.Exit(m.Run())
	}
	if err := serveFolder(folder); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func serveFolder(folder string) error {
	files, err := blob.Open(context.Background(), blob.Settings{Folder: folder})
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(listener.Addr(), base64.StdEncoding.EncodeToString(accountKey))
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	return http.Serve(listener, &azure.Account{Name: accountName, Key: accountKey, Store: files})
}

// world is an account with one container, served over HTTP, with a clock that stands.
type world struct {
	*azure.Account
	t      *testing.T
	clock  *clockwork.FakeClock
	url    string
	client *http.Client
}

func newWorld(t *testing.T) *world {
	t.Helper()
	clock := clockwork.NewFakeClockAt(time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC))
	store, err := blob.Open(t.Context(), blob.Settings{Folder: t.TempDir(), Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := store.CreateContainer(t.Context(), "work", nil); err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, clock: clock, Account: &azure.Account{
		Name: accountName, Key: accountKey, Store: store, Clock: clock, Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	}}
	w.serve(httptest.NewServer(w.Account))
	return w
}

func (w *world) serve(server *httptest.Server) {
	w.t.Cleanup(server.Close)
	w.url, w.client = server.URL, server.Client()
}

// hour is the query of a SAS that ends in one.
func (w *world) hour(container, name, permissions string) string {
	return w.SAS(container, name, permissions, w.clock.Now().Add(time.Hour))
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
}

// code is the error of an answer, or nothing.
func (a answer) code() string { return a.header.Get("x-ms-error-code") }

// do sends a request. The target is what comes after the host, as it is; the headers are name and value in turn.
func (w *world) do(method, target string, body io.Reader, headers ...string) answer {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), method, w.url, body)
	if err != nil {
		w.t.Fatal(err)
	}
	path, query, _ := strings.Cut(target, "?")
	// Opaque keeps the path as it is: no client of ours tidies it.
	r.URL.Opaque, r.URL.RawQuery = "//"+r.URL.Host+path, query
	r.Header.Set("x-ms-version", "2021-12-02")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	response, err := w.client.Do(r)
	if err != nil {
		w.t.Fatalf("%s %s: %v", method, target, err)
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		w.t.Fatalf("%s %s: %v", method, target, err)
	}
	return answer{response.StatusCode, response.Header, string(data)}
}

// want sends a request to the container with all rights, and fails if the answer has another status.
func (w *world) want(status int, method, target string, body io.Reader, headers ...string) answer {
	w.t.Helper()
	sign := "?"
	if strings.Contains(target, "?") {
		sign = "&"
	}
	got := w.do(method, target+sign+w.hour("work", "", "rcwdl"), body, headers...)
	if got.status != status {
		w.t.Fatalf("%s %s: %d %s; want %d\n%s", method, target, got.status, got.code(), status, got.body)
	}
	return got
}

// put writes a blob.
func (w *world) put(name, content string, headers ...string) answer {
	w.t.Helper()
	return w.want(http.StatusCreated, http.MethodPut, "/work/"+name, strings.NewReader(content),
		append(headers, "x-ms-blob-type", "BlockBlob")...)
}
