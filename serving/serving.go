// Package serving does in one cluster what it takes to serve a model: its files, its environment, its pods, and the router before them.
// Every function looks at what there is, does the next thing and returns; it never waits. So it may be called again after any crash.
package serving

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/jonboulle/clockwork"

	"berth.dev/berth"
	"berth.dev/berth/kube"
)

// Images that local nodes have.
const (
	FEImage     = "berth.dev/fe:1"
	PythonImage = "berth.dev/python:3.11"
)

// Options are what is the same for all clusters of a server.
type Options struct {
	Clock clockwork.Clock
	FE    string // the image of berth-fe; FEImage when empty
	// Python is the image in which environments are built and entry scripts run, as a name with the version of Python as its tag;
	// PythonImage when empty.
	Python string
	// FindPython names that image instead, empty as long as there is none. It is asked until it names one, which then stays: another one
	// would build every environment anew and start every replica anew. It may be nil.
	FindPython func() string
	// ExactPython refuses environments that ask for another Python than that of the image.
	ExactPython bool
	// Authorities are certificates in PEM that pods trust besides those of the image, where a proxy signs TLS anew.
	Authorities []byte
	// Index are the settings of uv and pip that say where packages come from (UV_INDEX_URL, PIP_INDEX_URL …). They may hold credentials.
	Index map[string]string
	// Builds keeps the images that are built of Dockerfiles; nil: none is built.
	Builds Builds
	// Traces are the settings of OpenTelemetry that say where routers send spans (OTEL_EXPORTER_OTLP_ENDPOINT …); none: nowhere. They may
	// hold credentials.
	Traces map[string]string
	// Pull is the configuration of docker by which nodes sign in at registries, as ReadPullConfig leaves it; empty for none. It is asked
	// each time, because it may change. It may be nil.
	Pull func() []byte
}

// Images are those of a cluster whose nodes pull them from a registry. Empty ones are those of the Options.
type Images struct{ FE, Python string }

// Serving serves models in clusters.
type Serving struct {
	o Options

	lock  sync.Mutex
	found string // by FindPython
}

// New makes a Serving.
func New(o Options) *Serving {
	if o.FE == "" {
		o.FE = FEImage
	}
	if o.Python == "" {
		o.Python = PythonImage
	}
	return &Serving{o: o}
}

// fe is the image of the router and of the store of files.
func (a *advance) fe() string { return cmp.Or(a.images.FE, a.o.FE) }

// python is the image in which environments are built.
func (s *Serving) python() string {
	s.lock.Lock()
	defer s.lock.Unlock()
	if s.found == "" && s.o.FindPython != nil {
		s.found = s.o.FindPython()
	}
	return cmp.Or(s.found, s.o.Python)
}

// pythonVersion is that of the image, by its tag.
func (s *Serving) pythonVersion() string {
	image := s.python()
	return image[strings.LastIndex(image, ":")+1:]
}

// AppRoot is the folder of a container in which the files are.
const AppRoot = "/var/azureml-app"

// DefaultPort is where the scoring server of Azure ML answers.
const DefaultPort = 5001

// Deployment is one service of v1, or one deployment of an endpoint.
type Deployment struct {
	Namespace, Name string
	Images          Images
	Labels          map[string]string
	Environment     Environment
	Files           []File
	EntryScript     string // below AppRoot
	SourceDir       string // below AppRoot: the folder in which the entry script runs; may be empty
	ModelDir        string // below AppRoot: AZUREML_MODEL_DIR
	// ModelMount is where containers find the models instead of AppRoot/azureml-models, as a whole path; AZUREML_MODEL_DIR follows it
	// (model_mount_path of version 2).
	ModelMount string
	// Collects reports that the scoring script collects data by itself (azureml-ai-monitoring): it finds the router.
	Collects bool
	// NoCode is a model that is served without an entry script, and without an image; nil for none.
	NoCode   *NoCode
	Replicas int
	// KeepReplicas leaves the number of replicas to the router once the deployment exists (autoscaling).
	KeepReplicas            bool
	CPU, CPULimit           float64 // cores; no limit when 0
	MemoryGB, MemoryLimitGB float64
	GPU                     int
	NodeSelector            map[string]string // labels of the nodes on which the replicas run; none for all nodes
	Logins                  bool              // the image asks for sign-in, with what GivePulls has brought
	Liveness, Readiness     Probe
	// Generation grows with each change that is asked for. A failure is told once for each generation.
	Generation int64
	// Drain is how long a replica may take for the requests that it has when it is ended; 60 s when zero.
	Drain time.Duration
}

