package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/version"
)

// Facts is what a cluster reports of itself.
type Facts struct {
	UID     string // of the namespace kube-system: the cluster's identity
	Version string // "1.36.0"
	Nodes   []Node
}

// Node is one node as the cluster shows it.
type Node struct {
	Name, Pool, InstanceType, KubeletVersion string
	Ready, Simulated, Real                   bool      // Real: Berth runs a kubelet for it
	Since                                    time.Time // when it became Ready, or ceased to be
	Leaving                                  bool      // Drain has begun to empty it
	Unlimited                                bool      // it keeps no limits, and knows no user but root
	VCPUs, MemoryMiB, GPUs, FPGAs            int
	Address                                  string // its InternalIP

	mark string // see annotationPool
}

// Made reports whether Berth has made the node.
func (n Node) Made() bool { return n.Simulated || n.Real }

// Facts asks the cluster for its identity, version and nodes.
func (c *Conn) Facts(ctx context.Context) (Facts, error) {
	var f Facts
	var system stored
	if err := c.get(ctx, namespaces.in("", metav1.NamespaceSystem), &system); err != nil {
		return f, err
	}
	if f.UID = cut(system.Metadata.UID, 128); f.UID == "" {
		return f, errors.New("the cluster's kube-system namespace has no UID, so that the cluster cannot be distinguished from others")
	}
	var err error
	if f.Version, err = c.Version(ctx); err != nil {
		return f, err
	}
	f.Nodes, err = c.Nodes(ctx)
	return f, err
}

// Version asks for the Kubernetes version. A cluster that emulates an older minor version reports that one.
func (c *Conn) Version(ctx context.Context) (string, error) {
	text, err := c.raw(ctx, "/version", maxRefusal)
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

// The bounds of a list of nodes. AKS has 5,000 nodes in a cluster at most, and a busy node's text has about 20 kB.
const (
	maxNodes     = 5000
	pageOfNodes  = 250
	maxNodePages = 2 * maxNodes / pageOfNodes
	maxNodeBytes = 128 << 20
	maxMark      = 16 << 10 // of the labels and taints that a node has from its pool
)

// node is what is read of a node.
type node struct {
	Metadata struct {
		Name string

		CreationTimestamp string
		Labels            struct {
			Pool         string `json:"kubernetes.azure.com/agentpool"`
			InstanceType string `json:"node.kubernetes.io/instance-type"`
			Simulated    string `json:"berth.dev/simulated"`
			Real         string `json:"berth.dev/node"`
			Limits       string `json:"berth.dev/limits"`
		}
		Annotations struct {
			Leaving string `json:"berth.dev/leaving"`
			Pool    string `json:"berth.dev/pool"`
		}
	}
	Status struct {
		Capacity struct {
			CPU    amount
			Memory amount
			GPU    amount `json:"nvidia.com/gpu"`
			FPGA   amount `json:"microsoft.com/fpga_catapult"`
		}
		Conditions few[struct{ Type, Status, LastTransitionTime string }]
		NodeInfo   struct{ KubeletVersion string }
		Addresses  few[struct{ Type, Address string }]
	}
}

// Nodes lists the nodes of the cluster. Nonsense when the list exceeds its bounds.
func (c *Conn) Nodes(ctx context.Context) ([]Node, error) {
	var out []Node
	l := listing{call: nodes.in("", "").call(http.MethodGet), page: pageOfNodes, items: maxNodes, pages: maxNodePages, bytes: maxNodeBytes}
	_, err := list(ctx, c, l, func(n *node) error {
		out = append(out, n.facts())
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func (n *node) facts() Node {
	const name, label = 253, 63 // the longest that Kubernetes allows
	has := n.Status.Capacity
	out := Node{
		Name: cut(n.Metadata.Name, name), Pool: cut(n.Metadata.Labels.Pool, label), InstanceType: cut(n.Metadata.Labels.InstanceType, label),
		KubeletVersion: cut(n.Status.NodeInfo.KubeletVersion, label),
		Since:          moment(n.Metadata.CreationTimestamp), // as long as it has said nothing
		Simulated:      n.Metadata.Labels.Simulated == "true", Real: n.Metadata.Labels.Real == "real",
		Leaving: n.Metadata.Annotations.Leaving != "", Unlimited: n.Metadata.Labels.Limits == "none",
		VCPUs: has.CPU.whole(), MemoryMiB: has.Memory.mebi(), GPUs: has.GPU.whole(), FPGAs: has.FPGA.whole(),
	}
	for _, c := range n.Status.Conditions {
		if c.Type == "Ready" {
			out.Ready, out.Since = c.Status == "True", moment(c.LastTransitionTime)
		}
	}
	for _, a := range n.Status.Addresses {
		if a.Type == "InternalIP" && out.Address == "" {
			out.Address = cut(a.Address, label)
		}
	}
	if out.Made() { // only those have one
		out.mark = cut(n.Metadata.Annotations.Pool, maxMark)
	}
	return out
}

// CreateNode creates a node object with what it offers in its status, as a kubelet does when it registers. A node of that
// name that exists already is kept.
func (c *Conn) CreateNode(ctx context.Context, n NodeSpec) error {
	return ignoreExists(c.create(ctx, nodes.in("", n.Name), n.object(), nil))
}

// DeleteNode removes a node object; call Drain first. A node that does not exist counts as deleted.
func (c *Conn) DeleteNode(ctx context.Context, name string) error {
	return c.remove(ctx, nodes.in("", name), "")
}
