package wire

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/uuid"

	"berth.dev/berth"
)

// ClusterPut is the body of PUT of a managed cluster.
type ClusterPut struct {
	Location   *string           `json:"location"`
	Tags       map[string]string `json:"tags"`
	Identity   *IdentityFields   `json:"identity"`
	Properties struct {
		ComputeType       *string          `json:"computeType"` // of a compute: refused
		KubernetesVersion *string          `json:"kubernetesVersion"`
		DNSPrefix         *string          `json:"dnsPrefix"`
		FQDNSubdomain     string           `json:"fqdnSubdomain"` // of a private cluster, in place of dnsPrefix
		Kubeconfig        *string          `json:"kubeconfig"`    // of a connected cluster; write-only
		KeepCredential    bool             `json:"keepCredential"`
		EnableInference   *bool            `json:"enableInference"` // of a connected cluster
		Pools             []NodePoolFields `json:"agentPoolProfiles"`
		Power             *Power           `json:"powerState"`
		Network           *ClusterNetwork  `json:"networkProfile"`
	} `json:"properties"`
}

// Power is powerState.
type Power struct {
	Code string `json:"code"`
}

// ClusterNetwork are the fields of networkProfile that have a field in the spec. nil and "" request nothing.
type ClusterNetwork struct {
	ServiceCIDR  *string  `json:"serviceCidr"`
	PodCIDR      *string  `json:"podCidr"`
	DNSServiceIP *string  `json:"dnsServiceIP"`
	ServiceCIDRs []string `json:"serviceCidrs"`
	PodCIDRs     []string `json:"podCidrs"`
}

// Merge writes what the request names over the ranges. The lists are used when they have one range: Berth's clusters are IPv4.
func (n *ClusterNetwork) Merge(to *berth.ClusterNetwork) {
	if n == nil {
		return
	}
	if len(n.ServiceCIDRs) == 1 {
		to.ServiceCIDR = n.ServiceCIDRs[0]
	}
	if len(n.PodCIDRs) == 1 {
		to.PodCIDR = n.PodCIDRs[0]
	}
	set(&to.ServiceCIDR, n.ServiceCIDR)
	set(&to.PodCIDR, n.PodCIDR)
	set(&to.DNSServiceIP, n.DNSServiceIP)
}

var clusterLaw = law{
	own: []string{
		"powerState", "currentKubernetesVersion", "fqdn", "privateFQDN", "azurePortalFQDN", "maxAgentPools", "agentPoolProfiles",
		"dnsPrefix", "kubeconfig", "keepCredential", "enableInference", "resourceUID", "oidcIssuerProfile.issuerURL",
		"networkProfile.serviceCidr", "networkProfile.podCidr", "networkProfile.dnsServiceIP",
		"networkProfile.loadBalancerProfile.effectiveOutboundIPs", "networkProfile.natGatewayProfile.effectiveOutboundIPs",
		"identityProfile.kubeletidentity.clientId", "identityProfile.kubeletidentity.objectId",
	},
	effective: []string{
		"kubernetesVersion", "nodeResourceGroup", "disableLocalAccounts", "oidcIssuerProfile.enabled", "identityProfile",
		"apiServerAccessProfile.authorizedIPRanges",
		"aadProfile.managed", "aadProfile.enableAzureRBAC", "aadProfile.adminGroupObjectIDs", "aadProfile.tenantID",
	},
}

// DecodeCluster reads the body of PUT of a managed cluster. Its errors are those of Decode.
func DecodeCluster(body []byte) (*ClusterPut, error) {
	put := &ClusterPut{}
	if err := Decode(body, put); err != nil {
		return nil, err
	}
	sent := struct {
		Properties struct {
			Pools []map[string]any `json:"agentPoolProfiles"`
		} `json:"properties"`
	}{}
	if err := Decode(body, &sent); err != nil {
		return nil, err
	}
	for i := range put.Properties.Pools {
		put.Properties.Pools[i].Sent = sent.Properties.Pools[i]
	}
	return put, nil
}

