package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"sync"
	"syscall"
	"time"

	"berth.dev/berth"
	"berth.dev/berth/catalog"
	"berth.dev/berth/kube"
)

// cluster is one folder, one process, one connection.
type cluster struct {
	provider *Provider
	id       berth.ID
	name     string
	dir      string
	process  supervisor

	mu     sync.Mutex
	record record
	conn   *kube.Conn
	config []byte // the kubeconfig that conn was made of
	asks   string // the token with which its API server asks what somebody may do; empty before one was started with it
	gone   bool   // removed: the folder is nobody's, or another cluster's of the same name
}

var errRemoving = errors.New("the cluster is still being removed")

func newCluster(p *Provider, name string, r record) *cluster {
	c := &cluster{provider: p, id: r.ID, name: name, dir: filepath.Join(p.Dir, name), record: r}
	c.process = supervisor{cluster: c, log: p.Logger.With("cluster", name)}
	return c
}

func (c *cluster) port() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.record.Port
}

func (c *cluster) run() { c.process.run() }

// halt tells the process to end; halted waits for it.
func (c *cluster) halt() { c.process.halt() }

func (c *cluster) halted(ctx context.Context) error {
	c.mu.Lock()
	c.disconnect()
	c.mu.Unlock()
	return c.process.wait(ctx)
}

// disconnect gives the connection up. c.mu is held.
func (c *cluster) disconnect() {
	if c.conn != nil {
		c.conn.Close()
		c.conn = nil
	}
}

// prepare takes over a changed spec, on disk first.
func (c *cluster) prepare(spec berth.ClusterSpec) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.record.Removing {
		return errRemoving
	}
	if reflect.DeepEqual(c.record.Spec, spec) {
		return nil
	}
	changed := c.record
	changed.Spec = spec
	before, err := c.record.options()
	if err != nil {
		return err
	}
	after, err := changed.options()
	if err != nil {
		return err
	}
	if had, _ := kube.Ranges(c.record.Spec.Network); after.ranges != had {
		return berth.Errorf(berth.CodeBadRequest, "The address ranges of the cluster '%s' cannot be changed. Delete it, then create it again.",
			c.id.Name())
	}
	if err := writeRecord(c.dir, changed); err != nil {
		return err
	}
	c.record = changed
	if after != before {
		c.process.restart()
	}
	return nil
}

// move gives the cluster another port, when its own is in use by a stranger.
func (c *cluster) move() error {
	c.provider.mu.Lock()
	defer c.provider.mu.Unlock()
	port, err := c.provider.freePort()
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	changed := c.record
	changed.Port = port
	if err := writeRecord(c.dir, changed); err != nil {
		return err
	}
	c.record = changed
	return nil
}

// kubeconfig is the one with which Berth itself works.
func (c *cluster) kubeconfig() ([]byte, error) { return c.credentialFile("berth.kubeconfig") }

func (c *cluster) credentialFile(name string) ([]byte, error) {
	config, err := os.ReadFile(filepath.Join(c.dir, "kube", name))
	if errors.Is(err, os.ErrNotExist) {
		return nil, berth.Errorf(berth.CodeClusterUnreachable, "The cluster '%s' is still starting and has no credentials yet.", c.id.Name())
	}
	return config, err
}

// connect makes a connection, or takes the one there is while the kubeconfig is the same.
func (c *cluster) connect() (*kube.Conn, error) {
	config, err := c.kubeconfig()
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn != nil && string(c.config) == string(config) {
		return c.conn, nil
	}
	conn, err := kube.Connect(config, kube.Options{})
	if err != nil {
		return nil, err
	}
	c.disconnect()
	c.conn, c.config = conn, config
	return conn, nil
}

// base is what is known without asking the cluster.
func (c *cluster) base() (berth.ClusterFacts, record) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.record
	return berth.ClusterFacts{
		Exists: true, Simulated: !r.Real, SimulatedBecause: r.SimulatedBecause, Unlimited: r.Unlimited,
		Endpoint: fmt.Sprintf("https://127.0.0.1:%d", r.Port),
		FQDN:     r.host(), Version: r.Spec.Version,
	}, r
}

// facts asks the cluster what it is.
func (c *cluster) facts(ctx context.Context) (berth.ClusterFacts, error) {
	f, r := c.base()
	if r.Real {
		f.Overcommitted = c.provider.overcommitted()
	}
	nodes, err := c.nodes(ctx)
	if err != nil {
		f.Message = c.process.says("Kubernetes does not answer yet")
		return f, nil
	}
	f.Reachable, f.Nodes = true, len(nodes)
	own := 0
	for _, n := range nodes {
		if n.Ready {
			f.ReadyNodes++
		}
		if n.Made() {
			own++
		}
	}
	want := r.Spec.Pools[0].Count
	f.Ready = own == want && f.ReadyNodes == len(nodes)
	f.Message = fmt.Sprintf("%d of %d nodes ready", f.ReadyNodes, want)
	return f, nil
}

func (c *cluster) nodes(ctx context.Context) ([]kube.Node, error) {
	conn, err := c.connect()
	if err != nil {
		return nil, err
	}
	return conn.Nodes(ctx)
}

