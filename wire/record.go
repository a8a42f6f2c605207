package wire

import (
	"maps"
	"strings"
	"time"

	"berth.dev/berth"
	"berth.dev/berth/catalog"
)

// recordNote is in every record, so that users do not mistake it for a working resource.
const recordNote = "Berth stores this resource as a record and provides no service for it."

// notes are those of the types that recordNote does not describe.
var notes = map[string]string{
	berth.TypePolicyAssignment: "Berth enforces assignments of built-in policies that forbid public IPs and only stores others.",
	berth.TypeRoleAssignment:   "", // does what it does in Azure; likewise a definition
	berth.TypeRoleDefinition:   "",
}

func note(typ string, in Object) {
	n, own := notes[typ]
	if !own {
		n = recordNote
	}
	if n != "" {
		in["berthNote"] = n
	}
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

// Record answers a record: what was sent, the read-only values, and a note that it is a record. computed are the read-only properties
// that depend on nothing but the record and the server.
func Record(r *berth.Resource, computed Object) Object {
	body := r.Body.(*berth.Record)
	properties := maps.Clone(body.Properties())
	maps.Copy(properties, body.Values)
	maps.Copy(properties, computed)
	properties["provisioningState"] = r.State
	note(body.Type, properties)
	o := envelope(r, properties)
	for k, v := range body.Fields {
		if k != "properties" {
			o[k] = v
		}
	}
	return o
}

// Untracked drops what only tracked resources have: those that are inside another record, or extend another resource, have neither
// location nor tags.
func Untracked(o Object) Object {
	delete(o, "location")
	delete(o, "tags")
	return o
}

// Parts are the parts of a record of one type, such as the subnets of a virtual network, each as a resource of its own.
func Parts(r *berth.Resource, typ string) []any {
	out := []any{}
	for _, s := range StoredParts(r, typ) {
		out = append(out, Part(r, typ, s.(Object)))
	}
	return out
}

// StoredParts are the parts as they are stored.
func StoredParts(r *berth.Resource, typ string) []any {
	out := []any{}
	sent, _ := r.Body.(*berth.Record).Properties()[PartsName(typ)].([]any)
	for _, s := range sent {
		if fields, isObject := s.(map[string]any); isObject {
			out = append(out, fields)
		}
	}
	return out
}

// PartsName is the name of the property that has the parts of a type: "subnets" of "Microsoft.Network/virtualNetworks/subnets".
func PartsName(typ string) string { return typ[strings.LastIndex(typ, "/")+1:] }

// Part answers one part of a record.
func Part(r *berth.Resource, typ string, fields map[string]any) Object {
	name, _ := fields["name"].(string)
	sent, _ := fields["properties"].(map[string]any)
	properties := maps.Clone(sent)
	if properties == nil {
		properties = Object{}
	}
	properties["provisioningState"], properties["berthNote"] = r.State, recordNote
	return Object{"id": r.ID.Child(PartsName(typ), name).String(), "name": name, "type": typ, "etag": ETag(r.Generation),
		"properties": properties}
}

// Settled begins the name of the operation of a change that was complete when it was answered. The time of the change follows, so
// that the operation can be answered although it is not stored.
const Settled = "settled-"

// SettledOperation answers the status of such an operation.
func SettledOperation(path string, at time.Time) Object {
	return Object{"id": path, "name": path[strings.LastIndex(path, "/")+1:], "status": "Succeeded", "startTime": Time(at), "endTime": Time(at),
		"percentComplete": 100, "properties": Object{}}
}

// Role answers a built-in role.
func Role(root string, r catalog.Role) Object {
	properties := Object{"roleName": r.Name, "type": "BuiltInRole", "description": r.Name, "assignableScopes": []string{"/"}}
	if r.Permissions == nil {
		properties["permissions"] = []any{}
		properties["berthNote"] = "Berth does not know what this role permits: an assignment of it permits nothing."
	} else {
		properties["permissions"] = []any{Permissions(*r.Permissions)}
	}
	return Object{"id": root + "/providers/" + berth.TypeRoleDefinition + "/" + r.ID, "name": r.ID, "type": berth.TypeRoleDefinition,
		"properties": properties}
}

// Permissions answers one entry of a role's permissions. All lists are there: clients expect them.
func Permissions(p catalog.Permissions) Object {
	list := func(of []string) []string { return append([]string{}, of...) }
	return Object{"actions": list(p.Actions), "notActions": list(p.NotActions), "dataActions": list(p.DataActions),
		"notDataActions": list(p.NotDataActions)}
}
