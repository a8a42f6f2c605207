package berth

import (
	"encoding/json"
	"strings"
)

// Types of version 2 of the SDK.
const (
	TypeEndpoint   = "Microsoft.MachineLearningServices/workspaces/onlineEndpoints"
	TypeDeployment = TypeEndpoint + "/deployments"
)

// Endpoint is one address of deployments, among which the router divides the requests. The deployments are its children.
type Endpoint struct {
	Spec   EndpointSpec   `json:"spec"`
	Status EndpointStatus `json:"status,omitzero"`
	// Good is what an AksEndpoint was asked for when it was last led to. When a later request fails, it is that again.
	Good *EndpointSpec `json:"good,omitempty"`
	// Warnings are those of the last accepted request.
	Warnings []Error `json:"warnings,omitempty"`
}

// ResourceType implements Body.
func (*Endpoint) ResourceType() string { return TypeEndpoint }

// EndpointSpec is what an endpoint is to be.
type EndpointSpec struct {
	Compute     string            `json:"compute"` // the name of the compute, in the workspace
	Auth        string            `json:"auth"`    // AuthKey or AuthMLToken; of an AksEndpoint as ServiceSpec.Auth
	Description string            `json:"description,omitempty"`
	Properties  map[string]string `json:"properties,omitempty"` // of the user: Berth only keeps them
	// Traffic and Mirror are percentages by the names of deployments. A mirrored request is sent to that deployment too, and its answer is
	// dropped.
	Traffic map[string]int `json:"traffic,omitempty"`
	Mirror  map[string]int `json:"mirror,omitempty"`
	Aks     *AksEndpoint   `json:"aks,omitempty"` // of version 1 of the SDK; nil for an online endpoint of version 2
	Kept
}

// EndpointStatus is what Berth knows about an endpoint.
type EndpointStatus struct {
	ScoringURI string `json:"scoringUri,omitempty"`
	SwaggerURI string `json:"swaggerUri,omitempty"`
	// Led and Asked are those of an AksEndpoint. Led is nil before its versions have answered for the first time.
	Led   *EndpointRoute `json:"led,omitempty"`
	Asked AskedVersions  `json:"asked,omitzero"`
}

// Deployment is a model that pods of a cluster serve at the address of an endpoint.
type Deployment struct {
	Spec   DeploymentSpec `json:"spec"`
	Status ServiceStatus  `json:"status,omitzero"`
	// Good is what was asked for when it was last served. When a later request fails, it is that again.
	Good *DeploymentSpec `json:"good,omitempty"`
	// Warnings are those of the last accepted request.
	Warnings []Error `json:"warnings,omitempty"`
}

// DeploymentSpec is what a deployment is to be.
type DeploymentSpec struct {
	PodSpec
	Description   string            `json:"description,omitempty"`
	Properties    map[string]string `json:"properties,omitempty"`   // of the user: Berth only keeps them
	EnvironmentID ID                `json:"environmentId,omitzero"` // of the version that PodSpec.Environment comes from
	Variables     map[string]string `json:"variables,omitempty"`    // those of the request; PodSpec.Environment has all
	InstanceType  string            `json:"instanceType,omitempty"` // of the compute
	Requests      ContainerSize     `json:"requests,omitzero"`      // as they were sent …
	Limits        ContainerSize     `json:"limits,omitzero"`        // … and PodSpec has the numbers
	Collector     json.RawMessage   `json:"collector,omitempty"`    // the dataCollector as it was sent; Collect is what it asks for
	Kept
}

// ScoringScript is the entry script as the request names it: in the folder of the code.
func (s *DeploymentSpec) ScoringScript() string {
	return strings.TrimPrefix(s.EntryScript, CodeFolder+"/")
}

// ContainerSize is the size of a container in quantities of Kubernetes, such as "100m" and "0.5Gi".
type ContainerSize struct {
	CPU    string `json:"cpu,omitempty"`
	Memory string `json:"memory,omitempty"`
	GPU    string `json:"gpu,omitempty"`
}

// ResourceType implements Body.
func (*Deployment) ResourceType() string { return TypeDeployment }

// Pods implements Served.
func (d *Deployment) Pods() *PodSpec { return &d.Spec.PodSpec }

// Now implements Served.
func (d *Deployment) Now() *ServiceStatus { return &d.Status }

// Serves implements Served.
func (d *Deployment) Serves(generation int64) {
	d.Status.Served, d.Status.Routed = generation, d.Route()
	good := d.Spec
	d.Good = &good
}

// GoBack implements Served.
func (d *Deployment) GoBack() {
	if d.Good != nil {
		d.Spec = *d.Good
	}
}

// Route is how the router is to lead to it.
func (d *Deployment) Route() *ServiceRoute { return d.Spec.route("") }
