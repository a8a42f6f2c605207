package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"

	snapshotsapi "github.com/containerd/containerd/api/services/snapshots/v1"
	"github.com/containerd/containerd/v2/contrib/snapshotservice"
	mounts "github.com/containerd/containerd/v2/core/mount"
	"github.com/containerd/containerd/v2/core/snapshots"
	"github.com/containerd/containerd/v2/plugins/snapshots/overlay"
	"github.com/containerd/errdefs"
	"google.golang.org/grpc"
)

// layersName is what each containerd calls the unpacked layers that it shares with the other nodes of the cluster.
const layersName = "layers"

// layersDir holds them.
const layersDir = insideDir + "/" + layersName

// layers are the unpacked layers of a cluster's images, once for all nodes, and the writable ones of each node's containers. Each node's
// containerd has its own view of them (nodeLayers), by a socket of its own.
type layers struct {
	snapshots.Snapshotter
	mu sync.Mutex
}

func openLayers(ctx context.Context, dir string) (*layers, error) {
	sn, err := overlay.NewSnapshotter(dir)
	if err != nil {
		return nil, err
	}
	if c, ok := sn.(snapshots.Cleaner); ok { // of what a kill has left half done
		if err = c.Cleanup(ctx); errdefs.IsNotFound(err) {
			err = nil // there is nothing yet
		}
	}
	return &layers{Snapshotter: sn}, err
}

// nodeLayers is what one node sees. An unpacked layer is named by the digest of its chain and has a label for each node that uses it, with
// the name that the node's containerd knows it by; a writable one has the node's name before its own.
type nodeLayers struct {
	*layers
	node string
}

// serve answers a node's containerd until the listener is closed.
func (l nodeLayers) serve(path string) (*grpc.Server, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	socket, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	s := grpc.NewServer()
	snapshotsapi.RegisterSnapshotsServer(s, snapshotservice.FromSnapshotter(l))
	go func() { _ = s.Serve(socket) }() // until it is stopped
	return s, nil
}

const nodeLabel = "berth.dev/node."

func (l nodeLayers) label() string { return nodeLabel + l.node }

// chainOf is the digest in a name that containerd has for an unpacked layer ("k8s.io/7/sha256:…"); empty for a writable one.
func chainOf(name string) string {
	if base := name[strings.LastIndexByte(name, '/')+1:]; strings.HasPrefix(base, "sha256:") {
		return base
	}
	return ""
}

// inner is the name here of what the node calls so.
func (l nodeLayers) inner(name string) string {
	if chain := chainOf(name); chain != "" || name == "" {
		return chain
	}
	return l.node + "/" + name
}

// uses reports whether the node sees one.
func (l nodeLayers) uses(info snapshots.Info) bool {
	_, labelled := info.Labels[l.label()]
	return labelled || strings.HasPrefix(info.Name, l.node+"/")
}

// outer is an answer as the node sees it. labels are those of the layers by their names here.
func (l nodeLayers) outer(info snapshots.Info, labels func(name string) map[string]string) (snapshots.Info, bool) {
	if chainOf(info.Name) != "" {
		name, uses := info.Labels[l.label()]
		if !uses {
			return info, false
		}
		info.Name = name
	} else {
		name, own := strings.CutPrefix(info.Name, l.node+"/")
		if !own {
			return info, false
		}
		info.Name = name
	}
	if info.Parent != "" {
		info.Parent = labels(info.Parent)[l.label()]
	}
	info.Labels = maps.Clone(info.Labels)
	maps.DeleteFunc(info.Labels, func(name, _ string) bool { return strings.HasPrefix(name, nodeLabel) })
	return info, true
}

// Stat answers for one.
func (l nodeLayers) Stat(ctx context.Context, key string) (snapshots.Info, error) {
	info, err := l.Snapshotter.Stat(ctx, l.inner(key))
	if err != nil {
		return info, err
	}
	info, seen := l.outer(info, func(name string) map[string]string {
		parent, _ := l.Snapshotter.Stat(ctx, name) // an unpacked layer cannot go before those on it
		return parent.Labels
	})
	if !seen {
		return info, fmt.Errorf("layer %s: %w", key, errdefs.ErrNotFound)
	}
	return info, nil
}

