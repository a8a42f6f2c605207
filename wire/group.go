package wire

import "berth.dev/berth"

// GroupPut is the body of PUT and PATCH of a resource group.
type GroupPut struct {
	Location  *string           `json:"location"`
	Tags      map[string]string `json:"tags"`
	ManagedBy *string           `json:"managedBy"`
}

// Group answers a resource group. Its type's casing is what real ARM sends.
func Group(r *berth.Resource) Object {
	o := Object{
		"id": r.ID.String(), "name": r.ID.Name(), "type": berth.TypeResourceGroup, "location": r.Location,
		"tags": tags(r.Tags), "properties": Object{"provisioningState": r.State}, "etag": ETag(r.Generation),
	}
	if r.Unreadable {
		o["properties"].(Object)["error"] = r.Fault
	}
	if g, ok := r.Body.(*berth.Group); ok && g.ManagedBy != "" {
		o["managedBy"] = g.ManagedBy
	}
	return o
}

// Generic answers any resource as …/resources lists it: the envelope without properties.
func Generic(r *berth.Resource) Object {
	return Object{
		"id": r.ID.String(), "name": r.ID.Name(), "type": r.Body.ResourceType(), "location": r.Location, "tags": tags(r.Tags),
		"createdTime": Time(r.CreatedAt), "changedTime": Time(r.ModifiedAt), "provisioningState": r.State,
	}
}

// Operation answers the status of an operation. httpStatus is the status that its error would have had as a direct answer:
// azureml-core prints it. url is the path of the request.
func Operation(op *berth.Operation, url string, httpStatus int) Object {
	status := string(op.State)
	if !op.State.Terminal() {
		status = "InProgress"
	}
	o := Object{"id": url, "name": op.ID, "status": status, "startTime": Time(op.StartedAt), "resourceId": op.ResourceID.String()}
	properties := Object{"verb": op.Verb}
	if op.Message != "" {
		properties["message"] = op.Message
	}
	if len(op.Notes) > 0 {
		properties["notes"] = op.Notes
	}
	o["properties"] = properties
	if op.State.Terminal() {
		o["endTime"] = Time(op.EndedAt)
		o["percentComplete"] = 100
	}
	if op.Err != nil {
		o["error"] = operationError(op.Err, httpStatus)
	}
	return o
}

// Steps answers the steps of an operation, the latest last.
func Steps(all []berth.Step) []Object {
	out := []Object{}
	for _, s := range all {
		out = append(out, Object{"at": Time(s.At), "message": s.Message})
	}
	return out
}

func operationError(e *berth.Error, httpStatus int) Object {
	o := Object{"code": e.Code, "message": e.Message, "statusCode": httpStatus}
	if e.Target != "" {
		o["target"] = e.Target
	}
	if len(e.Details) > 0 {
		o["details"] = e.Details
	}
	return o
}
