package kube

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	quantity "k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"berth.dev/berth"
)

// Labels that mean something to Berth.
const (
	LabelPool      = "kubernetes.azure.com/agentpool"
	LabelSimulated = "berth.dev/simulated"
	LabelReal      = "berth.dev/node" // "real": berth-kube runs a kubelet for it
	labelMode      = "kubernetes.azure.com/mode"
	labelCluster   = "kubernetes.azure.com/cluster"
)

// Extended resources that nodes offer.
const (
	ResourceGPU  = corev1.ResourceName("nvidia.com/gpu")
	ResourceFPGA = corev1.ResourceName("microsoft.com/fpga_catapult")
)

// NodeSpec describes a node to create.
type NodeSpec struct {
	Name           string
	Labels         map[string]string
	Annotations    map[string]string
	VCPUs          int
	MemoryMiB      int
	GPUs, FPGAs    int
	MaxPods        int
	KubeletVersion string // "v1.36.0"
	Architecture   string
	Address        string   // its InternalIP
	Taints         []string // as AKS writes them: "key=value:NoSchedule"

	pool berth.NodePool
	zone string // "1"; empty outside zones
}

// SizeFacts is the capacity that a VM size gives to a node.
type SizeFacts struct {
	Name                          string
	VCPUs, MemoryMiB, GPUs, FPGAs int
	Architecture                  string // amd64 when empty
}

// NodeFor describes the node of this index (from 0) in a pool, with the name and labels of AKS, and marked as simulated.
func NodeFor(cluster berth.ID, pool berth.NodePool, size SizeFacts, index int) NodeSpec {
	name := NodePrefix(cluster, pool.Name) + fmt.Sprintf("%06s", strconv.FormatInt(int64(index), 36))
	arch, mode := size.Architecture, strings.ToLower(pool.Mode)
	if arch == "" {
		arch = "amd64"
	}
	if mode == "" {
		mode = "system"
	}
	labels := maps.Clone(pool.Labels)
	if labels == nil {
		labels = map[string]string{}
	}
	maps.Copy(labels, map[string]string{
		LabelPool: pool.Name, "agentpool": pool.Name, LabelSimulated: "true",
		labelMode: mode, "kubernetes.azure.com/role": "agent",
		labelCluster:            labelValue("MC_" + cluster.Group + "_" + cluster.Name()),
		corev1.LabelHostname:    name,
		corev1.LabelOSStable:    "linux",
		"beta.kubernetes.io/os": "linux",
		corev1.LabelArchStable:  arch, "beta.kubernetes.io/arch": arch,
		corev1.LabelInstanceTypeStable: size.Name, corev1.LabelInstanceType: size.Name,
	})
	if size.GPUs > 0 {
		labels["accelerator"], labels["kubernetes.azure.com/accelerator"] = "nvidia", "nvidia"
	}
	out := NodeSpec{
		Name: name, Labels: labels, VCPUs: size.VCPUs, MemoryMiB: size.MemoryMiB, GPUs: size.GPUs, FPGAs: size.FPGAs,
		MaxPods: pool.MaxPods, Architecture: arch, Address: nodeAddress(index), Taints: pool.Taints, pool: pool,
	}
	if len(pool.Zones) > 0 {
		out.zone = pool.Zones[index%len(pool.Zones)]
	}
	return out
}

// annotationSize is how large a real node is to be: "vCPUs/MiB of memory/pods". localkube/realnodes.go reads it.
const annotationSize = "berth.dev/size"

// labelLimits is "none" on a real node that does not keep the limits of its pods.
const labelLimits = "berth.dev/limits"

