// Package fake is a provider whose clusters are simulated: a small Kubernetes API in memory, for tests and benchmarks.
package fake

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"sync"
	"time"

	"github.com/jonboulle/clockwork"

	"berth.dev/berth"
)

// Provider implements berth.Provider in memory.
type Provider struct {
	// ReadyAfter is how long a new node takes to become ready, by the clock. Set it before the first Ensure.
	ReadyAfter time.Duration
	// SaidReal lets clusters say that their nodes are real ones, which these are not: for rules that ask for real nodes.
	SaidReal bool

	clock clockwork.Clock

	mu       sync.Mutex
	server   *server // started by the first Ensure
	clusters map[string]*cluster
	faults   map[string]faults // by id, for clusters that exist and those created later
	ensure   map[string]error
}

var _ berth.Provider = (*Provider)(nil)

// New creates a provider without clusters. Close it after use.
func New(clock clockwork.Clock) *Provider {
	return &Provider{clock: clock, clusters: map[string]*cluster{}, faults: map[string]faults{}, ensure: map[string]error{}}
}

// Close ends all clusters.
func (p *Provider) Close() {
	p.mu.Lock()
	s := p.server
	p.server, p.clusters = nil, map[string]*cluster{}
	p.mu.Unlock()
	if s != nil {
		s.close()
	}
}

// pathOf is the name of a cluster on the server.
func pathOf(id berth.ID) string {
	sum := sha256.Sum256([]byte(id.Key()))
	return hex.EncodeToString(sum[:12])
}

func (p *Provider) find(path string) *cluster {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.clusters[path]
}

// Observe implements berth.Provider.
func (p *Provider) Observe(_ context.Context, id berth.ID) (berth.ClusterFacts, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.clusters[pathOf(id)]
	if c == nil {
		return berth.ClusterFacts{}, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return p.facts(c, id), nil
}

func (p *Provider) endpoint(id berth.ID) string { return p.server.url + prefix + pathOf(id) }

// Ensure implements berth.Provider.
func (p *Provider) Ensure(ctx context.Context, id berth.ID, spec berth.ClusterSpec) (berth.ClusterFacts, error) {
	if err := ctx.Err(); err != nil {
		return berth.ClusterFacts{}, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.ensure[id.Key()]; err != nil {
		return berth.ClusterFacts{}, err
	}
	want, err := wanted(id, spec)
	if err != nil {
		return berth.ClusterFacts{}, err
	}
	if p.server == nil {
		s, err := startServer(p.find)
		if err != nil {
			return berth.ClusterFacts{}, err
		}
		p.server = s
	}
	c := p.clusters[pathOf(id)]
	if c == nil {
		c = newCluster(id, p.clock)
		c.faults = p.faults[id.Key()]
		p.clusters[pathOf(id)] = c
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.settleNetwork(spec); err != nil {
		return berth.ClusterFacts{}, err
	}
	if !c.faults.unreachable { // nodes come and go through the API, which does not answer now
		if err := c.fit(want, p.ReadyAfter); err != nil {
			return berth.ClusterFacts{}, err
		}
	}
	c.spec = spec
	return p.facts(c, id), nil
}

func (p *Provider) facts(c *cluster, id berth.ID) berth.ClusterFacts {
	f := c.facts(p.endpoint(id))
	f.Simulated = !p.SaidReal
	return f
}

// Remove implements berth.Provider.
func (p *Provider) Remove(ctx context.Context, id berth.ID) (gone bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.clusters, pathOf(id))
	return true, nil
}

// AdminKubeconfig implements berth.Provider. There is one credential.
func (p *Provider) AdminKubeconfig(ctx context.Context, id berth.ID) ([]byte, error) {
	return p.Kubeconfig(ctx, id)
}

// Kubeconfig implements berth.Provider.
func (p *Provider) Kubeconfig(_ context.Context, id berth.ID) ([]byte, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.clusters[pathOf(id)]
	if c == nil {
		return nil, berth.Errorf(berth.CodeNotFound, "The provider has no cluster '%s'.", id.Name())
	}
	return fmt.Appendf(nil, `apiVersion: v1
kind: Config
clusters:
- name: %[1]s
  cluster:
    server: %[2]s
    certificate-authority-data: %[3]s
users:
- name: admin
  user:
    token: %[4]s
contexts:
- name: admin
  context:
    cluster: %[1]s
    user: admin
current-context: admin
`, pathOf(id), p.endpoint(id), base64.StdEncoding.EncodeToString(p.server.ca), c.adminToken), nil
}
