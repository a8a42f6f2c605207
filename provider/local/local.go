// Package local makes clusters on this machine: one berth-kube process each, with real or simulated nodes.
package local

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/jonboulle/clockwork"

	"berth.dev/berth"
	"berth.dev/berth/catalog"
	"berth.dev/berth/kube"
)

// Options is what a Provider works with.
type Options struct {
	Dir    string // one folder per cluster is made in it
	Binary string // berth-kube; looked for when empty
	Nodes  string // berth.NodesReal, berth.NodesSimulated, or empty: real where this machine can run them
	Images string // folder of images for real nodes; beside Dir when empty
	Egress string // EgressNone: pods on real nodes have no way to the outside
	SignIn SignIn // how people and programs sign in to clusters that ask for it
	Logger *slog.Logger
	Clock  clockwork.Clock
}

// EgressNone is the value of Options.Egress with which only images come from outside.
const EgressNone = "none"

// ImagesFolder is the folder of images in a data folder.
const ImagesFolder = "images"

// Provider implements berth.Provider with berth-kube processes.
type Provider struct {
	Options
	starter *starter
	check   preflight

	mu       sync.Mutex
	clusters map[string]*cluster // by folder name
	stopped  bool
}

var _ berth.Provider = (*Provider)(nil)

// New makes a provider. It starts nothing: Start does.
func New(o Options) (*Provider, error) {
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, err
	}
	o.Dir = dir
	o.Images = cmp.Or(o.Images, filepath.Join(filepath.Dir(dir), ImagesFolder))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("the folder for clusters cannot be made: %w", err)
	}
	return &Provider{Options: o, starter: newStarter(), clusters: map[string]*cluster{}}, nil
}

// Start ends what an earlier server left running, and brings every cluster back. It does not wait for them.
func (p *Provider) Start(context.Context) error {
	entries, err := os.ReadDir(p.Dir)
	if err != nil {
		return err
	}
	p.mu.Lock() // nobody makes a cluster in a folder that was not looked at yet
	defer p.mu.Unlock()
	if p.stopped {
		return errStopping
	}
	for _, e := range entries {
		if !e.IsDir() || !folderName.MatchString(e.Name()) {
			continue
		}
		if err := p.bringBack(e.Name()); err != nil {
			return err
		}
	}
	return nil
}

// bringBack goes on with what is in a folder. p.mu is held.
func (p *Provider) bringBack(name string) error {
	dir := filepath.Join(p.Dir, name)
	if err := reap(dir); err != nil {
		return fmt.Errorf("a cluster's process of an earlier run is in the way: %w", err)
	}
	r, err := readRecord(dir)
	if errors.Is(err, fs.ErrNotExist) { // half made: nobody was told of it. Or half removed: its record went first
		return os.RemoveAll(dir)
	}
	if err != nil {
		return err
	}
	if r.Removing { // its caller may be gone
		err := removeFolder(dir)
		for deadline := time.Now().Add(endingPatience); ending(err) && time.Now().Before(deadline); err = removeFolder(dir) {
			time.Sleep(20 * time.Millisecond)
		}
		if err != nil { // the other clusters are more important
			p.Logger.Warn("the folder of a removed cluster stays", "folder", dir, "error", err)
		}
		return nil
	}
	p.adopt(name, r).run()
	return nil
}

// Stop ends all clusters and waits for them, at the most until ctx is done.
func (p *Provider) Stop(ctx context.Context) error {
	p.mu.Lock()
	p.stopped = true
	var all []*cluster
	for _, c := range p.clusters {
		all = append(all, c)
	}
	p.mu.Unlock()
	for _, c := range all {
		c.halt()
	}
	var errs []error
	for _, c := range all {
		if err := c.halted(ctx); err != nil {
			errs = append(errs, fmt.Errorf("cluster %s did not stop: %w", c.name, err))
		}
	}
	p.starter.stop()
	return errors.Join(errs...)
}

var errStopping = errors.New("the server is stopping")

// folderName is what folder makes; other folders are not ours to touch.
var folderName = regexp.MustCompile(`-[0-9a-f]{8}$`)

// folder is the name of a cluster's folder: readable, and unlike that of any other id.
func folder(id berth.ID) string {
	sum := sha256.Sum256([]byte(id.Key()))
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' {
			return r
		}
		return '-'
	}, strings.ToLower(id.Name()))
	return name[:min(len(name), 30)] + "-" + hex.EncodeToString(sum[:4])
}

// adopt takes a record into the table. p.mu is held.
func (p *Provider) adopt(name string, r record) *cluster {
	c := newCluster(p, name, r)
	p.clusters[name] = c
	return c
}

func (p *Provider) find(id berth.ID) *cluster {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.clusters[folder(id)]
}

// Named is the cluster with a name as ClusterFacts.FQDN, and the loopback address of its API; false when this provider has none.
func (p *Provider) Named(host string) (id berth.ID, api string, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.clusters {
		if f, r := c.base(); strings.EqualFold(f.FQDN, host) && !r.Removing {
			return c.id, strings.TrimPrefix(f.Endpoint, "https://"), true
		}
	}
	return berth.ID{}, "", false
}

