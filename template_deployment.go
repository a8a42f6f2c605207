package berth

import "time"

// TypeDeployment is the type of a template deployment.
const TypeTemplateDeployment = "Microsoft.Resources/deployments"

// SecretParameters are a deployment's secure parameters, as one JSON object.
const SecretParameters = "parameters"

// Modes of a deployment.
const (
	ModeIncremental = "Incremental" // what the template does not name stays
	ModeComplete    = "Complete"    // what the group has and the template does not name is deleted
)

// Deployment is a template that is being, or has been, brought about.
type TemplateDeployment struct {
	Spec   TemplateDeploymentSpec   `json:"spec"`
	Status TemplateDeploymentStatus `json:"status"`
}

// ResourceType implements Body.
func (*TemplateDeployment) ResourceType() string { return TypeTemplateDeployment }

// DeploymentSpec is what was asked for.
type TemplateDeploymentSpec struct {
	Run      string         `json:"run"` // a GUID for each time: the same template is deployed again when it is sent again
	Mode     string         `json:"mode"`
	Template map[string]any `json:"template"`
	// Values are those of all parameters, defaults included, so that a default which makes a GUID makes it once. Secure
	// ones are kept as a secret.
	Values  map[string]any `json:"values,omitempty"`
	Shown   map[string]any `json:"shown,omitempty"` // the parameters as they are answered
	AskedAt time.Time      `json:"askedAt"`
	// What the template's functions say of this server.
	TenantID string `json:"tenantId"`
	Endpoint string `json:"endpoint"`
}

// DeploymentStatus is how far it got.
type TemplateDeploymentStatus struct {
	Steps   []TemplateDeploymentStep `json:"steps,omitempty"`
	Outputs map[string]any           `json:"outputs,omitempty"`
	EndedAt time.Time                `json:"endedAt,omitzero"`
}

// DeploymentStep is one resource of a deployment on its way.
type TemplateDeploymentStep struct {
	Key       string         `json:"key"` // where it stands: the ids of the deployments it is nested in, and its own
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

// Step finds a step; nil when it has not been begun.
func (d *TemplateDeployment) Step(key string) *TemplateDeploymentStep {
	for i := range d.Status.Steps {
		if d.Status.Steps[i].Key == key {
			return &d.Status.Steps[i]
		}
	}
	return nil
}
