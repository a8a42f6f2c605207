package rules

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"berth.dev/berth"
	"berth.dev/berth/catalog"
)

const (
	maxNodes      = 1000 // of one pool, as AKS has it
	defaultVMSize = "Standard_D3_v2"
	inner         = "properties.properties."
)

// ComputeFacts is what the rules must know besides the request.
type ComputeFacts struct {
	WorkspaceLocation string
	Subscription      string
	Exists            *berth.Compute // the stored compute; nil on create
	ClusterID         berth.ID       // named by an attach
	Cluster           *berth.Cluster // nil when there is none by that id
	ClusterState      berth.State
	ClusterLocation   string
	Now               time.Time
	SSLKey            bool           // the request has a private key, or one is stored
	SSLKeyPEM         []byte         // that key; nil when it was not read
	Renew             bool           // the request renews the certificate
	NoSubnet          bool           // the network has no such subnet, or there is no such network
	Subnets           []netip.Prefix // of the network that the subnet is in
	Policy            berth.ID       // a policy assignment that forbids public IPs; zero for none
	ControlPlane      []netip.Prefix // the addresses from which Berth connects, for the workspace's region and its pair
	Namesake          berth.ID       // a compute of this name in another workspace of the region; zero for none
	Taken             error          // names the holder of the cluster; nil when no other compute holds it
	TakeOver          bool           // the request takes the cluster over from its present holder
	NoNodes           bool           // the request names an agentCount of 0
}

// KeptOfCompute checks what a compute keeps of a request: names are those of the properties that Berth does not act on.
func KeptOfCompute(w berth.ComputeSpec, names []string) []Violation {
	return append(otherTypes(w), NotActedOn(names)...)
}

// ComputeDefaults fills in what the user left out: FastProd, three nodes (DevTest one), Standard_D3_v2, PublicIp. Known
// names get their canonical casing.
func ComputeDefaults(s *berth.ComputeSpec) {
	if s.Type == berth.ComputeKubernetes {
		if s.Namespace == "" {
			s.Namespace = "default"
		}
		return
	}
	if s.Purpose == "" {
		s.Purpose = berth.FastProd
	}
	if s.LoadBalancerType == "" {
		s.LoadBalancerType = "PublicIp"
	}
	for _, t := range []string{"PublicIp", "InternalLoadBalancer"} {
		if strings.EqualFold(s.LoadBalancerType, t) {
			s.LoadBalancerType = t
		}
	}
	if s.LoadBalancerType == "PublicIp" && s.LoadBalancerNet == "aks-subnet" {
		s.LoadBalancerNet = "" // azureml-core's template always sends this default
	}
	if s.Attached {
		return
	}
	if s.AgentCount == 0 && s.Purpose == berth.DevTest {
		s.AgentCount = 1
	} else if s.AgentCount == 0 {
		s.AgentCount = productionNodes
	}
	if s.VMSize == "" {
		s.VMSize = defaultVMSize
	}
	if size, ok := catalog.Size(s.VMSize); ok {
		s.VMSize = size.Name
	}
}

// Compute checks a compute that is to be created, attached or updated.
func Compute(n string, w berth.ComputeSpec, f ComputeFacts) []Violation {
	out := shape(w, f)
	if f.Exists == nil {
		out = append(append(out, name(n)...), namesake(n, f)...)
	}
	if w.Type == berth.ComputeKubernetes {
		return append(append(out, attachable(w, f)...), namespace(w)...)
	}
	out = append(out, loadBalancer(w)...)
	out = append(out, ssl(w, f)...)
	out = append(out, network(w.Network, f)...)
	out = append(out, publicIPForCompute(w, f.Policy)...)
	out = append(out, purpose(w)...)
	if w.Attached {
		return append(append(out, attachable(w, f)...), nodesOfAttached(w, f)...)
	}
	out = append(out, vmSize(inner+"agentVmSize", w.VMSize)...)
	if f.NoNodes {
		out = append(out, nodes(inner+"agentCount", 0)...)
	} else {
		out = append(out, nodes(inner+"agentCount", w.AgentCount)...)
	}
	size, _ := catalog.Size(w.VMSize)
	out = append(out, poolCapacity(inner+"agentCount", w.Purpose, w.AgentCount, size)...)
	if w.Location != f.WorkspaceLocation && w.Location != "" && f.WorkspaceLocation != "" {
		out = append(out, warning("properties.computeLocation",
			"The cluster is created in %s and the workspace is in %s: calls between them are slower and data transfer costs "+
				"more.", w.Location, f.WorkspaceLocation)...)
	}
	return out
}

