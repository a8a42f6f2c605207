package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"sync"
	"syscall"
	"time"
)

const (
	// What dies is started again, later each time.
	firstDelay = 200 * time.Millisecond
	lastDelay  = 10 * time.Second
	healthyFor = time.Minute
	// endPatience is how long a kubelet or containerd may take to end in order.
	endPatience = 2 * time.Second
)

// nodes are those that run.
type nodes struct {
	settings
	layers *layers
	all    map[string]*node
}

func newNodes(ctx context.Context, s settings) (*nodes, error) {
	layers, err := openLayers(ctx, layersDir)
	return &nodes{settings: s, layers: layers, all: map[string]*node{}}, err
}

// fit starts the nodes that are missing and ends those that are too many. A node whose spec has changed is started anew.
func (ns *nodes) fit(want []nodeSpec) {
	wanted := map[string]nodeSpec{}
	for _, w := range want {
		wanted[w.Name] = w
	}
	for name, n := range ns.all {
		if w, there := wanted[name]; !there || !w.same(n.spec) {
			n.end(!there || w.UID != n.spec.UID)
			delete(ns.all, name)
		}
	}
	for name, w := range wanted {
		if ns.all[name] == nil {
			ns.all[name] = startNode(ns, w)
		}
	}
}

// same reports whether a node needs no new start. New keys are for the next one.
func (s nodeSpec) same(other nodeSpec) bool {
	s.Keys, other.Keys = nil, nil
	return reflect.DeepEqual(s, other)
}

// forget removes the files of nodes that were deleted while nothing ran here.
func (ns *nodes) forget(want []nodeSpec) {
	folders, err := os.ReadDir(filepath.Join(insideDir, "nodes"))
	if err != nil {
		return // there are none
	}
	for _, f := range folders {
		if !slices.ContainsFunc(want, func(w nodeSpec) bool { return w.Name == f.Name() }) {
			err := nodeLayers{ns.layers, f.Name()}.forget(context.Background())
			if err = errors.Join(err, os.RemoveAll(filepath.Join(insideDir, "nodes", f.Name()))); err != nil {
				fmt.Fprintf(os.Stderr, "files of node %s stay: %v\n", f.Name(), err)
			}
		}
	}
}

// node is a containerd and a kubelet. A kubelet ends pods that it does not know, so each has a containerd of its own.
type node struct {
	settings
	spec   nodeSpec
	layers *layers
	stop   context.CancelFunc
	done   sync.WaitGroup
	record imageRecord
}

func startNode(ns *nodes, spec nodeSpec) *node {
	ctx, stop := context.WithCancel(context.Background())
	n := &node{settings: ns.settings, spec: spec, layers: ns.layers, stop: stop}
	n.record.load(n.path(imagesFile))
	n.done.Go(func() { n.keep(ctx, "containerd", n.containerd) })
	n.done.Go(func() { n.keep(ctx, "kubelet", n.kubelet) })
	n.done.Go(func() { n.keepImages(ctx) })
	return n
}

// end stops both and the pods that they ran; gone says that the node does not come back, so that its files can go too.
func (n *node) end(gone bool) {
	n.stop()
	n.done.Wait()
	n.killPods()
	if err := removeAddress(n.spec.Address); err != nil {
		n.report("its address stays: %v", err)
	}
	if !gone {
		return
	}
	if err := errors.Join(removeTree(n.path("")), removeTree(n.runPath("")), nodeLayers{n.layers,
		n.spec.Name}.forget(context.Background())); err != nil {
		n.report("files stay: %v", err)
	}
}

// removeTree removes a folder, unless something is still mounted in it, which would go too.
func removeTree(dir string) error {
	if err := unmountBelow(dir); err != nil {
		return err
	}
	return os.RemoveAll(dir)
}

// path is a file of the node that outlasts this run; runPath is one that does not.
func (n *node) path(name string) string { return filepath.Join(insideDir, "nodes", n.spec.Name, name) }
func (n *node) runPath(name string) string {
	return filepath.Join(insideRun, "nodes", n.spec.Name, name)
}
func (n *node) socket() string { return n.runPath("containerd.sock") }

func (n *node) report(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "node %s: %s\n", n.spec.Name, fmt.Sprintf(format, args...))
}

// keep runs a part of the node again and again.
func (n *node) keep(ctx context.Context, name string, once func(context.Context) error) {
	for delay := firstDelay; ; delay = min(2*delay, lastDelay) {
		start := time.Now()
		err := once(ctx)
		if ctx.Err() != nil {
			return
		}
		if time.Since(start) > healthyFor {
			delay = firstDelay
		}
		n.report("%s ended and is started again in %s: %v", name, delay, err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(delay):
		}
	}
}

// child runs a program with the log file of its name until it ends or ctx is done.
func (n *node) child(ctx context.Context, log string, args ...string) error {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...) // #nosec: programs of ours
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = endPatience
	f, err := openLog(n.path(log))
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	cmd.Stdout, cmd.Stderr = f, f
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd.Run()
}

// logLimit is the size at which a log is put aside; the one before it is dropped.
const logLimit = 5 << 20

func openLog(path string) (*os.File, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	if info, err := os.Stat(path); err == nil && info.Size() > logLimit {
		_ = os.Rename(path, path+".1") // an old log is a convenience
	}
	return os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
}
