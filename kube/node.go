package kube

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"berth.dev/berth"
)

// Labels that mean something to Berth.
const (
	LabelPool      = "kubernetes.azure.com/agentpool"
	LabelSimulated = "berth.dev/simulated"
)

// NodeSpec is a node to be made.
type NodeSpec struct {
	Name           string
	Labels         map[string]string
	VCPUs          int
	MemoryMiB      int
	GPUs, FPGAs    int
	MaxPods        int
	KubeletVersion string // "v1.36.0"
	Architecture   string
}

// SizeFacts is what a VM size gives to a node.
type SizeFacts struct {
	Name                          string
	VCPUs, MemoryMiB, GPUs, FPGAs int
	Architecture                  string
}

// NodeFor is node index of a pool, named and labelled as AKS does it, and marked as simulated.
func NodeFor(cluster berth.ID, pool berth.NodePool, size SizeFacts, index int) NodeSpec {
	name := NodePrefix(cluster, pool.Name) + fmt.Sprintf("%06s", strconv.FormatInt(int64(index), 36))
	labels := map[string]string{
		LabelPool: pool.Name, "agentpool": pool.Name, LabelSimulated: "true",
		"kubernetes.azure.com/mode": strings.ToLower(pool.Mode), "kubernetes.azure.com/role": "agent",
		"kubernetes.azure.com/cluster": labelValue("MC_" + cluster.Group + "_" + cluster.Name()), "kubernetes.io/hostname": name,
		corev1.LabelInstanceTypeStable: size.Name, "beta.kubernetes.io/instance-type": size.Name,
		corev1.LabelOSStable: "linux", corev1.LabelArchStable: size.Architecture, "kubernetes.io/role": "agent",
	}
	if size.GPUs > 0 {
		labels["accelerator"], labels["kubernetes.azure.com/accelerator"] = "nvidia", "nvidia"
	}
	return NodeSpec{
		Name: name, Labels: labels, VCPUs: size.VCPUs, MemoryMiB: size.MemoryMiB, GPUs: size.GPUs, FPGAs: size.FPGAs,
		MaxPods: pool.MaxPods, Architecture: size.Architecture,
	}
}

// NodePrefix is how the names of a pool's nodes begin: aks-agentpool-<8 digits>-vmss.
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
	return strings.TrimRight(s[:min(len(s), 63)], "-_.")
}

func (n NodeSpec) object() *corev1.Node {
	capacity := corev1.ResourceList{
		corev1.ResourceCPU: count(n.VCPUs), corev1.ResourcePods: count(n.MaxPods),
		corev1.ResourceMemory:           *resource.NewQuantity(int64(n.MemoryMiB)<<20, resource.BinarySI),
		corev1.ResourceEphemeralStorage: *resource.NewQuantity(128<<30, resource.BinarySI),
	}
	if n.GPUs > 0 {
		capacity[ResourceGPU] = count(n.GPUs)
	}
	if n.FPGAs > 0 {
		capacity[ResourceFPGA] = count(n.FPGAs)
	}
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: n.Name, Labels: n.Labels},
		Status: corev1.NodeStatus{Capacity: capacity, Allocatable: capacity, NodeInfo: corev1.NodeSystemInfo{
			KubeletVersion: n.KubeletVersion, OperatingSystem: "linux", Architecture: n.Architecture, OSImage: "simulated by Berth", ContainerRuntimeVersion: "simulated", KernelVersion: "simulated",
		}},
	}
}
