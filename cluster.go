package berth

import (
	"cmp"
	"time"
)

// TypeConnected is the type of a cluster that lives elsewhere and was connected.
const TypeConnected = "Microsoft.Kubernetes/connectedClusters"

// Cluster is one Kubernetes cluster: one that a provider creates and operates, or a connected one, which exists elsewhere and
// which Berth reaches by a kubeconfig. A connected cluster has the type TypeConnected or, when it is connected under the name
// of a managed cluster, TypeCluster.
type Cluster struct {
	Type   string        `json:"-"` // TypeConnected or TypeCluster; TypeCluster when empty. The store keeps it beside the body
	Spec   ClusterSpec   `json:"spec"`
	Status ClusterStatus `json:"status"`
}

// ResourceType implements Body.
func (c *Cluster) ResourceType() string { return cmp.Or(c.Type, TypeCluster) }

// ClusterSpec is what was asked of a cluster, with the defaults filled in.
type ClusterSpec struct {
	// Connected says that Berth did not create the cluster: a user connected it by a kubeconfig, and Berth never deletes or
	// scales it. Version and Pools are empty; Status holds what the cluster reports. (JSON "given": written by older versions.)
	Connected bool `json:"given,omitempty"`
	// TakeOver says that the last request was forced: another Berth that is connected to the cluster loses its account.
	TakeOver bool `json:"takeOver,omitempty"`
	// KeepCredential says that Berth works with the submitted credential instead of an account of its own.
	KeepCredential bool `json:"keepCredential,omitempty"`
	// Run is a new GUID for each submitted kubeconfig: the same request with a new credential is a new request.
	Run       string     `json:"run,omitempty"`
	Version   string     `json:"version"`   // full: "1.36.0"
	DNSPrefix string     `json:"dnsPrefix"` // first label of the FQDN
	Pools     []NodePool `json:"pools"`     // exactly one today: a second pool is refused
	// Profile holds what ARM clients send and expect back but what changes nothing here (network, Linux, add-on
	// profiles), by its JSON name. It is kept so that a client's read-modify-write finds its own words again.
	Profile map[string]any `json:"profile,omitempty"`
	// Location is the region that its nodes say they are in; empty in clusters older than this field.
	Location string `json:"location,omitempty"`
	// OwnedBy is the compute that made the cluster; zero for one made by a user.
	OwnedBy ID `json:"ownedBy"`
}

// NodePool is one agent pool.
type NodePool struct {
	Name   string `json:"name"`
	Count  int    `json:"count"`
	VMSize string `json:"vmSize"`
	Mode   string `json:"mode"` // System
	OSType string `json:"osType"`
	// MaxPods per node; 110 unless asked otherwise.
	MaxPods int `json:"maxPods"`
}

// ClusterStatus is what was found.
type ClusterStatus struct {
	FQDN       string `json:"fqdn,omitempty"`
	Endpoint   string `json:"endpoint,omitempty"` // https URL of the Kubernetes API, as clients here reach it
	Version    string `json:"version,omitempty"`
	ReadyNodes int    `json:"readyNodes,omitempty"`
	Simulated  bool   `json:"simulated,omitempty"` // the nodes are simulated (the local provider)
	Message    string `json:"message,omitempty"`
	// Of a given cluster.
	UID          string    `json:"uid,omitempty"` // of its kube-system namespace
	Nodes        int       `json:"nodes,omitempty"`
	VCPUs        int       `json:"vcpus,omitempty"`
	VMSize       string    `json:"vmSize,omitempty"`
	TokenExpires time.Time `json:"tokenExpires,omitzero"`
	SeenAt       time.Time `json:"seenAt,omitzero"`
	Health       Health    `json:"health,omitzero"` // as observed while it is settled
}