// KeepCluster sets what a managed cluster keeps of the body of a PUT, and returns the names of the properties that Berth keeps and
// does not act on. The fields of the spec must have been merged.
func KeepCluster(body []byte, r *berth.Resource) ([]string, error) {
	return clusterLaw.keep(body, &r.Body.(*berth.Cluster).Spec.Kept, func() Object { return Cluster(r, "") })
}

// Cluster answers a managed cluster. tenant is that of its identity.
func Cluster(r *berth.Resource, tenant string) Object {
	c := r.Body.(*berth.Cluster)
	group := managedGroup(r)
	properties := Object{
		"provisioningState": r.State, "powerState": Object{"code": "Running"},
		"kubernetesVersion": c.Spec.Version, "currentKubernetesVersion": orDefault(c.Status.Version, c.Spec.Version),
		"dnsPrefix": c.Spec.DNSPrefix, "fqdn": orNull(c.Status.FQDN), "azurePortalFQDN": orNull(c.Status.FQDN), "maxAgentPools": 1,
		"agentPoolProfiles": pools(r, c), "servicePrincipalProfile": Object{"clientId": "msi"}, "nodeResourceGroup": group.Group,
		"enableRBAC": true, "disableLocalAccounts": false, "networkProfile": network(c, group), "supportPlan": "KubernetesOfficial",
		"identityProfile": Object{"kubeletidentity": kubeletIdentity(r, c, group)}, "resourceUID": strings.ReplaceAll(guid(r, "uid"), "-", ""),
	}
	clusterDefaults(properties, c)
	if !c.Spec.OwnedBy.IsZero() {
		properties["ownedBy"] = c.Spec.OwnedBy.String()
	}
	if c.Status.Endpoint != "" {
		properties["kubernetesEndpoint"] = c.Status.Endpoint
	}
	if c.Status.Message != "" && !r.State.Terminal() {
		properties["statusMessage"] = c.Status.Message
	}
	if c.Status.Endpoint != "" && !c.Spec.Connected {
		properties["nodes"] = nodesOf(c)
	}
	warnings(properties, allWarnings(c))
	health(properties, c.Status.Health)
	if c.Spec.Connected {
		connected(properties, c)
		properties["kubernetesVersion"], properties["nodeResourceGroup"] = orNull(c.Status.Version), nil
	}
	o := envelope(r, properties)
	o["sku"] = Object{"name": "Base", "tier": "Free"}
	Lay(o, c.Spec.Kept)
	accessible(properties, r)
	podRange(properties, c)
	egress(properties)
	if properties["fqdnSubdomain"] == c.Spec.DNSPrefix {
		properties["dnsPrefix"] = nil
	}
	if aad, isObject := properties["aadProfile"].(map[string]any); isObject && tenant != "" && c.Spec.Access().Entra {
		properties["aadProfile"] = over(Object{"tenantID": tenant}, aad)
	}
	if scaler, isObject := properties["workloadAutoScalerProfile"].(Object); isObject { // AKS answers those that are enabled
		maps.DeleteFunc(scaler, func(_ string, v any) bool { one, _ := v.(Object); return one["enabled"] == false })
	}
	if sp, _ := properties["servicePrincipalProfile"].(Object); c.Spec.Identity != nil || sp["clientId"] == "msi" {
		o["identity"] = identityOf(c.Spec.Identity, guid(r, "principal"), tenant)
	}
	return o
}

// nodesOf is what runs the nodes of a cluster that Berth has created.
func nodesOf(c *berth.Cluster) string {
	if c.Status.Simulated {
		return berth.NodesSimulated
	}
	return berth.NodesReal
}

// allWarnings are those of the last request, and those about the nodes of a cluster.
func allWarnings(c *berth.Cluster) []berth.Error {
	all := slices.Clone(c.Warnings)
	if why := c.Status.SimulatedBecause; why != "" {
		all = append(all, *berth.Errorf(codeSimulated, "The nodes of this cluster are simulated, and no container runs on them, because this "+
			"machine cannot run real ones: %s.", strings.TrimSuffix(why, ".")))
	}
	if c.Status.Unlimited {
		all = append(all, *berth.Errorf(codeUnlimited, "The limits of pods are not kept in this cluster: the server runs as a user who may "+
			"make no cgroups. A server that runs as root keeps them."))
	}
	if how := c.Status.Overcommitted; how != "" {
		all = append(all, *berth.Errorf(codeOvercommitted, "The machine has less than its nodes: %s. Pods are placed as if all of it was there; "+
			"when they use it, they slow each other down, and some end for lack of memory.", how))
	}
	return all
}

