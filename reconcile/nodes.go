package reconcile

import (
	"context"

	"berth.dev/berth"
)

// Nodes asks a cluster for its nodes, and for what their pods have asked for.
func (e *Engine) Nodes(ctx context.Context, cluster berth.ID) ([]berth.NodeFacts, error) {
	conn, err := e.adminConn(ctx, cluster)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	nodes, err := conn.Nodes(ctx)
	if err != nil {
		return nil, unreachable(cluster, err)
	}
	loads, whole, err := conn.Loads(ctx)
	if err != nil {
		return nil, unreachable(cluster, err)
	}
	out := make([]berth.NodeFacts, 0, len(nodes))
	for _, n := range nodes {
		l := loads[n.Name]
		f := berth.NodeFacts{Name: n.Name, Ready: n.Ready, Leaving: n.Leaving, Simulated: n.Simulated, VMSize: n.InstanceType, Version: n.KubeletVersion,
			VCPUs: n.VCPUs, MemoryMiB: n.MemoryMiB, GPUs: n.GPUs, Pods: l.Pods, MilliCPUs: l.MilliCPUs, RequestedMiB: l.MemoryMiB}
		if !whole {
			f.Partly = true
		}
		out = append(out, f)
	}
	return out, nil
}