// Observe implements berth.Provider.
func (p *Provider) Observe(ctx context.Context, id berth.ID) (berth.ClusterFacts, error) {
	c := p.find(id)
	if c == nil {
		return berth.ClusterFacts{}, nil
	}
	return c.facts(ctx)
}

// Ensure implements berth.Provider.
func (p *Provider) Ensure(ctx context.Context, id berth.ID, spec berth.ClusterSpec) (berth.ClusterFacts, error) {
	if _, err := FindBinary(p.Binary); err != nil {
		return berth.ClusterFacts{}, err
	}
	if err := p.Prepare(id, spec); err != nil {
		return berth.ClusterFacts{}, err
	}
	c := p.find(id)
	if c == nil {
		return berth.ClusterFacts{}, errRemoving
	}
	return c.ensure(ctx)
}

// Prepare writes down what a cluster is to be, and sees that its process runs.
func (p *Provider) Prepare(id berth.ID, spec berth.ClusterSpec) error {
	if len(spec.Pools) == 0 {
		return berth.Errorf(berth.CodeBadRequest, "A cluster needs a node pool.")
	}
	if _, known := catalog.Size(spec.Pools[0].VMSize); !known {
		return berth.Errorf(berth.CodeBadRequest, "The VM size '%s' is not known.", spec.Pools[0].VMSize)
	}
	if _, err := kube.Ranges(spec.Network); err != nil {
		return err
	}
	var choice nodesChoice
	if p.find(id) == nil { // outside the lock: the first choice tries this machine
		var err error
		if choice, err = p.choose(spec.Nodes, spec.Pools[0].Count); err != nil {
			return err
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopped {
		return errStopping
	}
	name := folder(id)
	c := p.clusters[name]
	if c == nil {
		port, err := p.freePort()
		if err != nil {
			return err
		}
		r := record{ID: id, Spec: spec, Port: port, nodesChoice: choice}
		if err := writeRecord(filepath.Join(p.Dir, name), r); err != nil {
			return err
		}
		p.adopt(name, r).run()
		return nil
	}
	return c.prepare(spec)
}

// freePort finds a loopback port that is free now and that no cluster has been given. p.mu is held.
func (p *Provider) freePort() (int, error) {
	taken := map[int]bool{}
	for _, c := range p.clusters {
		taken[c.port()] = true
	}
	for range 100 {
		if port, free := steadyPort(); free && !taken[port] {
			return port, nil
		}
	}
	for range 100 {
		port, err := kernelPort()
		if err != nil {
			return 0, fmt.Errorf("no loopback port is to be had: %w", err)
		}
		if !taken[port] {
			return port, nil
		}
	}
	return 0, errors.New("no loopback port is to be had that is not another cluster's")
}

// Remove implements berth.Provider.
func (p *Provider) Remove(_ context.Context, id berth.ID) (bool, error) {
	c := p.find(id)
	if c == nil {
		return true, nil
	}
	gone, err := c.remove()
	if gone {
		p.mu.Lock()
		if p.clusters[c.name] == c { // and not one that was made since, in a folder of the same name
			delete(p.clusters, c.name)
		}
		p.mu.Unlock()
	}
	return gone, err
}

// Kubeconfig implements berth.Provider.
func (p *Provider) Kubeconfig(_ context.Context, id berth.ID) ([]byte, error) {
	c := p.find(id)
	if c == nil {
		return nil, berth.Errorf(berth.CodeNotFound, "There is no local cluster '%s'.", id.Name())
	}
	return c.kubeconfig()
}

// AdminKubeconfig implements berth.Provider.
func (p *Provider) AdminKubeconfig(_ context.Context, id berth.ID) ([]byte, error) {
	c := p.find(id)
	if c == nil {
		return nil, berth.Errorf(berth.CodeNotFound, "There is no local cluster '%s'.", id.Name())
	}
	return c.credentialFile("admin.kubeconfig")
}

// FindBinary finds berth-kube: where it is said to be, beside this program, or in PATH.
func FindBinary(explicit string) (string, error) {
	const name = "berth-kube"
	if explicit != "" {
		if info, err := os.Stat(explicit); err != nil || info.IsDir() {
			return "", berth.Errorf(berth.CodeProviderUnavailable,
				"The program that runs clusters is not at %s. Build it with 'make', or name another with --kube-binary.", explicit)
		}
		return explicit, nil
	}
	var looked []string
	if self, err := os.Executable(); err == nil {
		looked = append(looked, filepath.Join(filepath.Dir(self), name))
	}
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		if dir != "" {
			looked = append(looked, filepath.Join(dir, name))
		}
	}
	for _, path := range looked {
		if info, err := os.Stat(path); err == nil && !info.IsDir() {
			return path, nil
		}
	}
	return "", berth.Errorf(berth.CodeProviderUnavailable,
		"The program that runs clusters, %s, was found neither beside berth nor in PATH. "+
			"Build it with 'make', or name it with 'berth serve --kube-binary FILE'.", name)
}
