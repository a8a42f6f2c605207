package rules

import (
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"github.com/google/uuid"

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
	// Of the request:
	IsCompute   bool   // its properties are those of a compute
	Stops       bool   // it asks for a powerState of Stopped
	PoolVersion string // of a pool, as the request states it; empty for none
	NoSubnet    string // the id of a subnet of a pool that does not exist; empty for none
	Tenant      string // of this server
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
	out = append(out, requested(w, f)...)
	out = append(out, clusterRanges(w.Network, old)...)
	out = append(out, clusterAccess(w.Access(), f)...)
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
	if strings.Count(asked, ".") == 2 && strings.TrimLeft(asked, "vV") != w.Version {
		return warning(target, "Berth has no Kubernetes %s: the cluster runs %s, the only patch of this minor version that Berth has.", asked,
			w.Version)
	}
	return nil
}

// requested refuses what a request asks for and would not get.
func requested(w berth.ClusterSpec, f ClusterFacts) []Violation {
	var out []Violation
	if f.IsCompute {
		out = append(out, invalid("properties.computeType", "This is the body of a compute, and the address is that of a managed cluster. "+
			"PUT it to …/workspaces/{workspace}/computes/{name}.")...)
	}
	if f.Stops {
		out = append(out, invalid("properties.powerState", "Berth cannot stop clusters or node pools. Scale the pool down instead.")...)
	}
	if v, known := catalog.ResolveVersion(f.PoolVersion); f.PoolVersion != "" && (!known || v != w.Version) {
		out = append(out, invalid("properties.agentPoolProfiles[0].orchestratorVersion", "The nodes run the version of their cluster, %s, and "+
			"not %.40s.", w.Version, f.PoolVersion)...)
	}
	if f.NoSubnet != "" {
		out = append(out, violation(berth.CodeNotFound, "properties.agentPoolProfiles[0].vnetSubnetID",
			"There is no subnet '%.200s'. Create it first (az network vnet create), or name another one.", f.NoSubnet)...)
	}
	if w.Profile["oidcIssuerProfile"] != nil && w.IssuerURL == "" && f.Old != nil {
		out = append(out, warning("properties.oidcIssuerProfile", "This cluster was created without an issuer of its own, and gets none.")...)
	}
	return out
}

// clusterAccess checks who may sign in to a cluster. Whom Berth does not know cannot sign in.
func clusterAccess(a berth.ClusterAccess, f ClusterFacts) (out []Violation) {
	const profile = "properties.aadProfile."
	if a.Entra && a.Tenant != "" && !strings.EqualFold(a.Tenant, f.Tenant) {
		out = append(out, invalid(profile+"tenantID", "The tenant of the cluster is '%.40s', and this server signs in callers of its own "+
			"tenant only, which is '%s'. Name that one, or leave it out.", a.Tenant, f.Tenant)...)
	}
	for i, group := range a.AdminGroups {
		if uuid.Validate(group) != nil {
			out = append(out, invalid(fmt.Sprintf("%sadminGroupObjectIDs[%d]", profile, i), "'%.40s' is not the object id of a group, which is a "+
				"GUID (berth ad group list).", group)...)
		}
	}
	if a.NoLocal && !a.Entra {
		out = append(out, warning(profile+"managed", "Nobody can sign in to this cluster: its local accounts are disabled, and "+
			"it does not take the callers of Berth either. Enable that (az aks update --enable-aad --enable-azure-rbac).")...)
	}
	return out
}