// Environment is what an entry script runs in.
type Environment struct {
	Python       string   // the version that is asked for, or bounds such as >=3.9,<3.12; may be empty
	Requirements []string // as pip reads them
	Conda        []string // names of conda, with their versions
	// Image is a ready image. With it no environment is built; without an entry script it runs as it is.
	Image string
	// Dockerfile makes an image that is used as a ready one; nil for none.
	Dockerfile *Dockerfile
	Command    []string // of a ready image; its own when empty
	Port       int      // of a ready image: where it scores; DefaultPort when 0. The path is for the router (route.Version.ScorePath)
	Variables  map[string]string
}

// base reports whether packages are added to the image of Python, and no image is ready or built.
func (e Environment) base() bool { return e.Image == "" && e.Dockerfile == nil }

// File is one file of a deployment: its path below AppRoot, or with Unpack the folder below AppRoot into which the archive is unpacked.
type File struct {
	Path   string
	Digest string // SHA-256 in hexadecimal digits
	Size   int64
	Unpack bool
}

// Probe asks a container whether it works. Zero values mean Kubernetes' own defaults.
type Probe struct {
	Path                               string // "/" when empty
	Port                               int    // of a ready image; the port where it scores when 0
	Period, InitialDelay, Timeout      time.Duration
	SuccessThreshold, FailureThreshold int
}

// Source opens a file by its digest, from an offset on.
type Source func(ctx context.Context, digest string, offset int64) (io.ReadCloser, error)

// The steps of a deployment, in their order.
const (
	StepFiles       = "files"
	StepEnvironment = "environment"
	StepImage       = "image"
	StepPods        = "pods"
	StepProbe       = "probe"
)

// State is how far a step is.
type State string

// The states of a step.
const (
	Pending State = "pending"
	Running State = "running"
	Done    State = "done"
	Failed  State = "failed"
)

// Step is one step as users see it.
type Step struct {
	Name  string
	State State
	Text  string // a sentence: what was done, or what is awaited
}

// Progress is how far a deployment is.
type Progress struct {
	Steps    []Step
	Warnings []string // sentences about what was asked for
	Done     bool
	Failure  *berth.Error  // why this generation fails; what served before goes on
	Log      string        // the end of the log that belongs to the failure
	Await    time.Duration // when to ask again; zero when there is nothing to await
	Replicas int           // that are ready
}

// Codes of failures, as Azure ML names them.
const (
	CodeScript        berth.Code = "UserScriptInitFailed"
	CodeImage         berth.Code = "ImagePullLoopBackOff"
	CodeUnschedulable berth.Code = "PodUnschedulable"
	CodeMemory        berth.Code = "PodOutOfMemory"
	CodeProbe         berth.Code = "ProbeFailed"
	CodeEnvironment   berth.Code = "EnvironmentBuildFailed"
	CodeFiles         berth.Code = "FilesFailed"
)

// advance is one call of Advance.
type advance struct {
	*Serving
	ctx  context.Context
	conn *kube.Conn
	d    *Deployment
	p    *Progress
	base bool // of the image, and not a ready one

	images Images

	script string // of a model without an entry script

	plan     *plan
	claim    string // of the environment; empty when each replica builds it
	pycache  bool   // the environment has what Python has compiled in a folder of its own
	rootOnly bool   // some nodes know no user besides root
	nodes    []kube.Node
	have     deployment // as it is in the cluster
	there    bool
	try      string // which try of the same template it is
}

// soon is when to ask again while something is under way in the cluster.
const soon = 250 * time.Millisecond

// Advance brings a deployment forward: it looks at the cluster, does the next thing, and says what is awaited. An error is one of Berth
// or of the connection, and worth another try; a Failure is one of the deployment.
func (s *Serving) Advance(ctx context.Context, conn *kube.Conn, d Deployment, open Source) (Progress, error) {
	p := Progress{}
	for _, name := range []string{StepFiles, StepEnvironment, StepImage, StepPods, StepProbe} {
		p.Steps = append(p.Steps, Step{Name: name, State: Pending})
	}
	a := &advance{Serving: s, ctx: ctx, conn: conn, d: &d, p: &p, base: d.Environment.base(), images: d.Images}
	err := a.run(open)
	if err != nil || p.Failure != nil || p.Done {
		p.Await = 0
	} else if p.Await == 0 {
		p.Await = soon
	}
	return p, err
}

