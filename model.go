package berth

import (
	"encoding/json"
	"time"
)

// Files of models and services are served under one account name of Azure Blob Storage. The host name has the form that the SDKs take
// apart, account.blob.suffix. Nobody's DNS has it: clients find it by the proxy that the port of the server is, or by a hosts file.
const (
	FilesAccount = "berth"
	FilesHost    = FilesAccount + ".blob." + CloudSuffix
	// CloudSuffix ends the host names of services that Berth announces. The public DNS never resolves "internal".
	CloudSuffix = "berth.internal"
)

// Types of what a workspace has besides computes.
const (
	// TypeModel has the versions of one model, and TypeEnvironment those of one environment; see Versions.
	TypeModel              = "Microsoft.MachineLearningServices/workspaces/models"
	TypeModelVersion       = TypeModel + "/versions"
	TypeEnvironment        = "Microsoft.MachineLearningServices/workspaces/environments"
	TypeEnvironmentVersion = TypeEnvironment + "/versions"
	// TypeAsset is a list of files that were uploaded together; version 1 of the SDK registers models by them.
	TypeAsset = "Microsoft.MachineLearningServices/workspaces/assets"
	// TypeService is a web service of version 1 of the SDK.
	TypeService = "Microsoft.MachineLearningServices/workspaces/services"
)

// Versions is a model, an environment, a code or a data asset: its versions are its children.
type Versions struct {
	Type   string `json:"type"`   // TypeModel, TypeEnvironment, TypeCode or TypeData
	Newest int    `json:"newest"` // the highest number that a version has had: none is given twice
	// Request is the "properties" that version 2 of the SDK sent for all versions together; empty when it sent none.
	Request  json.RawMessage `json:"request,omitempty"`
	Archived bool            `json:"archived,omitempty"`
}

// ResourceType implements Body.
func (v *Versions) ResourceType() string { return v.Type }

// EnvironmentVersion is one version of an environment. It does not change, but for its description and tags.
type EnvironmentVersion struct {
	// Request is what was registered: an Environment of version 1 of the SDK, or the "properties" of version 2 (V2).
	Request  json.RawMessage `json:"request"`
	V2       bool            `json:"v2,omitempty"`
	Folder   AssetFiles      `json:"folder,omitzero"` // of version 2: the folder with a Dockerfile of which its image is built
	Archived bool            `json:"archived,omitempty"`
}

// ResourceType implements Body.
func (*EnvironmentVersion) ResourceType() string { return TypeEnvironmentVersion }

// ModelVersion is one version of a model. It does not change, but for its description, tags and properties.
type ModelVersion struct {
	// Request is what was registered, as it was sent: a model of version 1 of the SDK, or the "properties" of version 2 (V2).
	Request  json.RawMessage `json:"request"`
	V2       bool            `json:"v2,omitempty"`
	Asset    string          `json:"asset,omitempty"`  // of version 1: the name of its asset, whose files it has
	Files    []AssetFiles    `json:"files,omitempty"`  // of version 2: its own
	Unpack   bool            `json:"unpack,omitempty"` // its one file is an archive, and its files are those in it
	Archived bool            `json:"archived,omitempty"`
}

// ResourceType implements Body.
func (*ModelVersion) ResourceType() string { return TypeModelVersion }

// Asset is a list of files in the store of files.
type Asset struct {
	Request json.RawMessage `json:"request"` // as it was sent
	Files   []AssetFiles    `json:"files"`
}

// AssetFiles are files of an asset: one with a name, or all whose names have a prefix. A name is "origin/container/path".
type AssetFiles struct {
	ID     string `json:"id,omitempty"`
	Prefix string `json:"prefix,omitempty"`
}

// ResourceType implements Body.
func (*Asset) ResourceType() string { return TypeAsset }

// Service is a model, or several, that pods of a cluster serve.
type Service struct {
	// Request is the last accepted request, with the defaults of what it left out and without keys: it is answered again, and JSON Patch
	// applies to it.
	Request json.RawMessage `json:"request"`
	Spec    ServiceSpec     `json:"spec"` // what Request says of that which Berth acts on
	Status  ServiceStatus   `json:"status,omitzero"`
	// Good is what was asked for when the service was last served. When a later request fails, the service is that again.
	Good *ServiceGood `json:"good,omitempty"`
	// Warnings are those of the last accepted request.
	Warnings []Error `json:"warnings,omitempty"`
}

// ResourceType implements Body.
func (*Service) ResourceType() string { return TypeService }

// ServiceGood is a request that was served.
type ServiceGood struct {
	Request json.RawMessage `json:"request"`
	Spec    ServiceSpec     `json:"spec"`
}

