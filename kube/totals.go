package kube

// Totals sums up the nodes of a cluster: their number, vCPUs, memory and devices.
type Totals struct {
	Nodes, Ready, VCPUs int
	VMSize              string // of the last node that names one; empty when none does
}

// Total sums up nodes.
func Total(nodes []Node) Totals {
	t := Totals{Nodes: len(nodes)}
	for _, n := range nodes {
		t.VCPUs += n.VCPUs
		if n.Ready {
			t.Ready++
		}
		if n.InstanceType != "" {
			t.VMSize = n.InstanceType
		}
	}
	return t
}

// AllReady reports whether all nodes are ready. False without nodes: nothing can run there.
func (t Totals) AllReady() bool { return t.Ready > 0 && t.Ready == t.Nodes }

// Totals sums up the nodes of the cluster.
func (f Facts) Totals() Totals { return Total(f.Nodes) }
