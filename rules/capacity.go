package rules

import (
	"fmt"

	"berth.dev/berth"
	"berth.dev/berth/catalog"
)

const (
	// ProductionVCPUs is the minimum number of vCPUs of a cluster for production.
	ProductionVCPUs = catalog.ProductionVCPUs
	productionNodes = 3 // advised: such a cluster survives the loss of one node
	devTestVCPUs    = 2 // advised
)

// EnoughVCPUs reports whether a cluster with so many vCPUs, over all of its nodes, is large enough for a purpose: FastProd and
// DenseProd need ProductionVCPUs, DevTest needs none (the service's document, for create and attach alike). Nodes with FPGAs need
// none either: the service's own example is a single Standard_PB6s for FastProd.
func EnoughVCPUs(p berth.Purpose, vcpus int, vmSize string) bool {
	size, _ := catalog.Size(vmSize)
	return p == berth.DevTest || size.FPGAs > 0 || vcpus >= ProductionVCPUs
}

// CapacityError is the refusal (CodeBadRequest) of a cluster that has too few vCPUs for a purpose; nil when EnoughVCPUs. The
// message states the minimum; rest continues it, from the semicolon or colon, with what the cluster has and what to do.
func CapacityError(p berth.Purpose, vcpus int, vmSize, rest string) *berth.Error {
	if EnoughVCPUs(p, vcpus, vmSize) {
		return nil
	}
	return berth.Errorf(berth.CodeBadRequest, "A cluster for %s needs at least %d vCPUs%s", p, ProductionVCPUs, rest)
}

// extent is the number of nodes of a cluster and of the vCPUs of all of them. vmSize and rest are as for CapacityError.
type extent struct {
	nodes, vcpus int
	vmSize, rest string
}

// capacity compares an extent with a purpose. The minimum of a cluster for production is a rule; the others are advice.
func capacity(target string, p berth.Purpose, have extent) []Violation {
	if e := CapacityError(p, have.vcpus, have.vmSize, have.rest); e != nil {
		return violation(e.Code, target, "%s", e.Message)
	}
	switch {
	case p == berth.DevTest && have.vcpus < devTestVCPUs:
		return warning(target, "A DevTest cluster should have at least %d vCPUs; this one has %d.", devTestVCPUs, have.vcpus)
	case p != berth.DevTest && have.nodes < productionNodes:
		return warning(target, "A cluster for %s should have at least %d nodes, so that it survives the loss of one; this one has %d.",
			p, productionNodes, have.nodes)
	}
	return nil
}

// poolCapacity judges a cluster by the nodes that were requested: n of one size.
func poolCapacity(target string, p berth.Purpose, n int, size catalog.VMSize) []Violation {
	if size.VCPUs == 0 || n < 1 || !knownPurpose(p) {
		return nil // another rule reports it
	}
	have, need := n*size.VCPUs, (ProductionVCPUs+size.VCPUs-1)/size.VCPUs
	rest := fmt.Sprintf(": %d node(s) × %d vCPU(s) of %s make %d. Use %d nodes of this size, a larger VM size, or the purpose DevTest.",
		n, size.VCPUs, size.Name, have, need)
	return capacity(target, p, extent{n, have, size.Name, rest})
}

// connectedCapacity judges a cluster by what it reports: its nodes may be of many sizes.
func connectedCapacity(target string, p berth.Purpose, s berth.ClusterStatus) []Violation {
	if s.Nodes == 0 || !knownPurpose(p) {
		return nil // not observed yet, or another rule reports it
	}
	rest := fmt.Sprintf("; its %d node(s) have %d together. Add nodes, use larger ones, or attach it with the purpose DevTest.",
		s.Nodes, s.VCPUs)
	return capacity(target, p, extent{s.Nodes, s.VCPUs, s.VMSize, rest})
}

// clusterFits judges the location and the size of the cluster that an attach names.
func clusterFits(w berth.ComputeSpec, f ComputeFacts) []Violation {
	var out []Violation
	if f.ClusterLocation != "" && f.WorkspaceLocation != "" && f.ClusterLocation != f.WorkspaceLocation {
		out = warning("properties.resourceId", "The cluster is in %s and the workspace is in %s: calls between them are slower and data "+
			"transfer costs more.",
			f.ClusterLocation, f.WorkspaceLocation)
	}
	const target = inner + "clusterPurpose" // of an attach it is the purpose that the request can change
	switch pools := f.Cluster.Spec.Pools; {
	case w.Type != berth.ComputeAKS:
		return out
	case f.Cluster.Spec.Connected:
		return append(out, connectedCapacity(target, w.Purpose, f.Cluster.Status)...)
	case len(pools) == 0:
		return out
	default:
		size, _ := catalog.Size(pools[0].VMSize)
		return append(out, poolCapacity(target, w.Purpose, pools[0].Count, size)...)
	}
}
