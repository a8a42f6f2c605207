package models_test

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"

	"berth.dev/berth"
	"berth.dev/berth/blob"
	"berth.dev/berth/models"
	"berth.dev/berth/rules"
	"berth.dev/berth/seal"
	"berth.dev/berth/store"
)

const (
	sub   = "0b1f6471-1bf0-4dda-aec3-cb9272f09590"
	space = "9f3f2a52-1111-4222-8333-0123456789ab"
)

var workspace = berth.NewID(sub, "rg", berth.TypeWorkspace, "ws")

// world is a workspace with its files, and what answers version 1 of the SDK.
type world struct {
	*testing.T
	clock     *clockwork.FakeClock
	store     *store.Store
	files     *blob.Store
	server    *models.Server
	collector *models.Collector
	container string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	clock := clockwork.NewFakeClockAt(time.Now()) // the disk dates files by its own
	box, err := seal.Ephemeral()
	if err != nil {
		t.Fatal(err)
	}
	w := &world{T: t, clock: clock}
	w.store, err = store.Open(t.Context(), filepath.Join(t.TempDir(), "berth.db"), store.Options{Clock: clock, Sealer: box,
		Explain: rules.Explain})
	w.must(err)
	t.Cleanup(func() { _ = w.store.Close() })
	w.files, err = blob.Open(t.Context(), blob.Settings{Folder: t.TempDir(), Clock: clock})
	w.must(err)
	t.Cleanup(func() { _ = w.files.Close() })
	body := &berth.Workspace{WorkspaceID: space}
	w.accept(berth.GroupID(sub, "rg"), &berth.Group{})
	w.accept(workspace, body)
	w.container = models.Container(body)
	_, _, err = w.files.CreateContainer(t.Context(), w.container, nil)
	w.must(err)
	w.server = models.New(models.Options{Store: w.store, Files: w.files, Clock: clock, Subscription: sub, FilesURL: "https://files",
		Sign: func(string, string, string, time.Time) string { return "" }, HasPython: func() bool { return true },
		Judge: func(berth.ServiceEnvironment) *berth.Error { return nil }})
	w.collector = &models.Collector{Store: w.store, Files: w.files, Clock: clock, Log: slog.New(slog.DiscardHandler)}
	return w
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) accept(id berth.ID, body berth.Body) {
	w.Helper()
	_, _, err := w.store.Accept(w.Context(), store.Change{Verb: berth.VerbCreate, Settled: true,
		Resource: &berth.Resource{ID: id, Location: "westeurope", Body: body}})
	w.must(err)
}

// ask sends a request as the SDK does.
func (w *world) ask(method, path string, body any) (map[string]any, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	path, query, _ := strings.Cut(path, "?")
	values, err := url.ParseQuery(query)
	if err != nil {
		return nil, err
	}
	a, err := w.server.Answer(&models.Request{Context: w.Context(), Method: method, Body: text, Caller: "me", Query: values,
		Path: "/modelmanagement/v1.0" + workspace.String() + path})
	if err != nil {
		return nil, err
	}
	out, _ := a.Body.(map[string]any)
	return out, nil
}

func (w *world) want(method, path string, body any) map[string]any {
	w.Helper()
	out, err := w.ask(method, path, body)
	w.must(err)
	return out
}

// upload puts a file where the SDK does.
func (w *world) upload(name string) {
	w.Helper()
	_, err := w.files.Put(w.Context(), blob.At{Container: w.container, Name: name}, strings.NewReader(name), blob.Change{})
	w.must(err)
}

func (w *world) there(name string) bool {
	w.Helper()
	page, err := w.files.List(w.Context(), w.container, blob.Query{Prefix: name})
	w.must(err)
	return len(page.Files) > 0
}

// read is how a file cannot be read, if it cannot.
func (w *world) read(name string) error {
	_, r, err := w.files.Get(w.Context(), blob.At{Container: w.container, Name: name}, blob.Whole)
	if err == nil {
		err = r.Close()
	}
	return err
}

func (w *world) asset(name string) string {
	w.Helper()
	a := w.want(http.MethodPost, "/assets", map[string]any{"artifacts": []any{map[string]any{"prefix": name}}})
	return a["id"].(string)
}

func modelOf(asset string) map[string]any {
	return map[string]any{"name": "m", "url": "aml://asset/" + asset}
}

// plain is an answer as a client reads it.
func plain(t *testing.T, answer any) (out map[string]any) {
	t.Helper()
	text, err := json.Marshal(answer)
	if err == nil {
		err = json.Unmarshal(text, &out)
	}
	if err != nil {
		t.Fatal(err)
	}
	return out
}