// Codes of warnings about the nodes of a cluster.
const (
	codeSimulated = berth.Code("SimulatedNodes")
	codeUnlimited = berth.Code("UnlimitedPods")
	// codeOvercommitted: the scheduler plans with more than there is.
	codeOvercommitted = berth.Code("OvercommittedNodes")
)

// clusterDefaults are what AKS fills in for properties that have no effect here.
func clusterDefaults(properties Object, c *berth.Cluster) {
	on, off := Object{"enabled": true}, Object{"enabled": false}
	for key, v := range (Object{
		"storageProfile":  Object{"diskCSIDriver": on, "fileCSIDriver": on, "snapshotController": on},
		"securityProfile": Object{}, "workloadAutoScalerProfile": Object{}, "oidcIssuerProfile": off,
		"metricsProfile": Object{"costAnalysis": off}, "autoUpgradeProfile": Object{"nodeOSUpgradeChannel": "NodeImage"},
		"bootstrapProfile": Object{"artifactSource": "Direct"}, "nodeProvisioningProfile": Object{"mode": "Manual", "defaultNodePools": "Auto"},
	}) {
		properties[key] = v
	}
	if slices.ContainsFunc(c.Spec.Pools, func(p berth.NodePool) bool { return p.Profile["enableAutoScaling"] == true }) {
		properties["autoScalerProfile"] = autoScalerDefaults()
	}
}

// autoScalerDefaults are those of AKS, which writes them as text.
func autoScalerDefaults() Object {
	return Object{
		"balance-similar-node-groups": "false", "daemonset-eviction-for-empty-nodes": false, "daemonset-eviction-for-occupied-nodes": true,
		"expander": "random", "ignore-daemonsets-utilization": false, "max-empty-bulk-delete": "10", "max-graceful-termination-sec": "600",
		"max-node-provision-time": "15m", "max-total-unready-percentage": "45", "new-pod-scale-up-delay": "0s", "ok-total-unready-count": "3",
		"scale-down-delay-after-add": "10m", "scale-down-delay-after-delete": "10s", "scale-down-delay-after-failure": "3m",
		"scale-down-unneeded-time": "10m", "scale-down-unready-time": "20m", "scale-down-utilization-threshold": "0.5",
		"scan-interval": "10s", "skip-nodes-with-local-storage": "false", "skip-nodes-with-system-pods": "true",
	}
}

// network is networkProfile: the cluster's ranges, and what AKS fills in.
func network(c *berth.Cluster, group berth.ID) Object {
	n, usual := c.Spec.Network, berth.DefaultNetwork
	pod, service := orDefault(n.PodCIDR, usual.PodCIDR), orDefault(n.ServiceCIDR, usual.ServiceCIDR)
	outbound := berth.NewID(group.Subscription, group.Group, berth.TypePublicIP, "outbound")
	return Object{
		"networkPlugin": "kubenet", "podCidr": pod, "podCidrs": []string{pod}, "serviceCidr": service, "serviceCidrs": []string{service},
		"dnsServiceIP": orDefault(n.DNSServiceIP, usual.DNSServiceIP), "ipFamilies": []string{"IPv4"},
		"loadBalancerSku": "standard", "outboundType": "loadBalancer", "loadBalancerProfile": Object{
			"managedOutboundIPs": Object{"count": 1}, "backendPoolType": "nodeIPConfiguration",
			"effectiveOutboundIPs": []Object{{"id": outbound.String()}},
		},
	}
}

