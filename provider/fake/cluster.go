package fake

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/jonboulle/clockwork"

	"berth.dev/berth"
	"berth.dev/berth/catalog"
	"berth.dev/berth/kube"
)

// cluster is one simulated Kubernetes: objects in memory, behind a path of the shared server.
type cluster struct {
	id         berth.ID
	clock      clockwork.Clock
	adminToken string

	mu      sync.Mutex
	spec    berth.ClusterSpec
	network berth.ClusterNetwork            // with its defaults
	objects map[*resource]map[string][]byte // JSON, by "namespace/name": a quarter of what decoded objects take
	changes int
	due     map[string]time.Time // when nodes that are not ready yet become it
	blocks  []string             // the name of the node that has each block of the pod range; empty for a free one
	faults  faults
}

func newCluster(id berth.ID, clock clockwork.Clock) *cluster {
	c := &cluster{id: id, clock: clock, adminToken: rand.Text(), objects: map[*resource]map[string][]byte{}, due: map[string]time.Time{}}
	for _, name := range []string{"default", "kube-system", "kube-public", "kube-node-lease"} {
		if _, err := c.create(at{resource: namespacesResource}, object{"metadata": map[string]any{"name": name}}); err != nil {
			panic(err)
		}
	}
	return c
}

// version is the version that the cluster reports.
func (c *cluster) version() string {
	if c.faults.version != "" {
		return c.faults.version
	}
	return c.spec.Version
}

// wanted is the nodes that spec asks for, by name.
func wanted(id berth.ID, spec berth.ClusterSpec) (map[string]kube.NodeSpec, error) {
	want := map[string]kube.NodeSpec{}
	for _, pool := range spec.Pools {
		size, ok := catalog.Size(pool.VMSize)
		if !ok {
			return nil, berth.Errorf(berth.CodeBadRequest, "The VM size '%s' of the node pool '%s' is not known.", pool.VMSize, pool.Name)
		}
		facts := kube.SizeFacts{Name: size.Name, VCPUs: size.VCPUs, MemoryMiB: size.MemoryMiB, GPUs: size.GPUs, FPGAs: size.FPGAs,
			Architecture: size.Architecture}
		for i := range pool.Count {
			n := kube.NodeFor(id, pool, facts, i).In(spec.Location)
			n.KubeletVersion = "v" + spec.Version
			want[n.Name] = n
		}
	}
	return want, nil
}

// fit creates the nodes that are missing and deletes those that are too many or of another size.
func (c *cluster) fit(want map[string]kube.NodeSpec, readyAfter time.Duration) error {
	for _, n := range c.nodes() {
		a := at{resource: nodesResource, name: n.Metadata.Name}
		if w, ok := want[n.Metadata.Name]; ok && w.Labels[instanceType] == n.Metadata.Labels[instanceType] {
			delete(want, n.Metadata.Name)
			o, missing := c.load(a)
			if missing != nil {
				return missing
			}
			before := string(o.bytes())
			if w.AmendObject(o); string(o.bytes()) != before {
				c.save(a, o)
			}
			continue
		}
		c.forget(a)
		delete(c.due, n.Metadata.Name)
	}
	for _, n := range want {
		if err := c.register(n, readyAfter); err != nil {
			return err
		}
	}
	return nil
}

const instanceType = "node.kubernetes.io/instance-type"

func (c *cluster) register(n kube.NodeSpec, readyAfter time.Duration) error {
	text, err := n.JSON()
	if err != nil {
		return err
	}
	o, err := decode(text)
	if err != nil {
		return err
	}
	if o["spec"], err = c.podRange(n.Name, o["spec"]); err != nil {
		return err
	}
	if _, failed := c.create(at{resource: nodesResource}, o); failed != nil {
		return failed
	}
	c.due[n.Name] = c.clock.Now().Add(readyAfter)
	return nil
}

// settle lets the nodes become ready whose time has come.
func (c *cluster) settle() {
	for name, t := range c.due {
		if c.clock.Now().Before(t) {
			continue
		}
		delete(c.due, name)
		a := at{resource: nodesResource, name: name}
		if o, missing := c.load(a); missing == nil {
			status, _ := o["status"].(map[string]any)
			status["conditions"] = []object{{"type": "Ready", "status": "True", "reason": "KubeletReady",
				"lastTransitionTime": c.clock.Now().UTC().Format(time.RFC3339)}}
			c.save(a, o)
		}
	}
}

// node is what is read again of a node.
type node struct {
	Metadata struct {
		Name   string
		Labels map[string]string
	}
	Status struct {
		Conditions []struct{ Type, Status string }
	}
}

func (n node) ready() bool {
	for _, c := range n.Status.Conditions {
		if c.Type == "Ready" {
			return c.Status == "True"
		}
	}
	return false
}

func (c *cluster) nodes() []node {
	var out []node
	for _, text := range c.objects[nodesResource] {
		var n node
		if err := json.Unmarshal(text, &n); err != nil {
			panic(err) // it was written by save
		}
		out = append(out, n)
	}
	return out
}

// facts is what the provider knows of the cluster.
func (c *cluster) facts(base string) berth.ClusterFacts {
	c.settle()
	f := berth.ClusterFacts{
		Exists: true, Endpoint: base, Version: c.version(),
		FQDN: fmt.Sprintf("%s-%s.berth.internal", strings.ToLower(c.spec.DNSPrefix), pathOf(c.id)[:8]),
	}
	if c.faults.unreachable {
		f.Message = "Kubernetes does not answer"
		return f
	}
	f.Reachable = true
	want := 0
	for _, pool := range c.spec.Pools {
		want += pool.Count
	}
	for _, n := range c.nodes() {
		f.Nodes++
		if n.ready() {
			f.ReadyNodes++
		}
	}
	f.Ready = f.Nodes == want && f.ReadyNodes == want
	if !f.Ready {
		f.Message = fmt.Sprintf("%d of %d nodes ready", f.ReadyNodes, want)
	}
	return f
}
