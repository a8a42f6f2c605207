package wire

import (
	"strings"

	"berth.dev/berth"
)

// ComputePut is the body of PUT of a compute, as azureml-core, az, Terraform and the SDKs send it.
type ComputePut struct {
	Location   *string           `json:"location"`
	Tags       map[string]string `json:"tags"`
	Identity   *IdentityFields   `json:"identity"`
	Properties ComputeProperties `json:"properties"`
}

// ComputeProperties is the outer `properties`. Read-only fields that clients echo are ignored.
type ComputeProperties struct {
	ComputeType      string         `json:"computeType"`
	ComputeLocation  *string        `json:"computeLocation"`
	Description      *string        `json:"description"`
	ResourceID       *string        `json:"resourceId"`
	DisableLocalAuth *bool          `json:"disableLocalAuth"`
	Namespace        *string        `json:"namespace"` // azureml-core sends it here
	Properties       *AKSProperties `json:"properties"`
}

// AKSProperties is the inner `properties`. A field that is absent or null requests nothing: a create uses the default, an update
// keeps the old value (azureml-core omits the fields that it does not change, and sends null for some).
type AKSProperties struct {
	AgentCount         *int        `json:"agentCount"`
	AgentVMSize        *string     `json:"agentVmSize"`
	ClusterPurpose     *string     `json:"clusterPurpose"`
	LoadBalancerType   *string     `json:"loadBalancerType"`
	LoadBalancerSubnet *string     `json:"loadBalancerSubnet"`
	SSL                *SSL        `json:"sslConfiguration"`
	Network            *AKSNetwork `json:"aksNetworkingConfiguration"`
	Namespace          *string     `json:"namespace"`
}

// SSL is sslConfiguration. Key is write-only.
type SSL struct {
	Status            string `json:"status,omitempty"`
	CNAME             string `json:"cname,omitempty"`
	Cert              string `json:"cert,omitempty"`
	Key               string `json:"key,omitempty"`
	LeafDomainLabel   string `json:"leafDomainLabel,omitempty"`
	OverwriteExisting bool   `json:"overwriteExistingDomain,omitempty"`
	Renew             bool   `json:"renew,omitempty"`
}

// AKSNetwork is aksNetworkingConfiguration.
type AKSNetwork struct {
	SubnetID         string `json:"subnetId,omitempty"`
	ServiceCIDR      string `json:"serviceCidr,omitempty"`
	DNSServiceIP     string `json:"dnsServiceIP,omitempty"`
	DockerBridgeCIDR string `json:"dockerBridgeCidr,omitempty"`
}

// Merge writes the fields that the request names over spec. It returns the private key in PEM, empty when the request has none: it
// is a secret and must be stored in the table of secrets only.
func (p *ComputePut) Merge(spec *berth.ComputeSpec) (sslKey string) {
	if p.Properties.Description != nil {
		spec.Description = *p.Properties.Description
	}
	if p.Properties.DisableLocalAuth != nil {
		spec.DisableLocalAuth = *p.Properties.DisableLocalAuth
	}
	set(&spec.Namespace, p.Properties.Namespace)
	in := p.Properties.Properties
	if in == nil {
		return ""
	}
	spec.AgentCount = deref(in.AgentCount, spec.AgentCount)
	set(&spec.VMSize, in.AgentVMSize)
	set(&spec.LoadBalancerType, in.LoadBalancerType)
	set(&spec.LoadBalancerNet, in.LoadBalancerSubnet)
	set(&spec.Namespace, in.Namespace)
	if in.ClusterPurpose != nil && *in.ClusterPurpose != "" {
		spec.Purpose = purpose(*in.ClusterPurpose)
	}
	if n := in.Network; n != nil && *n != (AKSNetwork{}) { // {} requests nothing
		spec.Network = &berth.NetworkSpec{SubnetID: n.SubnetID, ServiceCIDR: n.ServiceCIDR, DNSServiceIP: n.DNSServiceIP,
			DockerBridgeCIDR: n.DockerBridgeCIDR}
	}
	return mergeSSL(spec, in.SSL)
}

// mergeSSL replaces the whole sslConfiguration. "renew" changes nothing that is stored: the label stays.
func mergeSSL(spec *berth.ComputeSpec, s *SSL) string {
	if s == nil || s.Renew {
		return ""
	}
	spec.SSL = &berth.SSLSpec{Status: s.Status, CNAME: s.CNAME, Certificate: s.Cert, LeafDomainLabel: s.LeafDomainLabel,
		OverwriteExisting: s.OverwriteExisting}
	return s.Key
}

// Renews reports whether the request renews a certificate.
func (p *ComputePut) Renews() bool {
	in := p.Properties.Properties
	return in != nil && in.SSL != nil && in.SSL.Renew
}

// NoNodes reports whether the request names an agentCount of 0. null requests the default.
func (p *ComputePut) NoNodes() bool {
	in := p.Properties.Properties
	return in != nil && in.AgentCount != nil && *in.AgentCount == 0
}

// set copies a string that is not empty: clients send "" and null for "the default".
func set(to *string, from *string) {
	if from != nil && *from != "" {
		*to = *from
	}
}

