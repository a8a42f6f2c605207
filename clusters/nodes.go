package clusters

import (
	"context"

	"berth.dev/berth"
	"berth.dev/berth/kube"
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
		f := nodeFacts(n, loads[n.Name])
		f.Partly = !whole
		out = append(out, f)
	}
	return out, nil
}

func nodeFacts(n kube.Node, l kube.Load) berth.NodeFacts {
	return berth.NodeFacts{
		Name: n.Name, Ready: n.Ready, Leaving: n.Leaving, Simulated: n.Simulated, VMSize: n.InstanceType, Version: n.KubeletVersion,
		VCPUs: n.VCPUs, MemoryMiB: n.MemoryMiB, GPUs: n.GPUs, Pods: l.Pods, MilliCPUs: l.MilliCPUs, RequestedMiB: l.MemoryMiB,
	}
}
