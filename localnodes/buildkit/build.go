package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/containerd/containerd/v2/core/snapshots"
	"github.com/containerd/containerd/v2/plugins/snapshots/native"
	"github.com/containerd/containerd/v2/plugins/snapshots/overlay"
	"github.com/containerd/containerd/v2/plugins/snapshots/overlay/overlayutils"
	"github.com/containerd/log"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/control"
	"github.com/moby/buildkit/executor/oci"
	"github.com/moby/buildkit/frontend"
	dockerfile "github.com/moby/buildkit/frontend/dockerfile/builder"
	"github.com/moby/buildkit/frontend/gateway/forwarder"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/solver"
	"github.com/moby/buildkit/solver/bboltcachestorage"
	"github.com/moby/buildkit/solver/llbsolver/cdidevices"
	"github.com/moby/buildkit/util/db/boltutil"
	"github.com/moby/buildkit/util/network/netproviders"
	"github.com/moby/buildkit/util/progress/progressui"
	"github.com/moby/buildkit/worker"
	"github.com/moby/buildkit/worker/base"
	"github.com/moby/buildkit/worker/runc"
	"github.com/tonistiigi/fsutil"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"tags.cncf.io/container-device-interface/pkg/cdi"
)

// build builds the image, and says what it has made.
func build(s settings) (said, error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if err := log.SetLevel("error"); err != nil { // the log is the user's: what matters is in the progress, or the reason
		return said{}, err
	}
	if err := prepare(s); err != nil {
		return said{}, err
	}
	folder, err := fsutil.NewFS(s.context)
	if err != nil {
		return said{}, err
	}
	to, err := os.CreateTemp(s.to, ".image-*")
	if err != nil {
		return said{}, err
	}
	defer func() { _ = to.Close() }()
	b, err := connect(ctx, s)
	if err != nil {
		return said{}, err
	}
	sum := sha256.New()
	out := &archive{Writer: io.MultiWriter(to, sum)}
	status := make(chan *client.SolveStatus)
	display, err := progressui.NewDisplay(os.Stdout, progressui.PlainMode)
	if err != nil {
		return said{}, err
	}
	work, ctx := errgroup.WithContext(ctx)
	work.Go(func() error {
		_, err := b.Solve(ctx, nil, client.SolveOpt{Frontend: frontendName, FrontendAttrs: map[string]string{"filename": s.dockerfile},
			LocalMounts: map[string]fsutil.FS{"context": folder, "dockerfile": folder},
			Exports: []client.ExportEntry{{Type: client.ExporterDocker, Attrs: map[string]string{"name": s.name},
				Output: func(map[string]string) (io.WriteCloser, error) { return out, nil }}}}, status)
		return err
	})
	work.Go(func() error {
		_, err := display.UpdateFrom(context.Background(), status) // to its end, also when the build has failed
		return err
	})
	if err := work.Wait(); err != nil {
		return said{}, err
	}
	made := said{Digest: hex.EncodeToString(sum.Sum(nil)), Size: out.size}
	if err := to.Chmod(0o644); err != nil { // #nosec: another container of the pod serves it
		return said{}, err
	}
	return made, os.Rename(to.Name(), filepath.Join(s.to, made.Digest))
}

// archive counts what is written.
type archive struct {
	io.Writer
	size int64
}

// Write implements io.Writer.
func (a *archive) Write(p []byte) (int, error) {
	n, err := a.Writer.Write(p)
	a.size += int64(n)
	return n, err
}

// Close does nothing: the file is closed by who has opened it.
func (a *archive) Close() error { return nil }

const frontendName = "dockerfile.v0"

// connect starts BuildKit in this process, and connects to it.
func connect(ctx context.Context, s settings) (*client.Client, error) {
	c, err := controller(ctx, s)
	if err != nil {
		return nil, err
	}
	socket := filepath.Join(s.work, "buildkit.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		return nil, err
	}
	server := grpc.NewServer()
	c.Register(server)
	go func() { _ = server.Serve(l) }() // it ends with the program
	return client.New(ctx, "unix://"+socket)
}

// controller is BuildKit with one worker, whose steps the runtime of this program runs.
func controller(ctx context.Context, s settings) (*control.Controller, error) {
	hosts, err := registryHosts(s.images)
	if err != nil {
		return nil, err
	}
	runtime := filepath.Join(s.work, runtimeName)
	if err := os.Symlink("/proc/self/exe", runtime); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, err
	}
	devices, err := cdi.NewCache(cdi.WithSpecDirs())
	if err != nil {
		return nil, err
	}
	opt, err := runc.NewWorkerOpt(s.work, snapshotter(s.work), true, oci.NoProcessSandbox, nil, nil, netproviders.Opt{Mode: "host"}, nil,
		runtime, "", false, nil, "", "", cdidevices.NewManager(devices, nil))
	if err != nil {
		return nil, err
	}
	opt.RegistryHosts = hosts
	w, err := base.NewWorker(ctx, opt)
	if err != nil {
		return nil, err
	}
	sessions, err := session.NewManager()
	if err != nil {
		return nil, err
	}
	workers := &worker.Controller{}
	if err := workers.Add(w); err != nil {
		return nil, err
	}
	cache, err := bboltcachestorage.NewStore(filepath.Join(s.work, "cache.db"))
	if err != nil {
		return nil, err
	}
	history, err := boltutil.SafeOpen(filepath.Join(s.work, "history.db"), 0o600, nil)
	if err != nil {
		return nil, err
	}
	return control.NewController(control.Opt{SessionManager: sessions, WorkerController: workers,
		Frontends:    map[string]frontend.Frontend{frontendName: forwarder.NewGatewayForwarder(workers.Infos(), dockerfile.Build)},
		CacheManager: solver.NewCacheManager(ctx, "local", cache, worker.NewCacheResultStorage(workers)),
		HistoryDB:    history, CacheStore: cache, LeaseManager: w.LeaseManager(), ContentStore: w.ContentStore(),
		GarbageCollect: w.GarbageCollect, GracefulStop: ctx.Done()})
}

// snapshotter is overlayfs where it can be mounted in a user namespace, and else copies.
func snapshotter(work string) runc.SnapshotterFactory {
	if err := overlayutils.Supported(work); err != nil {
		fmt.Println("overlayfs cannot be used here, each step copies all files:", err)
		return runc.SnapshotterFactory{Name: "native", New: native.NewSnapshotter}
	}
	return runc.SnapshotterFactory{Name: "overlayfs", New: func(root string) (snapshots.Snapshotter, error) {
		return overlay.NewSnapshotter(root)
	}}
}

// prefixes are what BuildKit puts before the reason of a failure.
var prefixes = regexp.MustCompile(`^(rpc error: code = \w+ desc = |failed to solve: |failed to receive status: )+`)

// reason is an error in one line.
func reason(err error) string {
	return prefixes.ReplaceAllString(strings.Join(strings.Fields(err.Error()), " "), "")
}