// Serves implements Served.
func (s *Service) Serves(generation int64) {
	s.Status.Served, s.Status.Routed = generation, s.Route()
	s.Good = &ServiceGood{s.Request, s.Spec}
}

// GoBack implements Served.
func (s *Service) GoBack() {
	if s.Good != nil {
		s.Request, s.Spec = s.Good.Request, s.Good.Spec
	}
}

// Secrets of a service or an endpoint: the two keys with which it is called.
const (
	SecretPrimaryKey   = "primary-key"   // #nosec G101 -- a name
	SecretSecondaryKey = "secondary-key" // #nosec G101 -- a name
)

// Values of ServiceSpec.Auth, and of EndpointSpec.Auth, which is AuthKey or AuthMLToken.
const (
	AuthKey     = "Key"
	AuthToken   = "AADToken"
	AuthNone    = "None"
	AuthMLToken = "AMLToken"
)

// ServiceSpec is what a service is to be.
type ServiceSpec struct {
	Compute string `json:"compute"` // the name of the compute, in the workspace
	Auth    string `json:"auth"`
	PodSpec
}

// PodSpec is what the pods that serve a model are to be: those of a service, or of a deployment of an endpoint.
type PodSpec struct {
	// Replicas is how many pods serve, unless Scale says otherwise.
	Replicas int           `json:"replicas,omitempty"`
	Scale    *ServiceScale `json:"scale,omitempty"`
	// CPU and CPULimit are cores, Memory and MemoryLimit GB, of each pod. No limit when 0.
	CPU         float64 `json:"cpu"`
	CPULimit    float64 `json:"cpuLimit,omitempty"`
	MemoryGB    float64 `json:"memoryGB"`
	MemoryLimit float64 `json:"memoryLimitGB,omitempty"`
	GPUs        int     `json:"gpus,omitempty"`
	// NodeSelector are labels of the nodes on which the pods run; none for all nodes.
	NodeSelector map[string]string `json:"nodeSelector,omitempty"`
	Liveness     ServiceProbe      `json:"liveness"`
	Readiness    ServiceProbe      `json:"readiness,omitzero"` // Kubernetes' own defaults when zero
	// Concurrent is how many requests one pod works on at a time; others wait for QueueWait, and an answer takes at most Timeout.
	Concurrent  int                `json:"concurrent"`
	QueueWait   time.Duration      `json:"queueWait"`
	Timeout     time.Duration      `json:"timeout"`
	Files       []ServiceFile      `json:"files,omitempty"`
	Code        ID                 `json:"code,omitzero"`    // of a version: files besides those in Files, in the folder CodeFolder
	Models      []ID               `json:"models,omitempty"` // of versions
	EntryScript string             `json:"entryScript,omitempty"`
	Environment ServiceEnvironment `json:"environment"`
	// NoCode is set when the request has neither an entry script nor an environment: its one model says how it is served.
	NoCode *ServiceFramework `json:"noCode,omitempty"`
	// ModelMount is where containers find the models instead of the usual folder; empty for that one.
	ModelMount string `json:"modelMount,omitempty"`
	// Collect is what is kept of requests and answers; nil for nothing. LogRequests keeps a line about each request.
	Collect     *DataCollection `json:"collect,omitempty"`
	LogRequests bool            `json:"logRequests,omitempty"`
}

// CodeFolder is where the files of a version of code are, below the folder of the application.
const CodeFolder = "code"

// ServiceFramework is the library that saved a model, as it was registered.
type ServiceFramework struct {
	Name    string `json:"name,omitempty"`    // as the SDK has it, such as "ScikitLearn"
	Version string `json:"version,omitempty"` // of the library
}

// Those that Berth serves without an entry script.
const (
	FrameworkScikitLearn = "ScikitLearn" // version 1 of the SDK
	FrameworkMLflow      = "MLflow"      // version 2
)

// ServiceScale bounds the number of pods, which follows the load.
type ServiceScale struct {
	Min     int           `json:"min"`
	Max     int           `json:"max"`
	Target  int           `json:"target"` // per cent of the pods that should be busy
	Refresh time.Duration `json:"refresh"`
}

// ServiceProbe is how the health of a pod is asked.
type ServiceProbe struct {
	Delay     time.Duration `json:"delay"`
	Period    time.Duration `json:"period"`
	Timeout   time.Duration `json:"timeout"`
	Successes int           `json:"successes"`
	Failures  int           `json:"failures"`
}

