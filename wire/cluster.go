package wire

import (
	"encoding/base64"
	"fmt"

	"berth.dev/berth"
	"berth.dev/berth/catalog"
)

// ClusterPut is the body of PUT of a managed cluster.
type ClusterPut struct {
	Location   *string           `json:"location"`
	Tags       map[string]string `json:"tags"`
	Properties struct {
		KubernetesVersion *string          `json:"kubernetesVersion"`
		DNSPrefix         *string          `json:"dnsPrefix"`
		Kubeconfig        *string          `json:"kubeconfig"` // of a connected cluster; write-only
		KeepCredential    bool             `json:"keepCredential"`
		Pools             []NodePoolFields `json:"agentPoolProfiles"`
	} `json:"properties"`
}

// NodePoolFields are the fields of an agent pool that have an effect here. Count is nil when the request does not have it.
type NodePoolFields struct {
	Name    string  `json:"name"`
	Count   *int    `json:"count"`
	VMSize  *string `json:"vmSize"`
	Mode    *string `json:"mode"`
	OSType  *string `json:"osType"`
	MaxPods *int    `json:"maxPods"`
}

// keptProfiles are the parts of a managed cluster that are stored as sent, so that a client can read, change and write a cluster
// without losing any. Parts that can contain a secret (windowsProfile, servicePrincipalProfile) are not stored.
var keptProfiles = []string{
	"networkProfile", "linuxProfile", "addonProfiles", "enableRBAC", "disableLocalAccounts", "storageProfile",
	"apiServerAccessProfile", "autoUpgradeProfile", "nodeResourceGroup", "oidcIssuerProfile", "autoScalerProfile",
}

// DecodeCluster reads the body of PUT of a managed cluster and the profiles to store. Its errors are those of Decode.
func DecodeCluster(body []byte) (*ClusterPut, map[string]any, error) {
	put := &ClusterPut{}
	if err := Decode(body, put); err != nil {
		return nil, nil, err
	}
	raw := struct {
		Properties map[string]any `json:"properties"`
	}{}
	if err := Decode(body, &raw); err != nil {
		return nil, nil, err
	}
	kept := map[string]any{}
	for _, key := range keptProfiles {
		if v, ok := raw.Properties[key]; ok && v != nil {
			kept[key] = v
		}
	}
	return put, kept, nil
}

// Merge writes what the request names over the pool. Empty strings mean "the default", as az sends them.
func (f *NodePoolFields) Merge(p *berth.NodePool) {
	set(&p.Name, &f.Name)
	set(&p.VMSize, f.VMSize)
	set(&p.Mode, f.Mode)
	set(&p.OSType, f.OSType)
	p.Count = deref(f.Count, p.Count)
	p.MaxPods = deref(f.MaxPods, p.MaxPods)
}

// Cluster answers a managed cluster.
func Cluster(r *berth.Resource) Object {
	c := r.Body.(*berth.Cluster)
	properties := Object{
		"provisioningState": r.State, "powerState": Object{"code": "Running"},
		"kubernetesVersion": c.Spec.Version, "currentKubernetesVersion": orDefault(c.Status.Version, c.Spec.Version),
		"dnsPrefix": c.Spec.DNSPrefix, "fqdn": orNull(c.Status.FQDN), "maxAgentPools": 1,
		"agentPoolProfiles": pools(r, c), "servicePrincipalProfile": Object{"clientId": "msi"},
		"nodeResourceGroup": fmt.Sprintf("MC_%s_%s_%s", r.ID.Group, r.ID.Name(), r.Location),
		"enableRBAC":        true, "disableLocalAccounts": false, "networkProfile": defaultNetwork(),
	}
	for key, v := range c.Spec.Profile {
		properties[key] = v
	}
	if !c.Spec.OwnedBy.IsZero() {
		properties["ownedBy"] = c.Spec.OwnedBy.String()
	}
	if c.Status.Endpoint != "" {
		properties["kubernetesEndpoint"] = c.Status.Endpoint
	}
	if c.Status.Message != "" && !r.State.Terminal() {
		properties["statusMessage"] = c.Status.Message
	}
	health(properties, c.Status.Health)
	if c.Spec.Connected {
		connected(properties, c)
		properties["kubernetesVersion"], properties["nodeResourceGroup"] = orNull(c.Status.Version), nil
	}
	o := envelope(r, properties)
	o["sku"] = Object{"name": "Base", "tier": "Free"}
	o["identity"] = Object{"type": "SystemAssigned"}
	return o
}

// defaultNetwork is the default of AKS (kubenet and its ranges).
func defaultNetwork() Object {
	return Object{
		"networkPlugin": "kubenet", "podCidr": "10.244.0.0/16", "serviceCidr": "10.0.0.0/16", "dnsServiceIP": "10.0.0.10",
		"loadBalancerSku": "standard", "outboundType": "loadBalancer",
	}
}