// Update changes labels. Those of an unpacked layer are not one node's to change, and containerd keeps its own.
func (l nodeLayers) Update(ctx context.Context, info snapshots.Info, fields ...string) (snapshots.Info, error) {
	name := info.Name
	if chainOf(name) == "" {
		info.Name = l.inner(name)
		if _, err := l.Snapshotter.Update(ctx, info, fields...); err != nil {
			return info, err
		}
	}
	return l.Stat(ctx, name)
}

// Usage answers how much space one takes.
func (l nodeLayers) Usage(ctx context.Context, key string) (snapshots.Usage, error) {
	return l.Snapshotter.Usage(ctx, l.inner(key))
}

// Mounts answers how a writable one is mounted.
func (l nodeLayers) Mounts(ctx context.Context, key string) ([]mounts.Mount, error) {
	return l.Snapshotter.Mounts(ctx, l.inner(key))
}

// View makes a read-only one.
func (l nodeLayers) View(ctx context.Context, key, parent string, opts ...snapshots.Opt) ([]mounts.Mount, error) {
	return l.Snapshotter.View(ctx, l.inner(key), l.inner(parent), opts...)
}

// Prepare makes a writable one. When it is made to unpack a layer that another node has unpacked, the node gets that: containerd then skips
// the layer, and does not even fetch it.
func (l nodeLayers) Prepare(ctx context.Context, key, parent string, opts ...snapshots.Opt) ([]mounts.Mount, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var base snapshots.Info
	for _, o := range opts {
		if err := o(&base); err != nil {
			return nil, err
		}
	}
	if target := base.Labels[snapshots.LabelSnapshotRef]; target != "" && chainOf(target) == target {
		err := l.use(ctx, target, target)
		if errdefs.IsNotFound(err) {
			err = l.adopt(ctx, target, parent)
		}
		if err == nil {
			err = errdefs.ErrAlreadyExists
		}
		if !errdefs.IsNotFound(err) {
			return nil, fmt.Errorf("layer %s: %w", target, err)
		}
	}
	return l.Snapshotter.Prepare(ctx, l.inner(key), l.inner(parent), opts...)
}

// insideLayers are the unpacked layers of the server's own images, which all clusters share.
const insideLayers = "/opt/layers"

// adopt makes a layer that all clusters share one of this cluster's: it has no files of its own, but a link to theirs. l.mu is held.
func (l nodeLayers) adopt(ctx context.Context, chain, parent string) error {
	shared := filepath.Join(insideLayers, chainsFolder, strings.TrimPrefix(chain, "sha256:"))
	if _, err := os.Stat(shared); err != nil {
		return errdefs.ErrNotFound
	}
	key := "adopt " + chain
	if err := l.Snapshotter.Remove(ctx, key); err != nil && !errdefs.IsNotFound(err) { // a kill has left it half done
		return err
	}
	mounts, err := l.Snapshotter.Prepare(ctx, key, l.inner(parent))
	if err != nil {
		return err
	}
	files, err := topmost(mounts)
	if err == nil {
		err = errors.Join(os.Remove(files), os.Symlink(shared, files))
	}
	if err != nil {
		return errors.Join(err, l.Snapshotter.Remove(ctx, key))
	}
	return l.Snapshotter.Commit(ctx, chain, key, snapshots.WithLabels(map[string]string{snapshots.LabelSnapshotRef: chain, l.label(): chain}))
}

// topmost is the folder with the files of the layer itself, of how it is mounted.
func topmost(all []mounts.Mount) (string, error) {
	for _, m := range all {
		if m.Type == "bind" {
			return m.Source, nil
		}
		for _, prefix := range []string{"upperdir=", "lowerdir="} {
			for _, o := range m.Options {
				if dir, is := strings.CutPrefix(o, prefix); is {
					dir, _, _ = strings.Cut(dir, ":")
					return dir, nil
				}
			}
		}
	}
	return "", errors.New("the files of a layer cannot be found")
}