// ensure does the next thing: wait for Kubernetes, make what nodes are missing, take away what are too many.
func (c *cluster) ensure(ctx context.Context) (berth.ClusterFacts, error) {
	f, r := c.base()
	if c.process.restarting() {
		f.Message = "restarting Kubernetes with its new options"
		return f, nil
	}
	conn, err := c.connect()
	if err == nil && !c.process.wasReady() {
		err = conn.Healthy(ctx)
	}
	if err != nil {
		f.Message = c.process.says("starting Kubernetes " + catalog.Minor(r.Spec.Version))
		return f, c.process.broken()
	}
	c.process.ready()
	nodes, err := conn.Nodes(ctx)
	if err != nil {
		c.process.unready()
		f.Message = c.process.says("waiting for Kubernetes to answer")
		return f, nil
	}
	waiting, err := c.fit(ctx, conn, r, nodes)
	if err != nil {
		return f, err
	}
	if f, err = c.facts(ctx); waiting != "" {
		f.Message = waiting
	}
	return f, err
}

// fit makes the pool's nodes those that are wanted: indices 0 to count-1. Nodes that Berth did not make stay. Those that
// are too many are emptied first, however many looks that takes; waiting says what they wait for.
func (c *cluster) fit(ctx context.Context, conn *kube.Conn, r record, have []kube.Node) (waiting string, err error) {
	pool := r.Spec.Pools[0]
	size, _ := catalog.Size(pool.VMSize) // known: Prepare has looked
	facts := kube.SizeFacts{Name: size.Name, VCPUs: size.VCPUs, MemoryMiB: size.MemoryMiB, GPUs: size.GPUs, FPGAs: size.FPGAs,
		Architecture: size.Architecture}
	surplus := map[string]kube.Node{}
	for _, n := range have {
		if n.Made() && n.Pool == pool.Name {
			surplus[n.Name] = n
		}
	}
	var work []func() error
	for i := range pool.Count {
		node := kube.NodeFor(r.ID, pool, facts, i).In(r.Spec.Location)
		node.KubeletVersion = "v" + r.Spec.Version
		if r.Real {
			node = node.Real(!r.Unlimited)
		}
		now, there := surplus[node.Name]
		if !there {
			work = append(work, func() error { return conn.CreateNode(ctx, node) })
		} else if now.Leaving || !now.Fits(node) {
			work = append(work, func() error { return keep(ctx, conn, now, node) })
		}
		delete(surplus, node.Name)
	}
	var said sync.Map
	for name := range surplus {
		work = append(work, func() error { return leave(ctx, conn, name, &said) })
	}
	err = together(work)
	said.Range(func(_, text any) bool { waiting = text.(string); return false })
	return waiting, err
}

// keep makes a node that exists what it is to be.
func keep(ctx context.Context, conn *kube.Conn, now kube.Node, want kube.NodeSpec) error {
	if now.Leaving {
		if err := conn.Stay(ctx, now.Name); err != nil {
			return err
		}
	}
	if now.Fits(want) {
		return nil
	}
	return conn.Amend(ctx, want)
}

// leave takes a node away once its pods have left it, and says until then what it waits for.
func leave(ctx context.Context, conn *kube.Conn, node string, said *sync.Map) error {
	remaining, why, err := conn.Drain(ctx, node)
	switch {
	case err != nil:
		return err
	case remaining == 0:
		return conn.DeleteNode(ctx, node)
	}
	line := fmt.Sprintf("waiting for %d pods to leave node %s", remaining, node)
	if why != "" {
		line += ": " + why
	}
	said.Store(node, line)
	return nil
}

// together runs work, at most 16 pieces at a time.
func together(work []func() error) error {
	const most = 16
	slots, errs := make(chan struct{}, most), make([]error, len(work))
	var wg sync.WaitGroup
	for i, f := range work {
		slots <- struct{}{}
		wg.Go(func() {
			errs[i] = f()
			<-slots
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// remove writes down that the cluster is to go, ends its process, and takes its folder away.
func (c *cluster) remove() (bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone {
		return true, nil
	}
	if !c.record.Removing {
		changed := c.record
		changed.Removing = true
		if err := writeRecord(c.dir, changed); err != nil {
			return false, err
		}
		c.record = changed
	}
	c.disconnect()
	c.process.halt()
	if !c.process.ended() {
		return false, nil
	}
	if err := removeFolder(c.dir); ending(err) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	c.gone = true
	return true, nil
}

// removeFolder takes the record away last: as long as anything is left it says that the rest is to go.
func removeFolder(dir string) error {
	kube := filepath.Join(dir, "kube")
	err := os.RemoveAll(kube)
	if errors.Is(err, fs.ErrPermission) { // a container has made a folder that even its owner may not enter
		_ = filepath.WalkDir(kube, func(path string, e fs.DirEntry, _ error) error {
			if e != nil && e.IsDir() {
				_ = os.Chmod(path, 0o700) // #nosec: a folder; what cannot be opened is reported below
			}
			return nil
		})
		err = os.RemoveAll(kube)
	}
	if err != nil {
		return err
	}
	return os.RemoveAll(dir)
}

// ending reports that a folder could not be removed because the processes of real nodes, which were killed, still end: that takes them a
// moment longer than the process that was waited for.
func ending(err error) bool {
	return errors.Is(err, syscall.ENOTEMPTY) || errors.Is(err, syscall.EBUSY)
}

// endingPatience is how long that may take.
const endingPatience = 5 * time.Second