func pools(r *berth.Resource, c *berth.Cluster) []Object {
	out := []Object{}
	all := c.Spec.Pools
	if c.Spec.Connected && c.Status.Nodes > 0 { // all of its nodes as one pool
		all = []berth.NodePool{{Name: "nodes", Count: c.Status.Nodes, VMSize: c.Status.VMSize, Mode: "System", OSType: "Linux", MaxPods: 110}}
	}
	for _, p := range all {
		fields := poolFields(r, c, p)
		fields["name"] = p.Name
		out = append(out, fields)
	}
	return out
}

func poolFields(r *berth.Resource, c *berth.Cluster, p berth.NodePool) Object {
	return Object{
		"count": p.Count, "vmSize": p.VMSize, "mode": p.Mode, "osType": p.OSType, "maxPods": p.MaxPods, "type": "VirtualMachineScaleSets",
		"osDiskSizeGB": 128, "osDiskType": "Managed", "enableAutoScaling": false,
		"orchestratorVersion": c.Spec.Version, "currentOrchestratorVersion": orDefault(c.Status.Version, c.Spec.Version),
		"provisioningState": r.State, "powerState": Object{"code": "Running"},
	}
}

// NodePool answers one agent pool of a cluster.
func NodePool(r *berth.Resource, p berth.NodePool) Object {
	id := r.ID.Child("agentPools", p.Name)
	return Object{"id": id.String(), "name": p.Name, "type": berth.TypeNodePool, "properties": poolFields(r, r.Body.(*berth.Cluster), p)}
}

// Kubeconfigs answers listClusterUserCredential and listClusterAdminCredential.
func Kubeconfigs(name string, kubeconfig []byte) Object {
	return Object{"kubeconfigs": []Object{{"name": name, "value": base64.StdEncoding.EncodeToString(kubeconfig)}}}
}

// Orchestrators answers …/locations/{l}/orchestrators: the shape that `az aks get-versions` read until 2.47.
func Orchestrators(id string) Object {
	list := []Object{}
	for _, v := range catalog.Versions() {
		o := Object{"orchestratorType": "Kubernetes", "orchestratorVersion": v.Version, "default": nil, "isPreview": nil, "upgrades": nil}
		if v.Default {
			o["default"] = true
		}
		if v.Preview {
			o["isPreview"] = true
		}
		if up := upgrades(v, "orchestratorVersion"); len(up) > 0 {
			o["upgrades"] = up
		}
		list = append(list, o)
	}
	return Object{"id": id, "name": "default", "type": "Microsoft.ContainerService/locations/orchestrators",
		"properties": Object{"orchestrators": list}}
}

// upgrades lists the versions that a version can be upgraded to; versionKey is the key for a version in the answer.
func upgrades(v catalog.Version, versionKey string) []Object {
	out := []Object{}
	for _, to := range v.Upgrades {
		_, preview := catalog.Supported(to)
		o := Object{versionKey: to, "isPreview": nil}
		if versionKey == "orchestratorVersion" {
			o["orchestratorType"] = "Kubernetes"
		}
		if preview {
			o["isPreview"] = true
		}
		out = append(out, o)
	}
	return out
}

// KubernetesVersions answers …/locations/{l}/kubernetesVersions: the shape that current clients read.
func KubernetesVersions() Object {
	values := []Object{}
	for _, v := range catalog.Versions() {
		o := Object{
			"version": catalog.Minor(v.Version), "isPreview": nil, "isDefault": nil,
			"capabilities":  Object{"supportPlan": []string{"KubernetesOfficial"}},
			"patchVersions": Object{v.Version: Object{"upgrades": v.Upgrades}},
		}
		if v.Default {
			o["isDefault"] = true
		}
		if v.Preview {
			o["isPreview"] = true
		}
		values = append(values, o)
	}
	return Object{"values": values}
}

// UpgradeProfile answers …/upgradeProfiles/default of a cluster.
func UpgradeProfile(r *berth.Resource) Object {
	c := r.Body.(*berth.Cluster)
	up := []Object{}
	for _, v := range catalog.Versions() {
		if catalog.Minor(v.Version) == catalog.Minor(c.Spec.Version) {
			up = upgrades(v, "kubernetesVersion")
		}
	}
	profile := func(extra Object) Object {
		extra["kubernetesVersion"], extra["osType"] = c.Spec.Version, "Linux"
		extra["upgrades"] = up
		return extra
	}
	pools := []Object{}
	for _, p := range c.Spec.Pools {
		pools = append(pools, profile(Object{"name": p.Name}))
	}
	return Object{
		"id": r.ID.String() + "/upgradeProfiles/default", "name": "default", "type": berth.TypeCluster + "/upgradeProfiles",
		"properties": Object{"controlPlaneProfile": profile(Object{"name": nil}), "agentPoolProfiles": pools},
	}
}
