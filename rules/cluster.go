package rules

import (
	"strings"

	"berth.dev/berth"
	"berth.dev/berth/catalog"
)

// ClusterName checks the name of a managed or connected cluster.
func ClusterName(n string) []Violation {
	if clusterName.MatchString(n) {
		return nil
	}
	return violation(berth.CodeInvalidName, "name", "The cluster name '%.80s' is not possible: it must have 1 to 63 letters, digits, '-' "+
		"or '_', and begin and end with a letter or digit.", n)
}

// ClusterFacts is what the rules must know besides the request.
type ClusterFacts struct {
	Old    *berth.ClusterSpec // nil on create
	Asked  string             // the version as the request states it
	Policy berth.ID           // a policy assignment that forbids public IPs; zero for none
}

// Cluster checks a managed cluster that is to be created or updated.
func Cluster(n string, w berth.ClusterSpec, f ClusterFacts) []Violation {
	old := f.Old
	var out []Violation
	if old == nil {
		out = append(out, ClusterName(n)...)
	}
	out = append(out, clusterVersion(w, old, f.Asked)...)
	out = append(out, authorizedRanges(w)...)
	if old == nil {
		out = append(out, publicIPForCluster(w, f.Policy)...)
	}
	if len(w.Pools) != 1 {
		return append(out, poolCount(w)...)
	}
	out = append(out, pool(w.Pools[0])...)
	if old != nil && len(old.Pools) == 1 {
		out = append(out, poolChange(w.Pools[0], old.Pools[0])...)
	}
	return out
}

func clusterVersion(w berth.ClusterSpec, old *berth.ClusterSpec, asked string) []Violation {
	const target = "properties.kubernetesVersion"
	if _, known := catalog.ResolveVersion(asked); !known {
		return invalid(target, "Kubernetes version '%.40s' is not available. Available versions: %s.", asked, SupportedVersions())
	}
	if old != nil && old.Version != w.Version {
		return invalid(target, "The cluster runs Kubernetes %s, and Berth cannot upgrade clusters yet. Leave out the version, or create "+
			"another cluster.", old.Version)
	}
	return nil
}

// poolCount: the service deploys to one pool only, so that pool must have the required size from the start (DOC).
func poolCount(w berth.ClusterSpec) []Violation {
	if len(w.Pools) == 0 {
		return invalid("properties.agentPoolProfiles", "A cluster needs one node pool of mode System.")
	}
	return invalid("properties.agentPoolProfiles", "A second node pool is not possible: models cannot be deployed to secondary pools. For "+
		"GPU or FPGA nodes, or another VM size, create a cluster whose only pool has that size.")
}

func pool(p berth.NodePool) []Violation {
	const at = "properties.agentPoolProfiles[0]."
	var out []Violation
	if !poolName.MatchString(p.Name) {
		out = append(out, violation(berth.CodeInvalidName, at+"name",
			"The node pool name '%.40s' is not possible: it must have 1 to 12 lower-case letters or digits and begin with a letter.", p.Name)...)
	}
	if !strings.EqualFold(p.Mode, "System") {
		out = append(out, invalid(at+"mode", "The only pool of a cluster must be of mode System, not %s.", p.Mode)...)
	}
	if !strings.EqualFold(p.OSType, "Linux") {
		out = append(out, invalid(at+"osType", "A System pool runs Linux, not %s.", p.OSType)...)
	}
	if p.MaxPods < 10 || p.MaxPods > 250 {
		out = append(out, invalid(at+"maxPods", "maxPods is %d; it must be from 10 to 250.", p.MaxPods)...)
	}
	out = append(out, nodes(at+"count", p.Count)...)
	return append(out, vmSize(at+"vmSize", p.VMSize)...)
}

func poolChange(p, was berth.NodePool) []Violation {
	const at = "properties.agentPoolProfiles[0]."
	var out []Violation
	if p.Name != was.Name {
		out = append(out, invalid(at+"name", "The cluster's pool is called '%s'. It cannot be renamed, and a cluster cannot have a second pool.",
			was.Name)...)
	}
	if !strings.EqualFold(p.VMSize, was.VMSize) {
		out = append(out, violation(berth.CodeExistsDifferently, at+"vmSize",
			"The nodes are of size %s and cannot become %s: only their number can be changed.", was.VMSize, p.VMSize)...)
	}
	return out
}
