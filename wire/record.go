package wire

import (
	"maps"

	"berth.dev/berth"
)

// recordNote is in every record, so that users do not mistake it for a working resource.
const recordNote = "Berth stores this resource as a record and provides no service for it."

// policyNote is in policy assignments: the rules enforce some of them.
const policyNote = "Berth enforces assignments of built-in policies that forbid public IPs and only stores others."

func note(typ string) string {
	if typ == berth.TypePolicyAssignment {
		return policyNote
	}
	return recordNote
}

// RecordPut reads the body of PUT of a record: location and tags of the envelope, and all other fields as they are.
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

// Record answers a record: what was sent, and a note that it is a record.
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
