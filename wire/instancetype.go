package wire

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"berth.dev/berth"
)

// InstanceTypes are the sizes of containers that a compute has: those in the last request for it, as it was sent.
type InstanceTypes struct {
	Default string // its name; empty for berth's own
	types   map[string]instanceType
}

// instanceType is one of `instanceTypes` of a compute on Kubernetes.
type instanceType struct {
	NodeSelector map[string]string `json:"nodeSelector"`
	Resources    struct {
		Requests map[string]any `json:"requests"`
		Limits   map[string]any `json:"limits"`
	} `json:"resources"`
}

// InstanceTypesOf reads those of a compute. What cannot be read is none.
func InstanceTypesOf(c *berth.Compute) (out InstanceTypes) {
	kept, _ := c.Spec.Profile["properties"].(map[string]any)
	out.Default, _ = kept["defaultInstanceType"].(string)
	out.types = map[string]instanceType{}
	all, _ := kept["instanceTypes"].(map[string]any)
	for name, v := range all {
		text, err := json.Marshal(v)
		t := instanceType{}
		if err == nil && json.Unmarshal(text, &t) == nil {
			out.types[name] = t
		}
	}
	return out
}

// Names are sorted.
func (t InstanceTypes) Names() []string { return slices.Sorted(maps.Keys(t.types)) }

// Size is what an instance type says of a container, and of the nodes on which it runs; false when there is none with that name.
func (t InstanceTypes) Size(name string) (requests, limits berth.ContainerSize, nodes map[string]string, found bool) {
	for own, one := range t.types {
		if strings.EqualFold(own, name) {
			return sizeOf(one.Resources.Requests), sizeOf(one.Resources.Limits), one.NodeSelector, true
		}
	}
	return requests, limits, nil, false
}

func sizeOf(quantities map[string]any) berth.ContainerSize {
	text := func(name string) string {
		switch v := quantities[name].(type) {
		case string:
			return v
		case float64:
			out, _ := json.Marshal(v) // as it was sent
			return string(out)
		}
		return ""
	}
	return berth.ContainerSize{CPU: text("cpu"), Memory: text("memory"), GPU: text("nvidia.com/gpu")}
}