// ServiceFile is a file of a service besides those of its models.
type ServiceFile struct {
	Name   string `json:"name"`             // below the folder of the application
	File   string `json:"file"`             // in the store of files: "origin/container/path"
	Unpack bool   `json:"unpack,omitempty"` // it is an archive
}

// ServiceEnvironment is what the pods of a service run in.
type ServiceEnvironment struct {
	Name      string            `json:"name,omitempty"`
	Image     string            `json:"image,omitempty"`  // a ready image; no packages are added
	Login     *ImageLogin       `json:"login,omitempty"`  // where the registry of the image asks for sign-in
	Python    string            `json:"python,omitempty"` // "3.11"; the nearest at hand when empty
	Conda     []string          `json:"conda,omitempty"`  // packages of conda, "name=version"
	Pip       []string          `json:"pip,omitempty"`    // requirements as pip reads them
	Variables map[string]string `json:"variables,omitempty"`
	Inference *InferenceRoutes  `json:"inference,omitempty"` // of a ready image that serves by itself
	Build     *ServiceBuild     `json:"build,omitempty"`     // what makes an image, which is then used as a ready one
}

// ImageLogin is how nodes sign in to pull the images of a repository. The password is a secret: SecretRegistry and the repository.
type ImageLogin struct {
	Repository string `json:"repository"` // example.com/team/model
	Username   string `json:"username"`
}

// ServiceBuild is what an image is built of: a folder with a Dockerfile, or the text of one.
type ServiceBuild struct {
	Folder AssetFiles `json:"folder,omitzero"` // those below a prefix
	Path   string     `json:"path,omitempty"`  // of the Dockerfile, below the folder
	Text   string     `json:"text,omitempty"`  // instead of a folder
}

// HasImage reports whether pods run an image of the user's, and not packages that are added to the image of Python.
func (e ServiceEnvironment) HasImage() bool { return e.Image != "" || e.Build != nil }

// Served is what pods serve and the router leads to: a service, or a deployment of an endpoint.
type Served interface {
	Body
	Pods() *PodSpec
	Now() *ServiceStatus
	// Serves notes that pods have answered, and that the router is to lead to them.
	Serves(generation int64)
	// GoBack makes the request that was served last the present one: what is asked for next goes by it, and not by one that has failed.
	// What was never served stays as it was asked for.
	GoBack()
}

// ServiceStatus is what Berth knows about a service, or about a deployment of an endpoint.
type ServiceStatus struct {
	ScoringURI string `json:"scoringUri,omitempty"`
	Ready      int    `json:"ready,omitempty"` // pods
	// Trouble is a sentence: why a pod that should be ready is not. Empty when all are, or when it is not known.
	Trouble string `json:"trouble,omitempty"`
	// Served is the generation of the request that is served: an older one while a newer one has not answered yet, or failed.
	Served int64 `json:"served,omitempty"`
	// Routed is how the router leads to what is served: that of the request only when its pods have answered.
	Routed *ServiceRoute `json:"routed,omitempty"`
}

// ServiceRoute is what the router needs to know of a service, or of a deployment of an endpoint, which has no Auth of its own.
type ServiceRoute struct {
	Auth       string        `json:"auth,omitempty"`
	Concurrent int           `json:"concurrent"`
	QueueWait  time.Duration `json:"queueWait"`
	Timeout    time.Duration `json:"timeout"`
	Scale      *ServiceScale `json:"scale,omitempty"`
	ScorePath  string        `json:"scorePath,omitempty"` // of the container, when it is not the usual one
	// Collect and LogRequests are as in PodSpec, and Model is the first of the models: version 1 collects by models.
	Collect     *DataCollection `json:"collect,omitempty"`
	Model       ID              `json:"model,omitzero"`
	LogRequests bool            `json:"logRequests,omitempty"`
}

// Pods implements Served.
func (s *Service) Pods() *PodSpec { return &s.Spec.PodSpec }

// Now implements Served.
func (s *Service) Now() *ServiceStatus { return &s.Status }

// Route is how the router is to lead to it.
func (s *Service) Route() *ServiceRoute { return s.Spec.route(s.Spec.Auth) }

func (s *PodSpec) route(auth string) *ServiceRoute {
	out := &ServiceRoute{Auth: auth, Concurrent: s.Concurrent, QueueWait: s.QueueWait, Timeout: s.Timeout, Scale: s.Scale,
		Collect: s.Collect, LogRequests: s.LogRequests}
	if s.Collect != nil && len(s.Models) > 0 {
		out.Model = s.Models[0]
	}
	if i := s.Environment.Inference; i != nil && s.Environment.HasImage() {
		out.ScorePath = i.Scoring.Path
	}
	return out
}
