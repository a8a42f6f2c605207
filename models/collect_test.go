package models_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"berth.dev/berth"
	"berth.dev/berth/blob"
)

// collect moves the clock, and sweeps.
func (w *world) collect(later time.Duration) {
	w.Helper()
	w.clock.Advance(later)
	_, err := w.collector.Collect(context.WithoutCancel(w.Context()))
	w.must(err)
}

// TestCollect: what nothing names goes, and nothing else: uploads after a day, those of deleted models soon.
func TestCollect(t *testing.T) {
	w := newWorld(t)
	const idle, used = "LocalUpload/idle/a", "LocalUpload/used/model.pkl"
	const other = "elsewhere/idle/a"
	for _, name := range []string{idle, used, other} {
		w.upload(name)
	}
	model := w.want(http.MethodPost, "/models", modelOf(w.asset(used)))
	code := workspace.Child("services", "svc")
	w.upload("LocalUpload/code/score.py")
	w.accept(code, &berth.Service{Request: json.RawMessage(`{}`), Spec: berth.ServiceSpec{PodSpec: berth.PodSpec{
		Files: []berth.ServiceFile{{Name: "score.py", File: "LocalUpload/code/score.py"}}}}})
	w.upload("LocalUpload/by uri/x")
	w.accept(workspace.Child("environments", "e"), &berth.Versions{Type: berth.TypeEnvironment, Newest: 1})
	w.accept(workspace.Child("environments", "e").Child("versions", "1"), &berth.EnvironmentVersion{
		Request: json.RawMessage(`{"uri": "azureml://x/paths/LocalUpload/by%20uri/x"}`)})
	w.collect(23 * time.Hour)
	if !w.there(idle) {
		t.Error("an upload that may be on its way was removed")
	}
	w.collect(2 * time.Hour)
	if w.there(idle) {
		t.Error("an upload that nothing names stays")
	}
	for _, name := range []string{used, other, "LocalUpload/code/score.py", "LocalUpload/by uri/x"} {
		if !w.there(name) {
			t.Errorf("%s was removed", name)
		}
	}
	w.want(http.MethodDelete, "/models/"+model["id"].(string), nil)
	w.collect(10 * time.Minute)
	if !w.there(used) {
		t.Error("what was read a moment ago was removed")
	}
	w.collect(16 * time.Minute)
	if w.there(used) || w.files.Used() > int64(len(other+"LocalUpload/code/score.py"+"LocalUpload/by uri/x")) {
		t.Errorf("the files of a deleted model stay: %d bytes", w.files.Used())
	}
	if assets := w.want(http.MethodGet, "/assets", nil)["value"].([]map[string]any); len(assets) != 0 {
		t.Errorf("the asset of a deleted model stays: %v", assets)
	}
}

// TestCollectWorkspaces: the files of a workspace that is gone go with the start of the server, and those of others stay.
func TestCollectWorkspaces(t *testing.T) {
	w := newWorld(t)
	gone := "azureml-00000000-0000-4000-8000-000000000000"
	for _, name := range []string{gone, "azureml-blobstore-" + space, "mine"} {
		_, _, err := w.files.CreateContainer(t.Context(), name, nil)
		w.must(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); w.collector.Run(ctx) }()
	w.must(w.clock.BlockUntilContext(ctx, 2)) // it waits for the first sweep
	cancel()
	<-done
	all, err := w.files.Containers(t.Context())
	w.must(err)
	if len(all) != 3 {
		t.Errorf("%v", all)
	}
	for _, c := range all {
		if c.Name == gone {
			t.Error("the files of a workspace that is gone stay")
		}
	}
}

// TestCollectRuns: without being asked, an hour after it began, and sooner when something has changed.
func TestCollectRuns(t *testing.T) {
	w := newWorld(t)
	w.upload("LocalUpload/idle/a")
	w.clock.Advance(25 * time.Hour)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); w.collector.Run(ctx) }()
	defer func() { cancel(); <-done }()
	round := func(after time.Duration) {
		t.Helper()
		w.must(w.clock.BlockUntilContext(ctx, 2))
		w.clock.Advance(after)
		w.must(w.clock.BlockUntilContext(ctx, 2))
	}
	round(time.Hour)
	if w.there("LocalUpload/idle/a") {
		t.Error("an upload that nothing names stays")
	}
}

// TestCollectRaces: while the sweep runs, requests refer to uploads and assets that are old enough to go. Whatever is accepted is complete.
func TestCollectRaces(t *testing.T) {
	w := newWorld(t)
	const rounds = 25
	accepted := 0
	for i := range rounds {
		upload, old := fmt.Sprintf("LocalUpload/new-%d/a", i), fmt.Sprintf("LocalUpload/old-%d/a", i)
		w.upload(upload)
		w.upload(old)
		asset := w.asset(old)
		w.clock.Advance(48 * time.Hour)
		var all sync.WaitGroup
		all.Go(func() { w.collect(0) })
		var registered, listed error
		all.Go(func() { _, registered = w.ask(http.MethodPost, "/models", modelOf(asset)) })
		all.Go(func() {
			_, listed = w.ask(http.MethodPost, "/assets", map[string]any{"artifacts": []any{map[string]any{"id": upload}}})
		})
		all.Wait()
		for name, err := range map[string]error{old: registered, upload: listed} {
			if err != nil && berth.ErrorCode(err) != berth.CodeNotFound {
				t.Errorf("%s: %v", name, err)
			}
			missing := w.read(name)
			if err == nil && missing != nil {
				t.Errorf("%s was accepted, and removed: %v", name, missing)
			}
			if err == nil {
				accepted++
			}
		}
	}
	t.Logf("%d of %d were accepted", accepted, 2*rounds)
	if err := w.read("LocalUpload/none"); !errors.Is(err, blob.ErrNotFound) {
		t.Error(err)
	}
}
