package berth

import "time"

// ComputeType is the kind of cluster that a compute uses.
type ComputeType string

// The compute types that Berth serves, in the exact casing that clients compare with.
const (
	ComputeAKS        ComputeType = "AKS"
	ComputeKubernetes ComputeType = "Kubernetes"
)

// Purpose is the purpose of a cluster. It determines the minimum number of vCPUs (rules.EnoughVCPUs).
type Purpose string

// The purposes. FastProd is the default of the service.
const (
	FastProd  Purpose = "FastProd"
	DenseProd Purpose = "DenseProd"
	DevTest   Purpose = "DevTest"
)

// Compute is an ML compute target: a cluster that is attached to a workspace.
type Compute struct {
	Spec   ComputeSpec   `json:"spec"`
	Status ComputeStatus `json:"status"`
	// Warnings are those that the rules reported for the last accepted request.
	Warnings []Error `json:"warnings,omitempty"`
}

// ResourceType implements Body.
func (*Compute) ResourceType() string { return TypeCompute }

// ComputeSpec is what the user requested, with the defaults filled in.
type ComputeSpec struct {
	Type        ComputeType `json:"type"`
	Description string      `json:"description,omitempty"`
	Location    string      `json:"location"` // of the cluster; the default is the workspace's
	// Attached is true when the request named an existing cluster, and false when Berth created one for the compute.
	Attached         bool         `json:"attached"`
	ClusterID        ID           `json:"clusterId"` // of a cluster that Berth created: an id derived from the compute's
	AgentCount       int          `json:"agentCount,omitempty"`
	VMSize           string       `json:"vmSize,omitempty"` // in the casing of the catalogue
	Purpose          Purpose      `json:"purpose,omitempty"`
	LoadBalancerType string       `json:"loadBalancerType,omitempty"` // PublicIp | InternalLoadBalancer
	LoadBalancerNet  string       `json:"loadBalancerSubnet,omitempty"`
	Network          *NetworkSpec `json:"network,omitempty"`
	SSL              *SSLSpec     `json:"ssl,omitempty"`
	DisableLocalAuth bool         `json:"disableLocalAuth,omitempty"`
	Kept
	TakeOver  bool              `json:"takeOver,omitempty"`  // the last request was forced: the present holder loses the cluster
	Namespace string            `json:"namespace,omitempty"` // of a Kubernetes compute; the default is "default"
	Extra     map[string]string `json:"extra,omitempty"`     // of a Kubernetes compute: known plain settings, stored as sent
}

// NetworkSpec places the cluster into a virtual network. All fields or none.
type NetworkSpec struct {
	SubnetID         string `json:"subnetId,omitempty"`
	ServiceCIDR      string `json:"serviceCidr,omitempty"`
	DNSServiceIP     string `json:"dnsServiceIP,omitempty"`
	DockerBridgeCIDR string `json:"dockerBridgeCidr,omitempty"`
}

// SSLSpec is how scoring is encrypted. The private key is never here: it is a secret of the resource ("ssl-key").
type SSLSpec struct {
	Status            string `json:"status"` // Disabled | Enabled | Auto
	CNAME             string `json:"cname,omitempty"`
	Certificate       string `json:"cert,omitempty"` // PEM, public
	LeafDomainLabel   string `json:"leafDomainLabel,omitempty"`
	OverwriteExisting bool   `json:"overwriteExistingDomain,omitempty"`
}

// ComputeStatus is what was observed.
type ComputeStatus struct {
	ClusterFQDN  string    `json:"clusterFqdn,omitempty"`
	ClusterUID   string    `json:"clusterUid,omitempty"` // UID of the cluster's kube-system namespace: its identity
	Version      string    `json:"version,omitempty"`    // Kubernetes version, "1.36.0"
	Namespace    string    `json:"namespace,omitempty"`  // of this compute in the cluster
	Nodes        int       `json:"nodes,omitempty"`
	VCPUs        int       `json:"vcpus,omitempty"`
	VMSize       string    `json:"vmSize,omitempty"` // as observed in the cluster
	TokenExpires time.Time `json:"tokenExpires,omitzero"`
	Message      string    `json:"message,omitempty"` // a sentence for users: what is being done or waited for
	Health       Health    `json:"health,omitzero"`   // as observed while it is settled
}