// accessible writes what follows from kept properties: names of a private API server, and the address of an issuer.
func accessible(properties Object, r *berth.Resource) {
	c := r.Body.(*berth.Cluster)
	if enabled(properties, "apiServerAccessProfile", "enablePrivateCluster") && c.Status.FQDN != "" {
		name, domain, _ := strings.Cut(c.Status.FQDN, ".")
		properties["privateFQDN"] = name + ".privatelink." + r.Location + "." + domain
	}
	if oidc, isObject := properties["oidcIssuerProfile"].(Object); isObject && oidc["enabled"] == true && c.Spec.IssuerURL != "" {
		oidc["issuerURL"] = c.Spec.IssuerURL
	}
}

// enabled reports whether a switch in a profile is on.
func enabled(properties map[string]any, profile, key string) bool {
	p, _ := properties[profile].(map[string]any)
	return p[key] == true
}

// managedGroup is the group in which AKS would keep what belongs to the nodes, as an id. Berth has nothing in it.
func managedGroup(r *berth.Resource) berth.ID {
	return berth.GroupID(r.ID.Subscription, fmt.Sprintf("MC_%s_%s_%s", r.ID.Group, r.ID.Name(), r.Location))
}

// kubeletIdentity is the identity with which AKS's nodes pull images: templates give it rights.
func kubeletIdentity(r *berth.Resource, c *berth.Cluster, group berth.ID) Object {
	id := berth.NewID(group.Subscription, group.Group, berth.TypeIdentity, r.ID.Name()+"-agentpool")
	if ids := c.Spec.Kubelet; ids != nil { // the resourceId is among what is kept
		return Object{"resourceId": id.String(), "clientId": ids.ClientID, "objectId": ids.PrincipalID}
	}
	return Object{"resourceId": id.String(), "clientId": guid(r, "kubelet client"), "objectId": guid(r, "kubelet object")}
}

// podRange takes away the default pod range where AKS has none: without an overlay, the network plugin of Azure gives pods addresses of
// the subnet. azurerm refuses to update a cluster that has both.
func podRange(properties Object, c *berth.Cluster) {
	profile, _ := properties["networkProfile"].(Object)
	plugin, _ := profile["networkPlugin"].(string)
	mode, _ := profile["networkPluginMode"].(string)
	if strings.EqualFold(plugin, "azure") && !strings.EqualFold(mode, "overlay") && c.Spec.Network.PodCIDR == "" {
		delete(profile, "podCidr")
		delete(profile, "podCidrs")
	}
}

// egress answers the outbound addresses that a load balancer has: those that were requested, in place of those that AKS would manage.
func egress(properties Object) {
	network, _ := properties["networkProfile"].(Object)
	balancer, _ := network["loadBalancerProfile"].(Object)
	own, _ := balancer["outboundIPs"].(map[string]any)
	prefixes, _ := balancer["outboundIPPrefixes"].(map[string]any)
	ips, _ := own["publicIPs"].([]any)
	ranges, _ := prefixes["publicIPPrefixes"].([]any)
	if len(ips) > 0 {
		balancer["effectiveOutboundIPs"] = ips
	}
	if len(ips)+len(ranges) > 0 {
		delete(balancer, "managedOutboundIPs")
	}
}

// KubeletID is the id of the identity that was requested for the kubelets of a cluster; empty when none was.
func KubeletID(c *berth.ClusterSpec) string {
	profile, _ := c.Profile["identityProfile"].(map[string]any)
	kubelet, _ := profile["kubeletidentity"].(map[string]any)
	text, _ := kubelet["resourceId"].(string)
	return text
}

// guid is a GUID of a resource for a purpose. It has the form of version 4, as clients check it, and stays the same for the life of
// the resource.
func guid(r *berth.Resource, purpose string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d %s", r.ID.Key(), r.CreatedAt.UnixMicro(), purpose))
	sum[6], sum[8] = sum[6]&0x0f|0x40, sum[8]&0x3f|0x80
	return uuid.UUID(sum[:16]).String()
}

// Kubeconfigs answers listClusterUserCredential and listClusterAdminCredential.
func Kubeconfigs(name string, kubeconfig []byte) Object {
	return Object{"kubeconfigs": []Object{{"name": name, "value": base64.StdEncoding.EncodeToString(kubeconfig)}}}
}
