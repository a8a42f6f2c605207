package wire

import (
	"maps"

	"berth.dev/berth"
)

// recordNote stands in every record, so that nobody takes it for the real thing.
const recordNote = "Kept by Berth as a record: nothing stands behind it."

// policyNote stands in policy assignments: the rules read them.
const policyNote = "Berth heeds assignments of built-in policies that forbid public IPs; others are only kept."

func note(typ string) string {
	if typ == berth.TypePolicyAssignment {
		return policyNote
	}
	return recordNote
}

// RecordPut reads a resource that is only kept: the envelope's keys, and all others as they are.
func RecordPut(body []byte) (location *string, tags map[string]string, fields map[string]any, err error) {
	var in struct {
		Location   *string           `json:"location"`
		Tags       map[string]string `json:"tags"`
		Properties map[string]any    `json:"properties"` // its type is checked with the rest
	}
	if err := Decode(body, &in); err != nil {
		return nil, nil, nil, err
	}
	if err := Decode(body, &fields); err != nil {
		return nil, nil, nil, err
	}
	for _, k := range []string{"id", "name", "type", "location", "tags", "etag", "systemData"} {
		delete(fields, k)
	}
	if in.Properties != nil {
		delete(in.Properties, "provisioningState")
		delete(in.Properties, "berthNote")
		fields["properties"] = in.Properties
	}
	return in.Location, in.Tags, fields, nil
}

// Record answers a record: what was written, and that it is one.
func Record(r *berth.Resource) Object {
	body := r.Body.(*berth.Record)
	properties := maps.Clone(body.Properties())
	properties["provisioningState"], properties["berthNote"] = r.State, note(body.Type)
	o := envelope(r, properties)
	for k, v := range body.Fields {
		if k != "properties" {
			o[k] = v
		}
	}
	if body.Type == berth.TypeNetwork {
		properties["subnets"] = Subnets(r)
	}
	return o
}

// Subnets are those of a virtual network, each as a resource of its own.
func Subnets(network *berth.Resource) []any {
	out := []any{}
	sent, _ := network.Body.(*berth.Record).Properties()["subnets"].([]any)
	for _, s := range sent {
		if fields, isObject := s.(map[string]any); isObject {
			out = append(out, Subnet(network, fields))
		}
	}
	return out
}

// Subnet answers one subnet of a network.
func Subnet(network *berth.Resource, fields map[string]any) Object {
	name, _ := fields["name"].(string)
	sent, _ := fields["properties"].(map[string]any)
	properties := Object{"provisioningState": network.State, "berthNote": recordNote}
	for k, v := range sent {
		if _, ours := properties[k]; !ours {
			properties[k] = v
		}
	}
	return Object{"id": network.ID.Child("subnets", name).String(), "name": name, "type": berth.TypeSubnet, "etag": ETag(network.Generation),
		"properties": properties}
}
