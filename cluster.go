package berth

import (
	"cmp"
	"net/netip"
	"time"
)

// TypeConnected is the type of a connected cluster: Berth did not create it.
const TypeConnected = "Microsoft.Kubernetes/connectedClusters"

// Cluster is one Kubernetes cluster: one that a provider creates and operates, or a connected one, which exists elsewhere and
// which Berth reaches by a kubeconfig. A connected cluster has the type TypeConnected or, when it is connected under the name
// of a managed cluster, TypeCluster.
type Cluster struct {
	Type   string        `json:"-"` // TypeConnected or TypeCluster; TypeCluster when empty. The store keeps it beside the body
	Spec   ClusterSpec   `json:"spec"`
	Status ClusterStatus `json:"status"`
	// Warnings are those that the rules reported for the last accepted request.
	Warnings []Error `json:"warnings,omitempty"`
}

// ResourceType implements Body.
func (c *Cluster) ResourceType() string { return cmp.Or(c.Type, TypeCluster) }

// AsksRouter reports whether Berth may ask the router in the cluster what it has counted and kept.
func (c *Cluster) AsksRouter() bool { return !c.Spec.Connected || c.Status.MayAskRouter }

// RouterUnasked says that it may not, and how it may.
const RouterUnasked = "Berth's account in the connected cluster may not ask the router what it has counted and kept: the cluster was " +
	"connected by an earlier version of Berth, or the rights of the account were changed. Connect the cluster again, with the credential " +
	"of an administrator and enableInference (berth cluster connect --enable-inference)."

// ClusterSpec is what was requested for a cluster, with the defaults filled in.
type ClusterSpec struct {
	// Connected is true when Berth did not create the cluster: a user connected it by a kubeconfig, and Berth never deletes or
	// scales it. Version and Pools are empty; Status holds what the cluster reports. The JSON name is from older versions.
	Connected bool `json:"given,omitempty"`
	// TakeOver is true when the last request was forced: another Berth that is connected to the cluster loses its account.
	TakeOver bool `json:"takeOver,omitempty"`
	// KeepCredential is true when Berth works with the submitted credential instead of an account of its own.
	KeepCredential bool `json:"keepCredential,omitempty"`
	// Inference is true when Berth's account in a connected cluster has the rights to serve models there.
	Inference bool `json:"inference,omitempty"`
	// Run is a new GUID for each submitted kubeconfig: the same request with a new credential is a new request.
	Run       string     `json:"run,omitempty"`
	Version   string     `json:"version"`   // full: "1.36.0"
	DNSPrefix string     `json:"dnsPrefix"` // first label of the FQDN
	Pools     []NodePool `json:"pools"`     // exactly one today: a second pool is refused
	// Network is the address ranges of the cluster; empty fields are the defaults of AKS.
	Network ClusterNetwork `json:"network,omitzero"`
	// IssuerURL is the issuer that the API server names in the tokens of service accounts, with a slash at its end. Berth serves
	// its discovery document and keys there. Empty in clusters that are older than this field.
	IssuerURL string `json:"issuerUrl,omitempty"`
	Kept
	// Nodes is what runs the nodes: NodesReal, NodesSimulated, or empty for the server's choice.
	Nodes string `json:"nodes,omitempty"`
	// Kubelet are the GUIDs of the identity that the request names for the kubelets; nil when it names none.
	Kubelet *IdentityIDs `json:"kubelet,omitempty"`
	// Location is the region that its nodes report; empty in clusters stored before this field existed.
	Location string `json:"location,omitempty"`
	// OwnedBy is the compute that created the cluster; zero for a cluster that a user created.
	OwnedBy ID `json:"ownedBy"`
}

// NodePool is one agent pool.
type NodePool struct {
	Name   string `json:"name"`
	Count  int    `json:"count"`
	VMSize string `json:"vmSize"`
	Mode   string `json:"mode"` // System
	OSType string `json:"osType"`
	// MaxPods is per node; the default is 110.
	MaxPods int               `json:"maxPods"`
	Labels  map[string]string `json:"labels,omitempty"` // of its nodes
	Taints  []string          `json:"taints,omitempty"` // of its nodes, as AKS writes them: "key=value:NoSchedule"
	Zones   []string          `json:"zones,omitempty"`  // "1", "2", "3": its nodes are spread over them
	// Profile holds the properties that were requested and have no field here, by JSON name.
	Profile map[string]any `json:"profile,omitempty"`
}

// ClusterNetwork is the address ranges of a cluster, in CIDR notation.
type ClusterNetwork struct {
	ServiceCIDR  string `json:"serviceCidr,omitempty"`
	PodCIDR      string `json:"podCidr,omitempty"`
	DNSServiceIP string `json:"dnsServiceIP,omitempty"` // an address in ServiceCIDR
}

// TagNodes is the tag by which a cluster, or a compute that creates one, chooses what runs its nodes.
const TagNodes = "berth.dev/nodes"

// Values of TagNodes. Without it the server chooses.
const (
	NodesReal      = "real"      // kubelets and containers on this machine
	NodesSimulated = "simulated" // node objects only: pods on them are said to run, and nothing does
)

// DefaultNetwork is the ranges of a cluster whose request names none, as AKS has them.
var DefaultNetwork = ClusterNetwork{ServiceCIDR: "10.0.0.0/16", PodCIDR: "10.244.0.0/16", DNSServiceIP: "10.0.0.10"}

// DNSAddress is the address of the DNS service in a service range when the request names none: its tenth.
func DNSAddress(services netip.Prefix) netip.Addr {
	ip := services.Masked().Addr()
	for range 10 {
		ip = ip.Next()
	}
	return ip
}

// ClusterStatus is what was observed.
type ClusterStatus struct {
	FQDN       string `json:"fqdn,omitempty"`
	Endpoint   string `json:"endpoint,omitempty"` // https URL of the Kubernetes API, as clients here reach it
	Version    string `json:"version,omitempty"`
	ReadyNodes int    `json:"readyNodes,omitempty"`
	Simulated  bool   `json:"simulated,omitempty"` // the nodes are simulated (the local provider)
	// SimulatedBecause is a sentence for users: why the nodes are simulated although nobody has asked for that.
	SimulatedBecause string `json:"simulatedBecause,omitempty"`
	Unlimited        bool   `json:"unlimited,omitempty"` // the nodes are real and do not keep the limits of pods
	// Overcommitted is, in numbers, what all real nodes together have and the machine has not.
	Overcommitted string `json:"overcommitted,omitempty"`
	Message       string `json:"message,omitempty"`
	// Of a connected cluster:
	UID          string    `json:"uid,omitempty"` // of its kube-system namespace
	Nodes        int       `json:"nodes,omitempty"`
	VCPUs        int       `json:"vcpus,omitempty"`
	VMSize       string    `json:"vmSize,omitempty"`
	TokenExpires time.Time `json:"tokenExpires,omitzero"`
	SeenAt       time.Time `json:"seenAt,omitzero"`
	MayAskRouter bool      `json:"mayAskRouter,omitempty"` // Berth's credential suffices to ask the router
	Health       Health    `json:"health,omitzero"`        // as observed while it is settled
}
