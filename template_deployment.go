package berth

import "time"

// TypeTemplateDeployment is the type of a template deployment.
const TypeTemplateDeployment = "Microsoft.Resources/deployments"

// SecretParameters is the name of the secret that holds a template deployment's secure parameters, as one JSON object.
const SecretParameters = "parameters"

// The modes of a template deployment.
const (
	ModeIncremental = "Incremental" // resources that the template does not name stay
	ModeComplete    = "Complete"    // resources of the group that the template does not name are deleted
)

// TemplateDeployment is one deployment of an ARM template.
type TemplateDeployment struct {
	Spec   TemplateDeploymentSpec   `json:"spec"`
	Status TemplateDeploymentStatus `json:"status"`
}

// ResourceType implements Body.
func (*TemplateDeployment) ResourceType() string { return TypeTemplateDeployment }

// TemplateDeploymentSpec is what was requested.
type TemplateDeploymentSpec struct {
	Run      string         `json:"run"` // a GUID for each time: the same template is deployed again when it is sent again
	Mode     string         `json:"mode"`
	Template map[string]any `json:"template"`
	// Values are the values of all parameters, defaults included, so that a default such as newGuid() is evaluated only once.
	// Those of secure parameters are in SecretParameters.
	Values  map[string]any `json:"values,omitempty"`
	Shown   map[string]any `json:"shown,omitempty"` // the parameters as answers show them
	AskedAt time.Time      `json:"askedAt"`
	// What the template's functions return about this server.
	TenantID    string         `json:"tenantId"`
	Endpoint    string         `json:"endpoint"`
	Environment map[string]any `json:"environment,omitempty"`
	Deployer    map[string]any `json:"deployer,omitempty"` // who sent the request
}

// TemplateDeploymentStatus is the progress, and the result when EndedAt is set.
type TemplateDeploymentStatus struct {
	Steps   []TemplateDeploymentStep `json:"steps,omitempty"`
	Outputs map[string]any           `json:"outputs,omitempty"`
	EndedAt time.Time                `json:"endedAt,omitzero"`
}

// TemplateDeploymentStep is one resource of a template deployment.
type TemplateDeploymentStep struct {
	Key       string         `json:"key"` // the ids of the template deployments that it is nested in, and its own
	ID        string         `json:"id"`
	Type      string         `json:"type"`
	Name      string         `json:"name"`
	State     State          `json:"state"`
	Operation string         `json:"operation,omitempty"`
	Err       *Error         `json:"err,omitempty"`
	Outputs   map[string]any `json:"outputs,omitempty"` // of a nested deployment
	StartedAt time.Time      `json:"startedAt"`
	EndedAt   time.Time      `json:"endedAt,omitzero"`
}

// Step finds a step by its key; nil when it has not begun.
func (d *TemplateDeployment) Step(key string) *TemplateDeploymentStep {
	for i := range d.Status.Steps {
		if d.Status.Steps[i].Key == key {
			return &d.Status.Steps[i]
		}
	}
	return nil
}
