package studio

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"berth.dev/berth"
)

const (
	// nodesPatience is how long the overview waits for the nodes of the clusters: it shows what came until then.
	nodesPatience = 2 * time.Second
	// nodesAtOnce is how many clusters the overview asks at the same time.
	nodesAtOnce = 8
	// shownLatest is how many entries a list of the overview has.
	shownLatest = 5
)

type overviewData struct {
	Workspaces, Computes, Clusters int
	ComputeHealth, ClusterHealth   []healthCount
	Trouble                        []troubled
	Running, Failures              []operationView
	RunningTotal                   int
	Capacity                       []capacity
	Total                          capacity
	Silent                         int    // clusters whose nodes could not be listed
	Next                           string // of the three first steps; empty when all are done
	NewCompute                     string // the address where a compute is created
}

// healthCount is how many resources have a health.
type healthCount struct {
	Health healthView
	Count  int
}

// troubled is a resource that failed or is not healthy.
type troubled struct {
	Name, Kind, State, Message, Link string
	Health                           healthView
}

// capacity is what the nodes of a cluster can run, and what their pods have requested of it.
type capacity struct {
	Cluster           clusterView
	Nodes, ReadyNodes int
	VCPUs, ReadyVCPUs int
	MilliCPUs         int // requested by pods, in thousandths of a vCPU
	Answered          bool
}

// Requested is the number of vCPUs that pods have requested.
func (c capacity) Requested() float64 { return float64(c.MilliCPUs) / 1000 }

// overview is the first page after the sign-in.
func (s *Studio) overview(v *visit) error {
	all, err := v.estate()
	if err != nil {
		return err
	}
	clusters := clustersOf(all)
	d := overviewData{Workspaces: len(all.workspaces), Computes: len(all.computes), Clusters: len(clusters)}
	var computeHealth, clusterHealth []healthView
	for _, o := range all.computes {
		c := computeOf(o)
		computeHealth = append(computeHealth, c.Health)
		id, _ := berth.ParseID(c.ID) // the zero id has no link
		message := c.Health.Message
		if len(c.Problems) > 0 {
			message = c.Problems[0]
		}
		d.note(troubled{Name: c.Name, Kind: "compute", State: c.State, Message: message, Link: linkOf(id), Health: c.Health})
	}
	for i, c := range clusters {
		clusterHealth = append(clusterHealth, c.Health)
		message := cmp.Or(text(all.clusters[i], "properties", "error", "message"), c.Health.Message)
		d.note(troubled{Name: c.Name, Kind: "cluster", State: c.State, Message: message, Link: c.Link(), Health: c.Health})
	}
	d.ComputeHealth, d.ClusterHealth = countHealth(computeHealth), countHealth(clusterHealth)
	d.Next, d.NewCompute = nextStep(d), Path+"/workspaces"
	for _, w := range all.workspaces[:min(1, len(all.workspaces))] {
		if id, err := berth.ParseID(text(w, "id")); err == nil {
			d.NewCompute = workspaceLink(id.Group, id.Name()) + "/new"
		}
	}
	if err := v.latest(&d); err != nil {
		return err
	}
	v.measure(&d, clusters)
	return v.render("overview", d)
}

func (d *overviewData) note(t troubled) {
	if t.State == string(berth.StateFailed) || t.Health.Bad() {
		d.Trouble = append(d.Trouble, t)
	}
}

// nextStep is the first of the three first steps that is not done; empty when all are.
func nextStep(d overviewData) string {
	switch {
	case d.Workspaces == 0:
		return "workspace"
	case d.Clusters == 0:
		return "cluster"
	case d.Computes == 0:
		return "compute"
	}
	return ""
}

// countHealth counts healths, the worst first.
func countHealth(all []healthView) (out []healthCount) {
	for _, state := range []berth.HealthState{berth.Unreachable, berth.Degraded, berth.UnknownHealth, berth.Healthy} {
		n := 0
		for _, h := range all {
			if cmp.Or(h.State, berth.UnknownHealth) == state {
				n++
			}
		}
		if n > 0 {
			out = append(out, healthCount{healthView{State: state}, n})
		}
	}
	return out
}

// latest adds the operations that run, and the latest failures.
func (v *visit) latest(d *overviewData) error {
	all, err := v.arm.Operations(v.r.Context(), berth.ID{}, false)
	if err != nil {
		return err
	}
	running, err := v.arm.Operations(v.r.Context(), berth.ID{}, true) // the list above may end before the oldest of these
	if err != nil {
		return err
	}
	d.RunningTotal = len(running)
	for _, o := range running[:min(len(running), shownLatest)] {
		d.Running = append(d.Running, operationOf(o, time.Now()))
	}
	for _, o := range all {
		if op := operationOf(o, time.Now()); op.State == string(berth.StateFailed) && len(d.Failures) < shownLatest {
			d.Failures = append(d.Failures, op)
		}
	}
	return nil
}

// measure adds the capacity of the clusters, as their nodes are now.
func (v *visit) measure(d *overviewData, clusters []clusterView) {
	ctx, cancel := context.WithTimeout(v.r.Context(), nodesPatience)
	defer cancel()
	d.Capacity = make([]capacity, len(clusters))
	slots := make(chan struct{}, nodesAtOnce)
	var wait sync.WaitGroup
	for i, c := range clusters {
		wait.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			d.Capacity[i] = v.capacityOf(ctx, c)
		})
	}
	wait.Wait()
	for _, c := range d.Capacity {
		if !c.Answered {
			d.Silent++
		}
		d.Total.add(c)
	}
	slices.SortStableFunc(d.Capacity, func(a, b capacity) int { return cmp.Compare(b.VCPUs, a.VCPUs) })
}

func (c *capacity) add(other capacity) {
	c.Nodes += other.Nodes
	c.ReadyNodes += other.ReadyNodes
	c.VCPUs += other.VCPUs
	c.ReadyVCPUs += other.ReadyVCPUs
	c.MilliCPUs += other.MilliCPUs
}

// capacityOf asks a cluster for its nodes, unless it is known not to answer or is not ready yet.
func (v *visit) capacityOf(ctx context.Context, cluster clusterView) capacity {
	out := capacity{Cluster: cluster}
	id, err := berth.ParseID(cluster.ID)
	if err != nil || !cluster.Settled() || cluster.Health.State == berth.Unreachable {
		return out
	}
	nodes, err := v.arm.Nodes(ctx, id)
	out.Answered = err == nil
	for _, n := range nodes {
		out.add(capacity{Nodes: 1, VCPUs: n.VCPUs, MilliCPUs: n.MilliCPUs})
		if n.Ready {
			out.add(capacity{ReadyNodes: 1, ReadyVCPUs: n.VCPUs})
		}
	}
	return out
}