// clusterRanges checks the address ranges of a cluster (AKS). They cannot be changed.
func clusterRanges(n berth.ClusterNetwork, old *berth.ClusterSpec) []Violation {
	const at = "properties.networkProfile."
	if old != nil {
		if old.Network != n {
			return violation(berth.CodeExistsDifferently, at+"serviceCidr", "The address ranges of a cluster cannot be changed after its creation.")
		}
		return nil
	}
	var out []Violation
	service := netip.MustParsePrefix(berth.DefaultNetwork.ServiceCIDR)
	if n.ServiceCIDR != "" {
		var wrong []Violation
		service, wrong = serviceRange(at+"serviceCidr", n.ServiceCIDR)
		out = append(out, wrong...)
	}
	if n.DNSServiceIP != "" && service.IsValid() {
		out = append(out, dns(at+"dnsServiceIP", n.DNSServiceIP, service)...)
	}
	pods := netip.MustParsePrefix(berth.DefaultNetwork.PodCIDR)
	if n.PodCIDR != "" {
		var err error
		if pods, err = netip.ParsePrefix(n.PodCIDR); err != nil || !pods.Addr().Is4() {
			return append(out, invalid(at+"podCidr", "'%.40s' is not an IPv4 range such as 10.244.0.0/16.", n.PodCIDR)...)
		}
	}
	if service.IsValid() && service.Overlaps(pods) {
		out = append(out, invalid(at+"podCidr", "The pod range %s overlaps the service range %s.", pods, service)...)
	}
	return out
}

// ClusterDefaults fills in what follows from the request: the DNS address in a service range of one's own is its tenth. Default ranges
// that are named, as clients do that send an answer back, are no request.
func ClusterDefaults(s *berth.ClusterSpec) {
	n := &s.Network
	if n.ServiceCIDR == berth.DefaultNetwork.ServiceCIDR {
		n.ServiceCIDR = ""
	}
	if n.PodCIDR == berth.DefaultNetwork.PodCIDR {
		n.PodCIDR = ""
	}
	if n.ServiceCIDR == "" && n.DNSServiceIP == berth.DefaultNetwork.DNSServiceIP {
		n.DNSServiceIP = ""
	}
	if service, err := netip.ParsePrefix(n.ServiceCIDR); err == nil && n.DNSServiceIP == "" {
		n.DNSServiceIP = berth.DNSAddress(service).String()
	}
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
	out = append(out, vmSize(at+"vmSize", p.VMSize)...)
	return append(out, nodeMarks(at, p)...)
}

var (
	labelName  = regexp.MustCompile(`^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$`)
	labelValue = regexp.MustCompile(`^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$`)
	taint      = regexp.MustCompile(`^([^=:]+)(=([^=:]*))?:(NoSchedule|PreferNoSchedule|NoExecute)$`)
)

// nodeMarks checks what the nodes of a pool are marked with: labels and taints (Kubernetes), zones (AKS), and the limits of the
// autoscaler.
func nodeMarks(at string, p berth.NodePool) []Violation {
	var out []Violation
	for _, key := range slices.Sorted(maps.Keys(p.Labels)) {
		if !labelName.MatchString(key) || !labelValue.MatchString(p.Labels[key]) {
			out = append(out, invalid(at+"nodeLabels", "'%.80s=%.80s' is not a label of Kubernetes.", key, p.Labels[key])...)
		}
	}
	for _, text := range p.Taints {
		m := taint.FindStringSubmatch(text)
		if m == nil || !labelName.MatchString(m[1]) || !labelValue.MatchString(m[3]) {
			out = append(out, invalid(at+"nodeTaints", "'%.120s' is not a taint such as sku=gpu:NoSchedule.", text)...)
		}
	}
	for _, zone := range p.Zones {
		if !slices.Contains([]string{"1", "2", "3"}, zone) {
			out = append(out, invalid(at+"availabilityZones", "The availability zone '%.20s' is not known; it is 1, 2 or 3.", zone)...)
		}
	}
	least, hasLeast := p.Profile["minCount"].(float64)
	most, hasMost := p.Profile["maxCount"].(float64)
	switch {
	case p.Profile["enableAutoScaling"] == true && (!hasLeast || !hasMost):
		out = append(out, invalid(at+"enableAutoScaling", "With enableAutoScaling, minCount and maxCount are needed.")...)
	case hasLeast && hasMost && least > most:
		out = append(out, invalid(at+"minCount", "minCount is %v and maxCount is %v.", least, most)...)
	}
	return out
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
