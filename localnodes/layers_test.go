package main

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/containerd/containerd/v2/core/snapshots"
	"github.com/containerd/containerd/v2/plugins/snapshots/native"
	"github.com/containerd/errdefs"
)

// layersOf are the names that a node sees, with those of their parents.
func layersOf(t *testing.T, l nodeLayers) (out []string) {
	t.Helper()
	if err := l.Walk(t.Context(), func(_ context.Context, info snapshots.Info) error {
		if again, err := l.Stat(t.Context(), info.Name); err != nil || again.Parent != info.Parent || again.Name != info.Name {
			t.Errorf("%s: %+v, %v; want %+v", info.Name, again, err, info)
		}
		for label := range info.Labels {
			if strings.HasPrefix(label, nodeLabel) {
				t.Errorf("%s shows the label %s", info.Name, label)
			}
		}
		out = append(out, info.Name+"<"+info.Parent)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	slices.Sort(out)
	return out
}

// unpackAs does what a node's containerd does to unpack a layer. It reports whether the layer was there already.
func unpackAs(t *testing.T, l nodeLayers, name, parent string) bool {
	t.Helper()
	chain := chainOf(name)
	_, err := l.Prepare(t.Context(), "k8s.io/1/extract "+chain, parent,
		snapshots.WithLabels(map[string]string{snapshots.LabelSnapshotRef: chain}))
	if errdefs.IsAlreadyExists(err) {
		return true
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Commit(t.Context(), name, "k8s.io/1/extract "+chain); err != nil {
		t.Fatal(err)
	}
	return false
}

// TestLayers: a layer that one node has unpacked is there for all, each sees what it uses, and the layer goes with the last of them.
func TestLayers(t *testing.T) {
	store, err := native.NewSnapshotter(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	all := &layers{Snapshotter: store}
	a, b := nodeLayers{all, "a"}, nodeLayers{all, "a.b"} // a name that begins with the other
	if unpackAs(t, a, "k8s.io/2/sha256:1", "") || unpackAs(t, a, "k8s.io/3/sha256:2", "k8s.io/2/sha256:1") {
		t.Error("layers were there at the beginning")
	}
	if got := layersOf(t, b); len(got) > 0 {
		t.Errorf("a node sees what it does not use: %v", got)
	}
	if _, err := b.Stat(t.Context(), "k8s.io/2/sha256:1"); !errdefs.IsNotFound(err) {
		t.Errorf("a node sees what it does not use: %v", err)
	}
	if !unpackAs(t, b, "k8s.io/9/sha256:1", "") || !unpackAs(t, b, "k8s.io/9/sha256:2", "sha256:1") {
		t.Error("layers are unpacked again")
	}
	if _, err := b.Prepare(t.Context(), "k8s.io/4/container", "sha256:2"); err != nil {
		t.Fatal(err)
	}
	want := []string{"k8s.io/4/container<sha256:2", "sha256:1<", "sha256:2<sha256:1"}
	if got := layersOf(t, b); !slices.Equal(got, want) {
		t.Errorf("%v; want %v", got, want)
	}
	if got := layersOf(t, a); !slices.Equal(got, []string{"k8s.io/2/sha256:1<", "k8s.io/3/sha256:2<k8s.io/2/sha256:1"}) {
		t.Errorf("%v", got)
	}
	if err := b.Remove(t.Context(), "sha256:2"); !errdefs.IsFailedPrecondition(err) {
		t.Errorf("a layer below a container is removed: %v", err)
	}
	if err := a.Remove(t.Context(), "k8s.io/2/sha256:1"); !errdefs.IsFailedPrecondition(err) {
		t.Errorf("a layer below another is removed: %v", err)
	}
	if err := a.forget(t.Context()); err != nil {
		t.Error(err)
	}
	if got := layersOf(t, a); len(got) > 0 {
		t.Errorf("after all is forgotten: %v", got)
	}
	if _, err := b.Mounts(t.Context(), "k8s.io/4/container"); err != nil {
		t.Errorf("the container of another node: %v", err)
	}
	if err := b.forget(t.Context()); err != nil {
		t.Error(err)
	}
	if err := store.Walk(t.Context(), func(_ context.Context, info snapshots.Info) error {
		t.Errorf("%s is left", info.Name)
		return nil
	}); err != nil {
		t.Error(err)
	}
}

// TestLayersAtOnce: of two nodes that unpack the same layer, one is quicker; the other uses its.
func TestLayersAtOnce(t *testing.T) {
	store, err := native.NewSnapshotter(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	all := &layers{Snapshotter: store}
	both := []nodeLayers{{all, "a"}, {all, "b"}}
	for _, l := range both {
		if _, err := l.Prepare(t.Context(), "k8s.io/1/extract", ""); err != nil {
			t.Fatal(err)
		}
	}
	for _, l := range both {
		if err := l.Commit(t.Context(), "k8s.io/2/sha256:1", "k8s.io/1/extract"); err != nil {
			t.Fatal(err)
		}
		if got := layersOf(t, l); !slices.Equal(got, []string{"k8s.io/2/sha256:1<"}) {
			t.Errorf("node %s: %v", l.node, got)
		}
	}
	if err := both[0].Commit(t.Context(), "k8s.io/3/mine", "k8s.io/1/extract"); !errdefs.IsNotImplemented(err) {
		t.Errorf("what is no layer of an image: %v", err)
	}
}
