package berth

import "time"

// TypeConnected is the type of a cluster that lives elsewhere and was connected.
const TypeConnected = "Microsoft.Kubernetes/connectedClusters"

// Cluster is one Kubernetes cluster: a managed one, which a provider makes and keeps, or one that was given to Berth by a
// kubeconfig, as a connected cluster or imported as a managed one.
type Cluster struct {
	Connected bool          `json:"connected,omitempty"` // it is of TypeConnected
	Spec      ClusterSpec   `json:"spec"`
	Status    ClusterStatus `json:"status"`
}

// ResourceType implements Body.
func (c *Cluster) ResourceType() string {
	if c.Connected {
		return TypeConnected
	}
	return TypeCluster
}

// ClusterSpec is what was asked of a cluster, with the defaults filled in.
type ClusterSpec struct {
	// Given says that the cluster was not made here: it was given by a kubeconfig, and is never deleted or scaled. Such a
	// cluster has neither version nor pools here, but says in its status what it has.
	Given bool `json:"given,omitempty"`
	// TakeOver says that the last wish was forced: another Berth that is connected there loses its account.
	TakeOver bool `json:"takeOver,omitempty"`
	// KeepCredential says that Berth works with the credential that it was given, instead of an account of its own.
	KeepCredential bool `json:"keepCredential,omitempty"`
	// Run is another for each kubeconfig that is given: the same wish with a new credential is a new wish.
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
}