func (a *advance) run(open Source) error {
	if a.base && a.d.EntryScript == "" && a.d.NoCode == nil {
		a.fail(StepFiles, berth.Errorf(berth.CodeBadRequest, "The deployment has neither an entry script nor an image. Name one of them."), "")
		return nil
	}
	if e := mountable(a.d.ModelMount); e != nil {
		a.fail(StepFiles, e, "")
		return nil
	}
	if told, err := a.told(); err != nil || told {
		return err
	}
	if able, err := a.look(); err != nil || !able {
		return err
	}
	if err := a.noCode(open); err != nil || a.p.Failure != nil {
		return err
	}
	if err := a.namespace(a.d.Namespace); err != nil {
		return err
	}
	built, err := a.environment(open) // first: it is built while the files travel
	if err != nil || a.p.Failure != nil {
		return err
	}
	there, err := a.files(a.list(), open)
	if err != nil || a.p.Failure != nil || !built || !there {
		return err
	}
	return a.rollout()
}

// namespace creates a namespace. One that is there is not marked as Berth's: it may be the user's.
func (a *advance) namespace(name string) error {
	ref := kube.Ref{Kind: "Namespace", Name: name}
	if found, err := a.conn.Read(a.ctx, ref, nil); err != nil || found {
		return err
	}
	return a.conn.Apply(a.ctx, ref, kube.Object{}, nil)
}

func (a *advance) step(name string, state State, text string) {
	for i := range a.p.Steps {
		if a.p.Steps[i].Name == name {
			a.p.Steps[i].State, a.p.Steps[i].Text = state, text
		}
	}
}

func (a *advance) fail(step string, e *berth.Error, log string) {
	a.step(step, Failed, e.Message)
	a.p.Failure, a.p.Log = e, log
}

// refuse fails when there is a reason to.
func (a *advance) refuse(step string, e *berth.Error) {
	if e != nil {
		a.fail(step, e, "")
	}
}

// Marks of the objects that a deployment consists of.
const (
	labelServing       = "berth.dev/serving" // the name of the deployment
	labelPart          = "berth.dev/part"    // "environment", "files", "router"
	annotationSpec     = "berth.dev/spec"    // the digest of what the object was made of
	annotationGen      = "berth.dev/generation"
	annotationFailed   = "berth.dev/failed"   // the failure of a generation, as JSON
	annotationServed   = "berth.dev/served"   // the generation that was ready once
	annotationReplicas = "berth.dev/replicas" // how many replicas it had then
	annotationTry      = "berth.dev/try"      // the generation that tries anew what failed
	annotationEdition  = "berth.dev/edition"
)

var notInNames = regexp.MustCompile(`[^a-z0-9-]+`)

// maxObjectName leaves room for what Kubernetes adds to the name of a Deployment.
const maxObjectName = 45

// ObjectName is the name of the objects of a deployment, also of the Service that the router sends requests to.
func ObjectName(name string) string {
	out := strings.Trim(notInNames.ReplaceAllString(strings.ToLower(name), "-"), "-")
	letter := out != "" && out[0] >= 'a'
	if out == name && len(out) <= maxObjectName && letter {
		return out
	}
	if !letter {
		out = "m" + out
	}
	return strings.TrimRight(out[:min(len(out), maxObjectName-9)], "-") + "-" + digestOf(name)[:8]
}

// digestOf is the SHA-256 of a value as JSON.
func digestOf(v any) string {
	text, _ := json.Marshal(v) // plain values
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

func (d *Deployment) object() string { return ObjectName(d.Name) }

func (d *Deployment) selector() string { return labelServing + "=" + d.object() }

func (d *Deployment) labels() map[string]string {
	out := map[string]string{}
	for key, value := range d.Labels {
		out[key] = value
	}
	out[labelServing] = d.object()
	return out
}

func (d *Deployment) ref(kind string) kube.Ref {
	return kube.Ref{Kind: kind, Namespace: d.Namespace, Name: d.object()}
}
