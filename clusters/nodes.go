package clusters

import (
	"context"

	"berth.dev/berth"
)

// Nodes asks a cluster for its nodes, and for what their pods request. CodeClusterUnreachable when it does not answer.
func (c *Clusters) Nodes(ctx context.Context, cluster berth.ID) ([]berth.NodeFacts, error) {
	conn, err := c.Connect(ctx, cluster)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	nodes, err := conn.Nodes(ctx)
	if err != nil {
		return nil, Unreachable(cluster, err)
	}
	loads, whole, err := conn.Loads(ctx)
	if err != nil {
		return nil, Unreachable(cluster, err)
	}
	out := make([]berth.NodeFacts, 0, len(nodes))
	for _, n := range nodes {
		l := loads[n.Name]
		out = append(out, berth.NodeFacts{
			Name: n.Name, Ready: n.Ready, Leaving: n.Leaving, Simulated: n.Simulated, VMSize: n.InstanceType, Version: n.KubeletVersion,
			VCPUs: n.VCPUs, MemoryMiB: n.MemoryMiB, GPUs: n.GPUs,
			Pods: l.Pods, MilliCPUs: l.MilliCPUs, RequestedMiB: l.MemoryMiB, Partly: !whole,
		})
	}
	return out, nil
}
