package kube

// Totals is what the nodes of a cluster are together.
type Totals struct {
	Nodes, Ready, VCPUs int
	VMSize              string // of the last node that names one; empty when none does
}

// Total adds nodes up.
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

// AllReady is false for a cluster without nodes too: nothing can run there.
func (t Totals) AllReady() bool { return t.Ready > 0 && t.Ready == t.Nodes }

// Totals adds up the nodes that the cluster showed.
func (f Facts) Totals() Totals { return Total(f.Nodes) }
