package wire

import (
	"fmt"
	"time"

	"berth.dev/berth"
)

// TemplateDeploymentPut is the body of PUT, validate and whatIf of a template deployment.
type TemplateDeploymentPut struct {
	Location   *string           `json:"location"`
	Tags       map[string]string `json:"tags"`
	Properties struct {
		Mode           string         `json:"mode"`
		Template       map[string]any `json:"template"`
		TemplateLink   map[string]any `json:"templateLink"`
		Parameters     map[string]any `json:"parameters"`
		ParametersLink map[string]any `json:"parametersLink"`
	} `json:"properties"`
}

// TemplateDeployment answers a template deployment, without its template; exportTemplate answers that.
func TemplateDeployment(r *berth.Resource) Object {
	d := r.Body.(*berth.TemplateDeployment)
	end := d.Status.EndedAt
	if end.IsZero() {
		end = r.ModifiedAt
	}
	state := r.State
	if !state.Terminal() && state != berth.StateDeleting {
		state = "Running"
	}
	created := []Object{}
	for _, s := range d.Status.Steps {
		if s.State == berth.StateSucceeded {
			created = append(created, Object{"id": s.ID})
		}
	}
	properties := Object{
		"provisioningState": state, "mode": d.Spec.Mode, "parameters": orEmpty(d.Spec.Shown), "outputs": orEmpty(d.Status.Outputs),
		"timestamp": Time(end), "duration": duration(end.Sub(d.Spec.AskedAt)), "correlationId": d.Spec.Run,
		"templateHash": fmt.Sprint(r.Generation),
		"providers":    []any{}, "dependencies": []any{}, "outputResources": created, "error": nil,
	}
	if r.Fault != nil {
		properties["error"] = r.Fault
	}
	out := Object{"id": r.ID.String(), "name": r.ID.Name(), "type": berth.TypeTemplateDeployment, "tags": tags(r.Tags),
		"properties": properties}
	if r.ID.Group == "" {
		out["location"] = r.Location
	}
	return out
}

func orEmpty(m map[string]any) map[string]any {
	if m == nil {
		return map[string]any{}
	}
	return m
}

// duration is in the form of ISO 8601.
func duration(d time.Duration) string { return fmt.Sprintf("PT%.7fS", max(d, 0).Seconds()) }

// TemplateDeploymentOperations answers the operations of a template deployment, one for each resource. status is the HTTP status of
// an error.
func TemplateDeploymentOperations(r *berth.Resource, status func(*berth.Error) int) []any {
	out := []any{}
	for i, s := range r.Body.(*berth.TemplateDeployment).Status.Steps {
		code := "OK"
		if s.Err != nil {
			code = fmt.Sprint(status(s.Err))
		}
		state := s.State
		if !state.Terminal() {
			state = "Running"
		}
		end := s.EndedAt
		if end.IsZero() {
			end = s.StartedAt
		}
		properties := Object{
			"provisioningOperation": "Create", "provisioningState": state, "timestamp": Time(end), "duration": duration(end.Sub(s.StartedAt)),
			"statusCode": code, "targetResource": Object{"id": s.ID, "resourceType": s.Type, "resourceName": s.Name},
		}
		if s.Err != nil {
			properties["statusMessage"] = Object{"status": "Failed", "error": s.Err}
		}
		id := fmt.Sprintf("%s%04d", r.Body.(*berth.TemplateDeployment).Spec.Run, i)
		out = append(out, Object{"id": r.ID.String() + "/operations/" + id, "operationId": id, "properties": properties})
	}
	return out
}