// purpose converts a known purpose to its canonical casing; the rules refuse others.
func purpose(s string) berth.Purpose {
	for _, p := range []berth.Purpose{berth.FastProd, berth.DenseProd, berth.DevTest} {
		if strings.EqualFold(s, string(p)) {
			return p
		}
	}
	return berth.Purpose(s)
}

// Compute answers a compute with every key that azureml-core reads. faultStatus is the status its fault would have had as
// a direct answer.
func Compute(r *berth.Resource, faultStatus int, tenant string) Object {
	c := r.Body.(*berth.Compute)
	properties := Object{
		"computeType": c.Spec.Type, "computeLocation": c.Spec.Location, "description": orNull(c.Spec.Description),
		"createdOn": Time(r.CreatedAt), "modifiedOn": Time(r.ModifiedAt),
		"resourceId": orNullID(c.Spec.ClusterID), "provisioningState": r.State, "provisioningErrors": provisioningErrors(r.Fault, faultStatus),
		"isAttachedCompute": c.Spec.Attached, "disableLocalAuth": c.Spec.DisableLocalAuth,
		"properties": innerProperties(c),
	}
	if c.Status.Message != "" && !r.State.Terminal() {
		properties["statusMessage"] = c.Status.Message
	}
	if c.Status.Version != "" {
		properties["kubernetesVersion"] = c.Status.Version
	}
	warnings(properties, c.Warnings)
	health(properties, c.Status.Health)
	o := Lay(envelope(r, properties), c.Spec.Kept)
	if c.Spec.Identity != nil {
		o["identity"] = identityOf(c.Spec.Identity, guid(r, "principal"), tenant)
	}
	return o
}

var computeLaw = law{own: []string{
	"computeType", "computeLocation", "description", "createdOn", "modifiedOn", "resourceId", "provisioningErrors", "isAttachedCompute",
	"disableLocalAuth", "kubernetesVersion", "namespace",
	"properties.agentCount", "properties.agentVmSize", "properties.clusterPurpose", "properties.clusterFqdn", "properties.systemServices",
	"properties.sslConfiguration", "properties.loadBalancerType", "properties.loadBalancerSubnet", "properties.aksNetworkingConfiguration",
	"properties.namespace",
}, effective: []string{"instanceTypes", "defaultInstanceType"}}

// KeepCompute sets what a compute keeps of the body of a PUT, and returns the names of the properties that Berth keeps and does not
// act on. The fields of the spec must have been merged.
func KeepCompute(body []byte, r *berth.Resource) ([]string, error) {
	return computeLaw.keep(body, &r.Body.(*berth.Compute).Spec.Kept, func() Object { return Compute(r, 0, "") })
}

func innerProperties(c *berth.Compute) Object {
	s := c.Spec
	if s.Type == berth.ComputeKubernetes {
		return Object{"namespace": s.Namespace, "defaultInstanceType": "defaultinstancetype", "instanceTypes": Object{},
			"clusterFqdn": orNull(c.Status.ClusterFQDN)}
	}
	count, size := s.AgentCount, s.VMSize
	if s.Attached {
		count, size = c.Status.Nodes, c.Status.VMSize
	}
	return Object{
		"agentCount": orNullInt(count), "agentVmSize": orNull(size), "clusterPurpose": s.Purpose,
		"clusterFqdn": orNull(c.Status.ClusterFQDN), "systemServices": nil, "sslConfiguration": sslOut(s.SSL),
		"loadBalancerType": s.LoadBalancerType, "loadBalancerSubnet": orNull(s.LoadBalancerNet),
		"aksNetworkingConfiguration": networkOut(s.Network),
	}
}

func orNullID(id berth.ID) any {
	if id.IsZero() {
		return nil
	}
	return id.String()
}

func sslOut(s *berth.SSLSpec) any {
	if s == nil {
		return nil
	}
	return SSL{Status: s.Status, CNAME: s.CNAME, Cert: s.Certificate, LeafDomainLabel: s.LeafDomainLabel,
		OverwriteExisting: s.OverwriteExisting}
}

func networkOut(n *berth.NetworkSpec) any {
	if n == nil {
		return nil
	}
	return AKSNetwork{SubnetID: n.SubnetID, ServiceCIDR: n.ServiceCIDR, DNSServiceIP: n.DNSServiceIP, DockerBridgeCIDR: n.DockerBridgeCIDR}
}

// provisioningErrors has the shapes that clients read: flat code and message (azureml-core), and error.code (azure-ai-ml).
func provisioningErrors(e *berth.Error, status int) any {
	if e == nil {
		return nil
	}
	inner := Object{"code": e.Code, "message": e.Message, "statusCode": status}
	if len(e.Details) > 0 {
		inner["details"] = e.Details
	}
	return []Object{{"code": e.Code, "message": e.Message, "error": inner}}
}

// ComputeKeys answers listKeys.
func ComputeKeys(user, admin []byte) Object {
	return Object{"computeType": berth.ComputeAKS, "userKubeConfig": string(user), "adminKubeConfig": string(admin),
		"imagePullSecretName": nil}
}
