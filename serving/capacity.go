package serving

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"berth.dev/berth"
	"berth.dev/berth/kube"
)

// room is what is free on a node.
type room struct {
	name           string
	milli, mebi, n int
	gpus           int
}

// capacity reports whether the nodes have no room for the replicas that are to be created, before any of them is: for an update that is
// one more than there are.
func (a *advance) capacity() (*berth.Error, error) {
	needed := a.replicas()
	if a.have.Status.Replicas > 0 {
		needed = max(needed-a.have.Status.Replicas, 0) + 1
	}
	if needed == 0 {
		return nil, nil
	}
	if len(a.d.NodeSelector) > 0 { // the scheduler says which nodes have these labels
		return nil, nil
	}
	loads, whole, err := a.conn.Loads(a.ctx)
	if err != nil || !whole {
		return nil, err
	}
	var rooms []room
	var unready []string
	for _, n := range a.nodes {
		switch {
		case n.Leaving:
			continue
		case !n.Ready && !a.coming(n):
			unready = append(unready, n.Name)
			continue
		}
		l := loads[n.Name]
		rooms = append(rooms, room{n.Name, n.VCPUs*1000 - l.MilliCPUs, n.MemoryMiB - l.MemoryMiB, 0, n.GPUs})
	}
	cpu, memory := int(math.Round(a.d.CPU*1000)), int(math.Round(a.d.MemoryGB*1024))
	fits := 0
	for i := range rooms {
		for r := &rooms[i]; fits < needed && r.milli >= cpu && r.mebi >= memory && r.gpus >= a.d.GPU; fits++ {
			r.milli, r.mebi = r.milli-cpu, r.mebi-memory
			r.gpus, r.n = r.gpus-a.d.GPU, r.n+1
		}
	}
	if fits >= needed {
		return nil, nil
	}
	slices.SortFunc(rooms, func(x, y room) int { return strings.Compare(x.name, y.name) })
	var free []string
	for _, r := range rooms[:min(len(rooms), toldNodes)] {
		free = append(free, fmt.Sprintf("%s %.1f CPUs and %.1f GB", r.name, float64(r.milli+r.n*cpu)/1000, float64(r.mebi+r.n*memory)/1024))
	}
	if len(unready) > 0 {
		free = append(free, "nothing on nodes that are not Ready: "+strings.Join(unready[:min(len(unready), toldNodes)], ", "))
	}
	return berth.Errorf(CodeUnschedulable, "The nodes have room for %d of %d more replicas with %g CPUs, %g GB of memory and %d GPUs each. "+
		"Free are: %s. Add nodes, or ask for less.", fits, needed, a.d.CPU, a.d.MemoryGB, a.d.GPU, strings.Join(free, "; ")), nil
}

const (
	toldNodes   = 5           // how many nodes an error lists
	nodeMayCome = time.Minute // how long a node that is not Ready counts as one that starts, as all do after a restart of the cluster
)

// coming reports whether a node may be Ready soon.
func (a *advance) coming(n kube.Node) bool {
	return !n.Ready && !n.Leaving && a.o.Clock.Since(n.Since) < nodeMayCome
}
