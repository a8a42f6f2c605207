package kube

import (
	"context"
	"encoding/json"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Extended resources that nodes offer.
const (
	ResourceGPU  = corev1.ResourceName("nvidia.com/gpu")
	ResourceFPGA = corev1.ResourceName("microsoft.com/fpga_catapult")
)

// Facts is what a cluster says of itself.
type Facts struct {
	UID     string // of its kube-system namespace: its identity
	Version string // "1.36.0"
	Nodes   []Node
}

// Node is one node as the cluster shows it.
type Node struct {
	Name, Pool, InstanceType, KubeletVersion string
	Ready, Simulated                         bool
	VCPUs, MemoryMiB, GPUs, FPGAs            int
}

// Facts asks the cluster who and what it is.
func (c *Conn) Facts(ctx context.Context) (Facts, error) {
	var f Facts
	system, err := c.client.CoreV1().Namespaces().Get(ctx, metav1.NamespaceSystem, metav1.GetOptions{})
	if err != nil {
		return f, err
	}
	f.UID = string(system.UID)
	if f.Version, err = c.Version(ctx); err != nil {
		return f, err
	}
	f.Nodes, err = c.Nodes(ctx)
	return f, err
}

// Version asks for the Kubernetes version. A cluster that emulates an older minor is judged by that one.
func (c *Conn) Version(ctx context.Context) (string, error) {
	text, err := c.client.RESTClient().Get().AbsPath("/version").DoRaw(ctx)
	if err != nil {
		return "", err
	}
	var v struct{ GitVersion, EmulationMajor, EmulationMinor string }
	if err := json.Unmarshal(text, &v); err != nil {
		return "", err
	}
	git := strings.TrimPrefix(v.GitVersion, "v")
	git, _, _ = strings.Cut(git, "+")
	if emulated := v.EmulationMajor + "." + v.EmulationMinor; emulated != "." && !strings.HasPrefix(git, emulated+".") {
		return emulated + ".0", nil
	}
	return git, nil
}

// Nodes lists the nodes.
func (c *Conn) Nodes(ctx context.Context) ([]Node, error) {
	list, err := c.client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	out := make([]Node, 0, len(list.Items))
	for i := range list.Items {
		out = append(out, nodeOf(&list.Items[i]))
	}
	return out, nil
}

func nodeOf(n *corev1.Node) Node {
	quantity := func(name corev1.ResourceName) int {
		q := n.Status.Capacity[name]
		return int(q.Value())
	}
	out := Node{
		Name: n.Name, Pool: n.Labels[LabelPool], InstanceType: n.Labels[corev1.LabelInstanceTypeStable], KubeletVersion: n.Status.NodeInfo.KubeletVersion,
		Simulated: n.Labels[LabelSimulated] == "true", VCPUs: quantity(corev1.ResourceCPU), MemoryMiB: quantity(corev1.ResourceMemory) >> 20,
		GPUs: quantity(ResourceGPU), FPGAs: quantity(ResourceFPGA),
	}
	for _, c := range n.Status.Conditions {
		if c.Type == corev1.NodeReady {
			out.Ready = c.Status == corev1.ConditionTrue
		}
	}
	return out
}

// CreateNode makes a node object.
func (c *Conn) CreateNode(ctx context.Context, n NodeSpec) error {
	_, err := c.client.CoreV1().Nodes().Create(ctx, n.object(), metav1.CreateOptions{})
	return ignoreExists(err)
}

// DeleteNode removes a node object, as a scale-in does: its pods are collected by the cluster.
func (c *Conn) DeleteNode(ctx context.Context, name string) error {
	return ignoreNotFound(c.client.CoreV1().Nodes().Delete(ctx, name, metav1.DeleteOptions{}))
}

func count(n int) resource.Quantity { return *resource.NewQuantity(int64(n), resource.DecimalSI) }