// use notes that the node uses an unpacked layer, by this name unless it has one.
func (l nodeLayers) use(ctx context.Context, chain, name string) error {
	info, err := l.Snapshotter.Stat(ctx, chain)
	if err != nil || info.Labels[l.label()] != "" {
		return err
	}
	return l.relabel(ctx, info, name)
}

// relabel sets the node's label of an unpacked layer, or removes it.
func (l nodeLayers) relabel(ctx context.Context, info snapshots.Info, name string) error {
	info.Labels = maps.Clone(info.Labels)
	if info.Labels == nil {
		info.Labels = map[string]string{}
	}
	if info.Labels[l.label()] = name; name == "" {
		delete(info.Labels, l.label())
	}
	_, err := l.Snapshotter.Update(ctx, info, "labels")
	return err
}

// Commit makes an unpacked layer of a writable one. If another node was quicker, its layer is used.
func (l nodeLayers) Commit(ctx context.Context, name, key string, opts ...snapshots.Opt) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	chain := chainOf(name)
	if chain == "" {
		return fmt.Errorf("%s is no layer of an image: %w", name, errdefs.ErrNotImplemented)
	}
	info, err := l.Snapshotter.Stat(ctx, chain)
	if err == nil {
		return errors.Join(l.relabel(ctx, info, name), l.Snapshotter.Remove(ctx, l.inner(key)))
	}
	if !errdefs.IsNotFound(err) {
		return err
	}
	labels := snapshots.WithLabels(map[string]string{snapshots.LabelSnapshotRef: chain, l.label(): name})
	return l.Snapshotter.Commit(ctx, chain, l.inner(key), append(opts, labels)...)
}

// Remove takes a writable one away. An unpacked one goes when the last node that used it does not any more.
func (l nodeLayers) Remove(ctx context.Context, key string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.remove(ctx, l.inner(key))
}

func (l nodeLayers) remove(ctx context.Context, name string) error {
	if chainOf(name) == "" {
		return l.Snapshotter.Remove(ctx, name)
	}
	info, err := l.Snapshotter.Stat(ctx, name)
	if err != nil {
		return err
	}
	if err := l.Snapshotter.Walk(ctx, func(_ context.Context, child snapshots.Info) error {
		if child.Parent == name && l.uses(child) {
			return fmt.Errorf("layer %s: another one is on it: %w", name, errdefs.ErrFailedPrecondition)
		}
		return nil
	}); err != nil {
		return err
	}
	for label := range info.Labels {
		if strings.HasPrefix(label, nodeLabel) && label != l.label() {
			return l.relabel(ctx, info, "")
		}
	}
	return l.Snapshotter.Remove(ctx, name)
}

// Walk calls fn for each that the node sees. The filters are left to fn, as containerd expects of a snapshotter that has none.
func (l nodeLayers) Walk(ctx context.Context, fn snapshots.WalkFunc, _ ...string) error {
	all := map[string]snapshots.Info{}
	if err := l.Snapshotter.Walk(ctx, func(_ context.Context, info snapshots.Info) error {
		all[info.Name] = info
		return nil
	}); err != nil {
		return err
	}
	for _, info := range all {
		if info, seen := l.outer(info, func(name string) map[string]string { return all[name].Labels }); seen {
			if err := fn(ctx, info); err != nil {
				return err
			}
		}
	}
	return nil
}

// forget takes away all that a node has which does not come back.
func (l nodeLayers) forget(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		var names []string
		err := l.Snapshotter.Walk(ctx, func(_ context.Context, info snapshots.Info) error {
			if l.uses(info) {
				names = append(names, info.Name)
			}
			return nil
		})
		left := 0
		for _, name := range names {
			if l.remove(ctx, name) != nil { // one that others are on goes in the next round
				left++
			}
		}
		if err != nil || left == 0 {
			return err
		}
		if left == len(names) {
			return fmt.Errorf("%d layers of node %s cannot be removed", left, l.node)
		}
	}
}
