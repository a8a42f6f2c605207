package berth

import "time"

// State is a provisioning state of ARM. Only Succeeded, Failed and Canceled are final.
type State string

// The provisioning states that Berth answers with.
const (
	StateAccepted  State = "Accepted"
	StateCreating  State = "Creating"
	StateUpdating  State = "Updating"
	StateDeleting  State = "Deleting"
	StateSucceeded State = "Succeeded"
	StateFailed    State = "Failed"
	StateCanceled  State = "Canceled"
)

// Terminal reports whether the state is final: no operation is in progress.
func (s State) Terminal() bool {
	return s == StateSucceeded || s == StateFailed || s == StateCanceled
}

// Resource is one ARM resource: the envelope that every kind shares, and the Body of its kind.
type Resource struct {
	ID         ID
	Location   string // canonical: lower case, no spaces ("westeurope")
	Tags       map[string]string
	State      State
	Generation int64 // counts accepted changes; the ETag
	Body       Body

	CreatedAt, ModifiedAt time.Time // UTC
	CreatedBy, ModifiedBy string    // the caller's application id

	// OperationID names the operation under way, or the last one. It may be empty for kinds that settle at once.
	OperationID string
	// Fault is why the last operation failed; nil when it did not.
	Fault *Error
	// Unreadable is true when the stored record cannot be read: State is Failed (or Deleting), Fault is the reason, and Body is
	// empty. Such a resource can only be deleted; every other change is refused with Fault.
	Unreadable bool
}

// Body is what one kind adds to the envelope. The types are *Group, *Workspace, *Compute, *Cluster, *TemplateDeployment, *Record, and those
// of models: *Versions, *ModelVersion, *EnvironmentVersion, *CodeVersion, *DataVersion, *Asset, *Service, *Endpoint and *Deployment.
type Body interface {
	// ResourceType is the ARM type, such as TypeCompute.
	ResourceType() string
}

// NewBody creates an empty body for an ARM type in its canonical casing; nil for a type that Berth does not store.
func NewBody(typ string) Body {
	switch typ {
	case TypeResourceGroup:
		return &Group{}
	case TypeWorkspace:
		return &Workspace{}
	case TypeCompute:
		return &Compute{}
	case TypeCluster:
		return &Cluster{}
	case TypeConnected:
		return &Cluster{Type: TypeConnected}
	case TypeModel, TypeEnvironment, TypeCode, TypeData:
		return &Versions{Type: typ}
	case TypeEnvironmentVersion:
		return &EnvironmentVersion{}
	case TypeModelVersion:
		return &ModelVersion{}
	case TypeCodeVersion:
		return &CodeVersion{}
	case TypeDataVersion:
		return &DataVersion{}
	case TypeAsset:
		return &Asset{}
	case TypeService:
		return &Service{}
	case TypeEndpoint:
		return &Endpoint{}
	case TypeDeployment:
		return &Deployment{}
	case TypeTemplateDeployment:
		return &TemplateDeployment{}
	}
	if t, isRecord := recordType(typ); isRecord {
		return &Record{Type: t}
	}
	return nil
}

// Group is a resource group: an envelope and nothing else.
type Group struct {
	ManagedBy string `json:"managedBy,omitempty"`
}

// ResourceType implements Body.
func (*Group) ResourceType() string { return TypeResourceGroup }

// Names of the secrets that resources have. They are never part of a Body.
const (
	SecretAdmin     = "admin-kubeconfig"  // of a cluster: its administrator's kubeconfig, named as AKS names it
	SecretUser      = "user-kubeconfig"   // of a cluster: the same rights under the names that users' kubeconfigs have
	SecretServer    = "server-kubeconfig" // of a cluster that a provider runs: the kubeconfig with which Berth itself works there
	SecretToken     = "token-kubeconfig"  // of a compute: a kubeconfig with the short-lived token that Berth works with
	SecretSubmitted = "given-kubeconfig"  // of a connected cluster: the kubeconfig that the user submitted, until Berth has used it
	SecretOwn       = "own-kubeconfig"    // of a connected cluster: a kubeconfig with the token of Berth's own service account
	SecretSSLKey    = "ssl-key"           // of a compute: the PEM private key of its certificate
	SecretRegistry  = "registry "         // and a repository: the password with which nodes pull its images
)
