package reconcile_test

import (
	"io"
	"log/slog"
	"slices"
	"testing"

	"github.com/jonboulle/clockwork"

	"berth.dev/berth"
	"berth.dev/berth/blob"
	"berth.dev/berth/models"
	"berth.dev/berth/provider/fake"
	"berth.dev/berth/reconcile"
	"berth.dev/berth/store"
)

// TestCollectedDataIsNotTrusted: what a router hands over goes into the folders of collected data of the workspace that has its
// cluster, and nowhere else; what is there is not written again.
func TestCollectedDataIsNotTrusted(t *testing.T) {
	w := newWorld(t, func(c clockwork.Clock) berth.Provider { return fake.New(c) })
	files, err := blob.Open(w.ctx, blob.Settings{Folder: t.TempDir(), Clock: w.clock})
	w.must(err)
	g := &reconcile.Gatherer{Store: w.store, Files: files, Clock: w.clock, Log: slog.New(slog.DiscardHandler)}
	stored := w.get(workspace)
	stored.Body.(*berth.Workspace).WorkspaceID = "0b1f6471-1bf0-4dda-aec3-cb9272f09590"
	w.accept(store.Change{Verb: berth.VerbUpdate, Settled: true, Resource: stored, Base: stored.Generation})
	container := models.Container(w.get(workspace).Body.(*berth.Workspace))
	ours, other := workspace.String(), berth.NewID(sub, "Team-RG", berth.TypeWorkspace, "Other").String()
	for _, c := range []berth.Collected{
		{Workspace: ours, Path: "modelDataCollector/ep/blue/request/2026/03/01/09/1.jsonl", Events: []byte("one\n")},
		{Workspace: ours, Path: "modelDataCollector/ep/blue/request/2026/03/01/09/1.jsonl", Events: []byte("two\n")},
		{Workspace: ours, Path: "modeldata/s/g/w/svc/m/1/inputs/2026/03/01/1.jsonl", Events: []byte("three\n")},
		{Workspace: other, Path: "modelDataCollector/ep/blue/request/2026/03/01/09/2.jsonl", Events: []byte("x")},
		{Workspace: ours, Path: "LocalUpload/code/score.py", Events: []byte("x")},
		{Workspace: ours, Path: "modelDataCollector/../LocalUpload/code/score.py", Events: []byte("x")},
		{Workspace: ours, Path: "modelDataCollector", Events: []byte("x")},
		{Workspace: ours, Path: "modelDataCollector/\x00", Events: []byte("x")},
	} {
		w.must(g.Keep(w.ctx, workspace, c)) // what is refused is dropped: it would come again and again
	}
	page, err := files.List(w.ctx, container, blob.Query{})
	w.must(err)
	var names []string
	for _, f := range page.Files {
		names = append(names, f.Name)
	}
	want := []string{"modelDataCollector/ep/blue/request/2026/03/01/09/1.jsonl", "modeldata/s/g/w/svc/m/1/inputs/2026/03/01/1.jsonl"}
	if slices.Sort(names); !slices.Equal(names, want) {
		t.Errorf("there are %v", names)
	}
	_, r, err := files.Get(w.ctx, blob.At{Container: container, Name: want[0]}, blob.Whole)
	w.must(err)
	defer func() { _ = r.Close() }()
	if text, err := io.ReadAll(r); err != nil || string(text) != "one\n" {
		t.Errorf("%q, %v", text, err)
	}
}