// namesake: DOC requires that a name is unique in the region too, where its studio only warns; later editions require it in the
// workspace only.
func namesake(n string, f ComputeFacts) []Violation {
	if f.Namesake.IsZero() {
		return nil
	}
	return warning("name", "Another workspace in %s, '%s', also has a compute called '%s': they are easy to confuse.", f.WorkspaceLocation,
		f.Namesake.Parent().Name(), n)
}

// shape refuses what an update cannot change: the service creates and attaches once, and scales by node count only.
func shape(w berth.ComputeSpec, f ComputeFacts) []Violation {
	if f.Exists == nil {
		return nil
	}
	was := f.Exists.Spec
	differs := func(target, format string, args ...any) []Violation {
		return violation(berth.CodeExistsDifferently, target,
			"A compute of this name exists already, and "+format+" Delete or detach it first, or choose another name.", args...)
	}
	switch {
	case was.Type != w.Type:
		return differs("properties.computeType", "is of type %s, not %s.", was.Type, w.Type)
	case was.ClusterID.Key() != w.ClusterID.Key() && was.Attached:
		return differs("properties.resourceId", "is attached to the cluster '%s'.", was.ClusterID.Name())
	case was.ClusterID.Key() != w.ClusterID.Key():
		return differs("properties.resourceId", "was created with a cluster of its own, '%s'.", was.ClusterID.Name())
	}
	var out []Violation
	if was.Location != w.Location && w.Location != "" {
		out = append(out, differs("properties.computeLocation", "its cluster is in %s.", was.Location)...)
	}
	if !was.Attached && !strings.EqualFold(was.VMSize, w.VMSize) {
		out = append(out, differs(inner+"agentVmSize", "its nodes are of size %s; only their number can be changed.", was.VMSize)...)
	}
	if was.Attached && w.AgentCount != 0 && w.AgentCount != f.Exists.Status.Nodes {
		out = append(out, invalid(inner+"agentCount", "The cluster was attached, so Berth does not scale it. Scale '%s' itself (az aks scale).",
			was.ClusterID.Name())...)
	}
	return out
}

// nodesOfAttached: an attach cannot size a cluster; the answer has the nodes that the cluster has.
func nodesOfAttached(w berth.ComputeSpec, f ComputeFacts) []Violation {
	if f.Exists != nil || f.Cluster == nil {
		return nil // an update is refused by shape; a missing cluster by attachable
	}
	count, size := f.Cluster.Status.Nodes, f.Cluster.Status.VMSize
	if len(f.Cluster.Spec.Pools) > 0 {
		count, size = f.Cluster.Spec.Pools[0].Count, f.Cluster.Spec.Pools[0].VMSize
	}
	if (w.AgentCount == 0 || w.AgentCount == count) && (w.VMSize == "" || strings.EqualFold(w.VMSize, size)) {
		return nil
	}
	return warning(inner+"agentCount", "agentCount and agentVmSize have no effect on an attach: the cluster '%s' has %d node(s) of size %s. "+
		"Scale the cluster itself (az aks scale).", w.ClusterID.Name(), count, size)
}

// otherTypes refuses properties of computes of other types, which would ask for something else than the caller may think.
func otherTypes(w berth.ComputeSpec) []Violation {
	kept, _ := w.Profile["properties"].(map[string]any)
	var out []Violation
	for _, name := range []string{"scaleSettings", "vmPriority", "idleTimeBeforeShutdown"} {
		if kept[name] != nil {
			out = append(out, invalid(inner+name, "%s belongs to computes of another type. The number of nodes of an AKS compute is its agentCount.",
				name)...)
		}
	}
	return out
}

func purpose(w berth.ComputeSpec) []Violation {
	if knownPurpose(w.Purpose) {
		return nil
	}
	return invalid(inner+"clusterPurpose", "The cluster purpose '%s' is not known; it is FastProd, DenseProd or DevTest.", w.Purpose)
}

