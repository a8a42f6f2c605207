package wire

import (
	"reflect"
	"slices"

	"berth.dev/berth"
)

// NodePoolFields are the fields of an agent pool that have a field in the spec. Count is nil when the request does not have it.
type NodePoolFields struct {
	Name    string             `json:"name"`
	Count   *int               `json:"count"`
	VMSize  *string            `json:"vmSize"`
	Mode    *string            `json:"mode"`
	OSType  *string            `json:"osType"`
	MaxPods *int               `json:"maxPods"`
	Labels  *map[string]string `json:"nodeLabels"`
	Taints  *[]string          `json:"nodeTaints"`
	Zones   *[]string          `json:"availabilityZones"`
	Version *string            `json:"orchestratorVersion"`
	Power   *Power             `json:"powerState"`
	Subnet  *string            `json:"vnetSubnetID"`
	Sent    map[string]any     `json:"-"` // the whole object
}

var poolLaw = law{
	own: []string{
		"name", "id", "etag", "count", "vmSize", "mode", "osType", "maxPods", "nodeLabels", "nodeTaints", "availabilityZones",
		"currentOrchestratorVersion", "powerState", "nodeImageVersion",
	},
	effective: []string{"orchestratorVersion", "tags"},
}

// Merge writes what the request names over the pool. Empty strings mean "the default", as az sends them.
func (f *NodePoolFields) Merge(p *berth.NodePool) {
	set(&p.Name, &f.Name)
	set(&p.VMSize, f.VMSize)
	set(&p.Mode, f.Mode)
	set(&p.OSType, f.OSType)
	p.Count = deref(f.Count, p.Count)
	p.MaxPods = deref(f.MaxPods, p.MaxPods)
	if f.MaxPods != nil && *f.MaxPods == 0 { // az's word for the default
		p.MaxPods = 110
	}
	p.Labels = deref(f.Labels, p.Labels)
	p.Taints = deref(f.Taints, p.Taints)
	p.Zones = deref(f.Zones, p.Zones)
}

// DecodeNodePool reads the body of PUT of a pool. Its errors are those of Decode.
func DecodeNodePool(body []byte) (NodePoolFields, error) {
	var in struct {
		Properties NodePoolFields `json:"properties"`
	}
	if err := Decode(body, &in); err != nil {
		return in.Properties, err
	}
	var sent struct {
		Properties map[string]any `json:"properties"`
	}
	err := Decode(body, &sent)
	in.Properties.Sent = sent.Properties
	return in.Properties, err
}

// KeepPool sets what a pool keeps of a request, and returns the names of the properties that Berth keeps and does not act on.
func KeepPool(sent map[string]any, c *berth.Cluster, p *berth.NodePool) []string {
	was := p.Profile
	p.Profile = nil
	base := Plain(poolFields(&berth.Resource{}, c, *p))
	p.Profile = keepKeys(sent, was, base, slices.Concat(answered, poolLaw.own))
	if sent["enableAutoScaling"] == false { // the limits of the autoscaler end with it
		for _, limit := range []string{"minCount", "maxCount"} {
			if sent[limit] == nil {
				delete(p.Profile, limit)
			}
		}
	}
	return poolLaw.unmet(p.Profile, base)
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

// poolFields are what every pool answers: its fields, what AKS fills in, and what is kept.
func poolFields(r *berth.Resource, c *berth.Cluster, p berth.NodePool) Object {
	o := Object{
		"count": p.Count, "vmSize": p.VMSize, "mode": p.Mode, "osType": p.OSType, "maxPods": p.MaxPods, "type": "VirtualMachineScaleSets",
		"osDiskSizeGB": 128, "osDiskType": "Managed", "osSKU": "Ubuntu", "kubeletDiskType": "OS", "scaleDownMode": "Delete",
		"enableAutoScaling": false, "enableNodePublicIP": false, "enableEncryptionAtHost": false, "enableFIPS": false,
		"enableUltraSSD":      false,
		"orchestratorVersion": c.Spec.Version, "currentOrchestratorVersion": orDefault(c.Status.Version, c.Spec.Version),
		"provisioningState": r.State, "powerState": Object{"code": "Running"},
	}
	for key, v := range map[string]any{"nodeLabels": p.Labels, "nodeTaints": p.Taints, "availabilityZones": p.Zones} {
		if reflect.ValueOf(v).Len() > 0 {
			o[key] = v
		}
	}
	layKeys(o, p.Profile)
	return o
}

// NodePool answers one agent pool of a cluster.
func NodePool(r *berth.Resource, p berth.NodePool) Object {
	id := r.ID.Child("agentPools", p.Name)
	return Object{"id": id.String(), "name": p.Name, "type": berth.TypeNodePool, "properties": poolFields(r, r.Body.(*berth.Cluster), p)}
}
