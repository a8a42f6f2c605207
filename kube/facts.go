package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/version"
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
	Leaving                                  bool // Drain has begun to empty it
	VCPUs, MemoryMiB, GPUs, FPGAs            int
}

// Facts asks the cluster who and what it is.
func (c *Conn) Facts(ctx context.Context) (Facts, error) {
	var f Facts
	var system corev1.Namespace
	if err := c.get(ctx, namespaces.in("", metav1.NamespaceSystem), &system); err != nil {
		return f, err
	}
	f.UID = string(system.UID)
	if f.UID == "" {
		return f, errors.New("the cluster's kube-system namespace has no UID, so that the cluster cannot be told from others")
	}
	var err error
	if f.Version, err = c.Version(ctx); err != nil {
		return f, err
	}
	f.Nodes, err = c.Nodes(ctx)
	return f, err
}

// Version asks for the Kubernetes version. A cluster that emulates an older minor is judged by that one.
func (c *Conn) Version(ctx context.Context) (string, error) {
	text, err := c.raw(ctx, "/version", "")
	if err != nil {
		return "", err
	}
	var v version.Info
	if err := json.Unmarshal(text, &v); err != nil {
		return "", errors.New("the cluster's answer to /version is not JSON")
	}
	return versionOf(v)
}

var versionText = regexp.MustCompile(`^v?(\d{1,4})\.(\d{1,4})\.(\d{1,4})(?:[-+.].*)?$`)

// versionOf reads "1.36.2" from "v1.36.2-eks-1234" or "v1.36.2+k3s1", and "1.34.0" from any of them that emulates 1.34.
func versionOf(v version.Info) (string, error) {
	m := versionText.FindStringSubmatch(v.GitVersion)
	if m == nil {
		return "", fmt.Errorf("the cluster calls its version %.40q, which is not a version of Kubernetes", v.GitVersion)
	}
	major, errMajor := strconv.Atoi(v.EmulationMajor)
	minor, errMinor := strconv.Atoi(v.EmulationMinor)
	if emulated := fmt.Sprintf("%d.%d", major, minor); errMajor == nil && errMinor == nil && emulated != m[1]+"."+m[2] {
		return emulated + ".0", nil
	}
	return m[1] + "." + m[2] + "." + m[3], nil
}

// pageOfNodes is how many nodes come in one answer.
const pageOfNodes = 250

// Nodes lists the nodes.
func (c *Conn) Nodes(ctx context.Context) ([]Node, error) {
	var out []Node
	for next := ""; ; {
		var list corev1.NodeList
		r := c.request("GET", nodes.in("", "")).Param("limit", strconv.Itoa(pageOfNodes))
		if next != "" {
			r.Param("continue", next)
		}
		if err := r.Do(ctx).Into(&list); err != nil {
			return nil, err
		}
		for i := range list.Items {
			out = append(out, nodeOf(&list.Items[i]))
		}
		if next = list.Continue; next == "" {
			return out, nil
		}
	}
}

func nodeOf(n *corev1.Node) Node {
	quantity := func(name corev1.ResourceName) int {
		q := n.Status.Capacity[name]
		return int(q.Value())
	}
	out := Node{
		Name: n.Name, Pool: n.Labels[LabelPool], InstanceType: n.Labels[corev1.LabelInstanceTypeStable], KubeletVersion: n.Status.NodeInfo.KubeletVersion,
		Simulated: n.Labels[LabelSimulated] == "true", Leaving: n.Annotations[annotationLeaving] != "", VCPUs: quantity(corev1.ResourceCPU), MemoryMiB: quantity(corev1.ResourceMemory) >> 20,
		GPUs: quantity(ResourceGPU), FPGAs: quantity(ResourceFPGA),
	}
	for _, c := range n.Status.Conditions {
		if c.Type == corev1.NodeReady {
			out.Ready = c.Status == corev1.ConditionTrue
		}
	}
	return out
}

// CreateNode makes a node object with what it offers in its status, as a kubelet does when it registers. That there is
// one by that name already is fine.
func (c *Conn) CreateNode(ctx context.Context, n NodeSpec) error {
	return ignoreExists(c.create(ctx, nodes.in("", n.Name), n.object(), nil))
}

// DeleteNode removes a node object; see Drain for what comes before. That there is none is fine.
func (c *Conn) DeleteNode(ctx context.Context, name string) error {
	return c.remove(ctx, nodes.in("", name), "")
}
