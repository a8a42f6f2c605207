package berth

import "time"

// ComputeType says what stands behind a compute.
type ComputeType string

// The compute types that Berth serves, in the exact casing that clients compare with.
const (
	ComputeAKS        ComputeType = "AKS"
	ComputeKubernetes ComputeType = "Kubernetes"
)

// Purpose is what a cluster is meant for; it decides how small it may be.
type Purpose string

// The purposes. FastProd is the default of the service.
const (
	FastProd  Purpose = "FastProd"
	DenseProd Purpose = "DenseProd"
	DevTest   Purpose = "DevTest"
)

// Compute is an ML compute target: a cluster taken up by a workspace.
type Compute struct {
	Spec   ComputeSpec   `json:"spec"`
	Status ComputeStatus `json:"status"`
	// Warnings are what the rules had to say to the last wish without refusing it.
	Warnings []Error `json:"warnings,omitempty"`
}

// ResourceType implements Body.
func (*Compute) ResourceType() string { return TypeCompute }

// ComputeSpec is what the user asked for, with the defaults filled in.
type ComputeSpec struct {
	Type        ComputeType `json:"type"`
	Description string      `json:"description,omitempty"`
	Location    string      `json:"location"` // of the cluster; the workspace's unless asked otherwise
	// Attached is true when the user brought the cluster (ClusterID was given) and false when Berth makes it.
	Attached         bool              `json:"attached"`
	ClusterID        ID                `json:"clusterId"` // the managed cluster, of a created one the derived id
	AgentCount       int               `json:"agentCount,omitempty"`
	VMSize           string            `json:"vmSize,omitempty"` // canonical casing of the catalogue
	Purpose          Purpose           `json:"purpose,omitempty"`
	LoadBalancerType string            `json:"loadBalancerType,omitempty"` // PublicIp | InternalLoadBalancer
	LoadBalancerNet  string            `json:"loadBalancerSubnet,omitempty"`
	Network          *NetworkSpec      `json:"network,omitempty"`
	SSL              *SSLSpec          `json:"ssl,omitempty"`
	DisableLocalAuth bool              `json:"disableLocalAuth,omitempty"`
	TakeOver         bool              `json:"takeOver,omitempty"`  // the last wish was forced: whoever has the cluster loses it
	Namespace        string            `json:"namespace,omitempty"` // of a Kubernetes compute; "default" unless given
	Extra            map[string]string `json:"extra,omitempty"`     // Kubernetes compute: known plain settings, kept as given
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

// ComputeStatus is what was found.
type ComputeStatus struct {
	ClusterFQDN  string    `json:"clusterFqdn,omitempty"`
	ClusterUID   string    `json:"clusterUid,omitempty"` // UID of the cluster's kube-system namespace: its identity
	Version      string    `json:"version,omitempty"`    // Kubernetes version, "1.36.0"
	Namespace    string    `json:"namespace,omitempty"`  // where this compute lives in the cluster
	Nodes        int       `json:"nodes,omitempty"`
	VCPUs        int       `json:"vcpus,omitempty"`
	VMSize       string    `json:"vmSize,omitempty"` // as observed in the cluster
	TokenExpires time.Time `json:"tokenExpires,omitzero"`
	Message      string    `json:"message,omitempty"` // what is being done or waited for, in the user's words
	Health       Health    `json:"health,omitzero"`   // as seen while it is settled
}