// Real describes the same node run by a kubelet instead of simulated. Devices are offered by their plugins alone.
func (n NodeSpec) Real(limits bool) NodeSpec {
	n.Labels, n.Annotations = maps.Clone(n.Labels), maps.Clone(n.Annotations)
	delete(n.Labels, LabelSimulated)
	n.Labels[LabelReal] = "real"
	if !limits {
		n.Labels[labelLimits] = "none"
	}
	if n.Annotations == nil {
		n.Annotations = map[string]string{}
	}
	n.Annotations[annotationSize] = fmt.Sprintf("%d/%d/%d", n.VCPUs, n.MemoryMiB, n.MaxPods)
	n.GPUs, n.FPGAs = 0, 0
	n.KubeletVersion = "" // the kubelet says it
	return n
}

// nodeAddress is the address of the node of this index in 10.224.0.0/16, the subnet that AKS creates for nodes. As in every subnet of
// Azure, the first four addresses are reserved.
func nodeAddress(index int) string {
	n := index + 4
	return netip.AddrFrom4([4]byte{10, 224, byte(n >> 8), byte(n)}).String()
}

// In adds the labels by which AKS names a node's region and zone. In AKS, a node outside zones has the zone "0".
func (n NodeSpec) In(location string) NodeSpec {
	if location == "" {
		return n
	}
	n.Labels = maps.Clone(n.Labels)
	n.Labels[corev1.LabelTopologyRegion], n.Labels[corev1.LabelTopologyZone] = location, "0"
	if n.zone != "" {
		n.Labels[corev1.LabelTopologyZone] = location + "-" + n.zone
	}
	n.Labels[labelCluster] = labelValue(n.Labels[labelCluster] + "_" + location)
	return n
}

// NodePrefix is the beginning of the names of a pool's nodes: aks-agentpool-<8 digits>-vmss.
func NodePrefix(cluster berth.ID, pool string) string {
	sum := sha256.Sum256([]byte(cluster.Key()))
	return fmt.Sprintf("aks-%s-%08d-vmss", pool, binary.BigEndian.Uint32(sum[:4])%100_000_000)
}

// labelValue cuts a text down to what a label can hold.
func labelValue(s string) string {
	s = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' || r == '.' {
			return r
		}
		return '-'
	}, s)
	return strings.Trim(s[:min(len(s), 63)], "-_.")
}

// JSON is the node object as a cluster serves it.
func (n NodeSpec) JSON() ([]byte, error) { return json.Marshal(n.object()) }

func (n NodeSpec) object() *corev1.Node {
	capacity := corev1.ResourceList{
		corev1.ResourceCPU: count(n.VCPUs), corev1.ResourcePods: count(n.MaxPods),
		corev1.ResourceMemory:           *quantity.NewQuantity(int64(n.MemoryMiB)<<20, quantity.BinarySI),
		corev1.ResourceEphemeralStorage: *quantity.NewQuantity(128<<30, quantity.BinarySI),
	}
	if n.GPUs > 0 {
		capacity[ResourceGPU] = count(n.GPUs)
	}
	if n.FPGAs > 0 {
		capacity[ResourceFPGA] = count(n.FPGAs)
	}
	annotations := map[string]string{annotationPool: n.mark()}
	maps.Copy(annotations, n.Annotations)
	info := corev1.NodeSystemInfo{KubeletVersion: n.KubeletVersion, OperatingSystem: "linux", Architecture: n.Architecture}
	if n.Labels[LabelSimulated] != "" {
		info.OSImage = "simulated by Berth"
		info.ContainerRuntimeVersion, info.KernelVersion = "simulated", "simulated"
	}
	return &corev1.Node{
		TypeMeta:   metav1.TypeMeta{Kind: "Node", APIVersion: "v1"},
		ObjectMeta: metav1.ObjectMeta{Name: n.Name, Labels: n.Labels, Annotations: annotations},
		Spec:       corev1.NodeSpec{Taints: taints(n.Taints)},
		Status:     corev1.NodeStatus{Addresses: n.addresses(), Capacity: capacity, Allocatable: capacity, NodeInfo: info},
	}
}

func count(n int) quantity.Quantity { return *quantity.NewQuantity(int64(n), quantity.DecimalSI) }