func knownPurpose(p berth.Purpose) bool {
	return p == berth.FastProd || p == berth.DenseProd || p == berth.DevTest
}

// vmSize checks that a size is known and can carry a System pool (AKS: 2 vCPUs and 4 GiB at least, no B series).
func vmSize(target, size string) []Violation {
	s, known := catalog.Size(size)
	switch {
	case !known:
		return invalid(target, "The VM size '%.60s' is not known. Similar sizes: %s.", size, strings.Join(catalog.Nearest(size, 3), ", "))
	case s.VCPUs < 2 || s.MemoryMiB < 4096:
		return invalid(target, "The VM size %s has %d vCPU(s) and %.1f GiB; a System pool needs at least 2 vCPUs and 4 GiB.", s.Name, s.VCPUs,
			float64(s.MemoryMiB)/1024)
	case strings.HasPrefix(s.Name, "Standard_B"):
		return invalid(target, "The VM size %s is of the burstable B series, which a System pool cannot use. A similar size is Standard_D2s_v3.",
			s.Name)
	}
	return nil
}

func nodes(target string, n int) []Violation {
	if n >= 1 && n <= maxNodes {
		return nil
	}
	return invalid(target, "The number of nodes is %d; it must be from 1 to %d.", n, maxNodes)
}

// attachable checks the cluster that an attach names.
func attachable(w berth.ComputeSpec, f ComputeFacts) []Violation {
	const target = "properties.resourceId"
	id := w.ClusterID
	switch {
	case w.Attached && id.IsZero():
		return nil // the id could not be read; that is reported already
	case !w.Attached:
		return violation(berth.CodeInvalidRequest, target, "A compute of type %s needs the resourceId of an existing cluster.", w.Type)
	case !id.Is(berth.TypeCluster) && !id.Is(berth.TypeConnected):
		return violation(berth.CodeInvalidID, target, "'%s' does not name a managed or connected cluster. It must be "+
			"/subscriptions/{id}/resourceGroups/{group}/providers/Microsoft.ContainerService/managedClusters/{name}, or "+
			"…/Microsoft.Kubernetes/connectedClusters/{name}.", id)
	case !strings.EqualFold(id.Subscription, f.Subscription):
		return violation(berth.CodeInvalidID, target, "The cluster is in subscription '%s'. Attach a cluster of the workspace's subscription "+
			"'%s'.", id.Subscription, f.Subscription)
	case f.Cluster == nil:
		return violation(berth.CodeNotFound, target, "There is no cluster '%s' in resource group '%s'. List clusters with 'berth aks list' or "+
			"'az aks list'.", id.Name(), id.Group)
	case f.ClusterState == berth.StateDeleting || f.ClusterState == berth.StateFailed:
		return violation(berth.CodeConflict, target, "The cluster '%s' is %s; only a working cluster can be attached.", id.Name(), f.ClusterState)
	}
	out := append(free(f), clusterFits(w, f)...)
	return append(append(out, clusterSupported(f.Cluster)...), reachable(f)...)
}

// free: one cluster, one compute. A second attachment would break the first (the service's document).
func free(f ComputeFacts) []Violation {
	out, _ := Of(f.Taken)
	if len(out) == 0 || !f.TakeOver {
		return out
	}
	if f.Cluster != nil && !f.Cluster.Spec.OwnedBy.IsZero() {
		return []Violation{{Code: berth.CodeConflict, Target: "properties.resourceId",
			Message: fmt.Sprintf("The cluster '%s' was created by the compute '%s' and is deleted with it, so it cannot be taken over. Detach it "+
				"from that compute first.",
				f.ClusterID.Name(), f.Cluster.Spec.OwnedBy.Name())}}
	}
	whose, _, _ := strings.Cut(f.Taken.Error(), ". ")
	return warning("properties.resourceId", "%s. This request takes it over: the other compute becomes Failed and loses its access.", whose)
}

func namespace(w berth.ComputeSpec) []Violation {
	if dnsLabel.MatchString(w.Namespace) {
		return nil
	}
	return invalid(inner+"namespace", "The namespace '%.80s' is not possible: it must have 1 to 63 lower-case letters, digits or '-', and "+
		"begin and end with a letter or digit.", w.Namespace)
}
