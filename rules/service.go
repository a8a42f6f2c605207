package rules

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"berth.dev/berth"
	"berth.dev/berth/catalog"
)

// ComputeToServe are what the rules need to know of a compute on which a service or an endpoint is to run.
type ComputeToServe struct {
	Compute *berth.Compute // nil when there is none with that name
	State   berth.State    // of the compute
	// NoNodes is the reason why no pod runs on its nodes; empty when pods run there.
	NoNodes   string
	Unasked   bool // Berth's account there may not ask the router what it has counted and kept
	Connected bool // the cluster of the compute is a connected one
	Powerless bool // Berth's account in the cluster of the compute may not create what serves a model
	// MostCPUs and MostMemoryGB are those of its largest nodes; 0 when they are not known.
	MostCPUs     int
	MostMemoryGB float64
}

// ServiceFacts are what the rules of a web service need to know besides the request.
type ServiceFacts struct {
	ComputeToServe
	ComputeType string // as the request names it: "AKS"
	Present     string // the compute on which a service of this name runs; empty for none
	Models      int    // how many the request names
	EnvironmentToServe
	MissingModels []string // ids in the request that no model has
	MissingFiles  []string // of the store of files
	BothAuths     bool     // by key and by token
	EventHub      bool     // data of requests is to go there
	Image         bool     // the request has an image of its own to build, or names one that exists
	Namespace     string   // as the request names it
	Keys          []string // as the request gives them
}

// EnvironmentToServe are what the rules need to know of an environment besides what it asks for.
type EnvironmentToServe struct {
	NoPython  bool     // no image of Python was made or imported, and the environment needs it
	Unread    []string // dependencies that cannot be read
	BaseImage string   // to which packages are to be added
	NoImage   bool     // its packages are the user's own, and no image has them
	Added     bool     // packages are to be added to the image of a Dockerfile
	// Fault is why the environment cannot be built, as far as that is known before; nil when nothing speaks against it.
	Fault *berth.Error
}

// serviceName is the rule for names of web services (SDK v1).
var serviceName = regexp.MustCompile(`^[a-z]([-a-z0-9]*[a-z0-9])?$`)

// Limits of a web service.
const (
	MaxReplicas       = 1000
	MaxModels         = 1000 // v1/how-to-deploy-and-where
	maxScoringTimeout = 300 * time.Second
	minKey, maxKey    = 8, 256
	maxConcurrent     = 1000
)

// Where in a request the image and its environment are.
const (
	atImage       = "environmentImageRequest"
	atEnvironment = atImage + ".environment"
)

// Service judges a web service. The texts that azureml-core has itself are the same here.
func Service(name string, s berth.ServiceSpec, f ServiceFacts) (vs []Violation) {
	return slices.Concat(serviceWord(name), serviceCompute(s, f), servicePods(s, f), serviceSettings(f))
}

func serviceWord(name string) []Violation {
	if !serviceName.MatchString(name) || len(name) < 3 || len(name) > 32 {
		return invalid("name", "Error, provided service name is invalid. It must only consist of lowercase letters, numbers, or dashes, "+
			"start with a letter, end with a letter or number, and be between 3 and 32 characters long.")
	}
	return nil
}

// servicePods judges what the pods are to be.
func servicePods(s berth.ServiceSpec, f ServiceFacts) []Violation {
	return slices.Concat(serviceNumbers(s), f.fits("containerResourceRequirements", s.Compute, &s.PodSpec),
		f.kept("dataCollection", &s.PodSpec), serviceContent(s, f))
}

// serviceSettings judges what has an effect on no pod.
func serviceSettings(f ServiceFacts) (vs []Violation) {
	add := func(v []Violation) { vs = append(vs, v...) }
	if f.EventHub {
		add(warning("dataCollection.eventHubEnabled", "Berth sends collected data to no event hub, but to the files of the workspace only."))
	}
	if f.BothAuths {
		add(invalid("aadAuthEnabled", "Invalid configuration, auth_enabled and token_auth_enabled cannot both be true."))
	}
	for _, k := range f.Keys {
		add(ServiceKey(k))
	}
	return vs
}

// ServiceKey judges a key that a user chooses.
func ServiceKey(key string) []Violation {
	if len(key) < minKey || len(key) > maxKey || strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return invalid("keys", "A key has %d to %d printable ASCII characters and no space.", minKey, maxKey)
	}
	return nil
}

// serviceCompute judges where the service is to run.
func serviceCompute(s berth.ServiceSpec, f ServiceFacts) (vs []Violation) {
	add := func(v []Violation) { vs = append(vs, v...) }
	switch {
	case !strings.EqualFold(f.ComputeType, string(berth.ComputeAKS)):
		add(invalid("computeType", "The compute type '%.40s' is not possible: Berth serves models on clusters of Kubernetes (AksWebservice), "+
			"and not in container instances. Name a compute of the workspace as deployment_target.", f.ComputeType))
		return vs
	case s.Compute == "":
		add(invalid("computeName", "The request names no compute. Name one of the workspace as deployment_target."))
		return vs
	case f.Compute == nil:
		return f.ComputeToServe.judge("computeName", s.Compute)
	}
	add(f.ComputeToServe.judge("computeName", s.Compute))
	if f.Compute.Spec.Type != "" && f.Compute.Spec.Type != berth.ComputeAKS {
		add(invalid("computeName", "The compute '%s' is of the type %s; a service runs on one of the type AKS.", s.Compute, f.Compute.Spec.Type))
	}
	if f.Present != "" && f.Present != s.Compute {
		add(invalid("computeName", "The service runs on the compute '%s' and does not move. Delete it, then deploy it to '%s'.", f.Present,
			s.Compute))
	}
	if f.Namespace != "" {
		add(warning("namespace", "Berth runs the services of a workspace in one namespace of its own; the namespace in the request has no "+
			"effect."))
	}
	return vs
}

// judge judges a compute on which models are to be served.
func (f ComputeToServe) judge(target, name string) (vs []Violation) {
	if f.Compute == nil {
		return invalid(target, "There is no compute with the name '%s' in the workspace. Create or attach it first.", name)
	}
	if f.State != berth.StateSucceeded {
		vs = append(vs, invalid(target, "The compute '%s' is %s. Models can be served there when it is Succeeded.", name, f.State)...)
	}
	if f.Powerless {
		vs = append(vs, invalid(target, "The compute '%s' is on a connected cluster, in which Berth may not create what serves a model. Give it "+
			"the rights: connect the cluster again with enableInference (berth cluster connect --enable-inference).", name)...)
	}
	if f.NoNodes != "" {
		vs = append(vs, invalid(target, "On the nodes of the compute '%s' no model can run: %s. Create a compute with real nodes.", name,
			f.NoNodes)...)
	}
	return vs
}

// fits judges the size of a replica by that of the nodes. Whether there is room for it now is seen when its pods are created.
func (f ComputeToServe) fits(target, compute string, s *berth.PodSpec) []Violation {
	if f.MostCPUs == 0 || s.CPU <= float64(f.MostCPUs) && s.MemoryGB <= f.MostMemoryGB {
		return nil
	}
	return invalid(target, "A replica asks for %s CPUs and %s GB of memory, and the largest nodes of the compute '%s' have %d CPUs and %s "+
		"GB. Ask for less, or create a compute with larger nodes.", number(s.CPU), number(s.MemoryGB), compute, f.MostCPUs,
		number(f.MostMemoryGB))
}

// serviceMost judges what has an upper bound.
func serviceMost(s berth.ServiceSpec) (vs []Violation) {
	for _, most := range []struct {
		target, name string
		value, most  int64
	}{
		{"maxConcurrentRequestsPerContainer", "replica_max_concurrent_requests", int64(s.Concurrent), maxConcurrent},
		{"maxQueueWaitMs", "max_request_wait_time", s.QueueWait.Milliseconds(), maxScoringTimeout.Milliseconds()},
		{"scoringTimeoutMs", "scoring_timeout_ms", s.Timeout.Milliseconds(), maxScoringTimeout.Milliseconds()},
		{"numReplicas", "num_replicas", int64(s.Replicas), MaxReplicas},
	} {
		if most.value > most.most {
			vs = append(vs, invalid(most.target, "Invalid configuration, %s cannot be greater than %d.", most.name, most.most)...)
		}
	}
	return vs
}

// serviceNumbers judges sizes, times and counts.
func serviceNumbers(s berth.ServiceSpec) (vs []Violation) {
	add := func(v []Violation) { vs = append(vs, v...) }
	positive := func(target, name string, value float64) {
		if value <= 0 {
			add(invalid(target, "Invalid configuration, %s must be greater than zero.", name))
		}
	}
	add(serviceMost(s))
	positive("containerResourceRequirements.cpu", "cpu_cores", s.CPU)
	positive("containerResourceRequirements.memoryInGB", "memory_gb", s.MemoryGB)
	positive("maxConcurrentRequestsPerContainer", "replica_max_concurrent_requests", float64(s.Concurrent))
	positive("maxQueueWaitMs", "max_request_wait_time", float64(s.QueueWait))
	positive("scoringTimeoutMs", "scoring_timeout_ms", float64(s.Timeout))
	positive("livenessProbeRequirements.periodSeconds", "period_seconds", float64(s.Liveness.Period))
	positive("livenessProbeRequirements.timeoutSeconds", "timeout_seconds", float64(s.Liveness.Timeout))
	positive("livenessProbeRequirements.successThreshold", "success_threshold", float64(s.Liveness.Successes))
	positive("livenessProbeRequirements.failureThreshold", "failure_threshold", float64(s.Liveness.Failures))
	if s.Liveness.Delay < 0 {
		add(invalid("livenessProbeRequirements.initialDelaySeconds", "Invalid configuration, initial_delay_seconds cannot be negative."))
	}
	if s.GPUs < 0 {
		add(invalid("containerResourceRequirements.gpu", "Invalid configuration, gpu_cores cannot be negative."))
	}
	if s.CPULimit != 0 && s.CPULimit < s.CPU {
		add(invalid("containerResourceRequirements.cpuLimit", "cpu_cores_limit must be greater than or equal to cpu_cores."))
	}
	if s.MemoryLimit != 0 && s.MemoryLimit < s.MemoryGB {
		add(invalid("containerResourceRequirements.memoryInGBLimit", "memory_gb_limit must be greater than or equal to memory_gb."))
	}
	if s.Scale == nil {
		positive("numReplicas", "num_replicas", float64(s.Replicas))
		return vs
	}
	positive("autoScaler.minReplicas", "autoscale_min_replicas", float64(s.Scale.Min))
	positive("autoScaler.maxReplicas", "autoscale_max_replicas", float64(s.Scale.Max))
	positive("autoScaler.refreshPeriodInSeconds", "autoscale_refresh_seconds", float64(s.Scale.Refresh))
	if s.Scale.Max > MaxReplicas || s.Scale.Refresh > time.Hour {
		add(invalid("autoScaler", "Invalid configuration, autoscale_max_replicas cannot be greater than %d, and autoscale_refresh_seconds not "+
			"greater than 3600.", MaxReplicas))
	}
	if s.Scale.Min > s.Scale.Max {
		add(invalid("autoScaler.minReplicas", "Invalid configuration, autoscale_min_replicas cannot be greater than autoscale_max_replicas."))
	}
	if s.Scale.Target < 1 || s.Scale.Target > 100 {
		add(invalid("autoScaler.targetUtilization", "Invalid configuration, autoscale_target_utilization must be between 1 and 100."))
	}
	return vs
}

// microsoftImages begins the names of the base images that Azure ML's environments have by default. They are ready-made Pythons; Berth has
// one of its own.
const microsoftImages = "mcr.microsoft.com/azureml/"

// serviceContent judges models, files and environment.
func serviceContent(s berth.ServiceSpec, f ServiceFacts) (vs []Violation) {
	add := func(v []Violation) { vs = append(vs, v...) }
	if !f.Image {
		add(invalid(atImage, "The request has no environmentImageRequest. Deploy with an InferenceConfig that has an environment and "+
			"an entry script; images that were built before (imageId) are not served."))
		return vs
	}
	if f.Models > MaxModels {
		add(invalid(atImage+".modelIds", "A service has at most %d models, and the request has %d.", MaxModels, f.Models))
	}
	for _, id := range f.MissingModels {
		add(invalid(atImage+".modelIds", "There is no model with the id '%s'.", id))
	}
	for _, name := range f.MissingFiles {
		add(invalid(atImage+".assets", "There is no artifact with the name '%s': upload it first.", name))
	}
	add(f.EnvironmentToServe.judge(atEnvironment, s.Environment))
	add(f.builds(atEnvironment, s.Environment))
	switch {
	case s.NoCode != nil:
		add(serviceNoCode(s, f))
	case !s.Environment.HasImage() && s.EntryScript == "":
		add(invalid(atEnvironment, "The environment names no entry script (AZUREML_ENTRY_SCRIPT)."))
	}
	if s.EntryScript != "" && !localPath(s.EntryScript) {
		add(invalid(atEnvironment, "The entry script '%.200s' is not a path inside the source directory.", s.EntryScript))
	}
	return vs
}

// judge judges the environment in which models are to be served.
func (f EnvironmentToServe) judge(target string, e berth.ServiceEnvironment) (vs []Violation) {
	for _, d := range f.Unread {
		vs = append(vs, invalid(target, "The dependency %s of the environment is neither a name nor a list of pip.", d)...)
	}
	if f.Fault != nil {
		vs = append(vs, Violation{Code: berth.CodeBadRequest, Target: target, Message: f.Fault.Message})
	}
	if f.NoPython {
		vs = append(vs, invalid(target, "The server has no image of Python, in which environments are built and entry scripts run. Make it "+
			"once, on the machine of the server: berth image build")...)
	}
	if c, is := catalog.Curated(e.Name); is && !e.HasImage() {
		vs = append(vs, warning(target, "The environment '%s' of Azure ML is a list of packages here, and not its image: of each package "+
			"the version of the original where there is a wheel for the Python at hand, and else the nearest one. A model that was pickled "+
			"with another version may need that version; name it in an environment of your own.", c.Name)...)
	}
	switch {
	case f.NoImage:
		vs = append(vs, invalid(target, "The environment has no image, and its packages are left to one (user_managed_dependencies). Name the "+
			"image (base_image), or write a Dockerfile (base_dockerfile).")...)
	case f.Added:
		vs = append(vs, invalid(target, "The environment adds packages to the image of a Dockerfile (base_dockerfile), and Berth adds packages "+
			"to its own image of Python only. Install them in the Dockerfile and set user_managed_dependencies, or leave the Dockerfile out.")...)
	case e.Build != nil && len(e.Build.Text) > maxDockerfile:
		vs = append(vs, invalid(target, "The Dockerfile has %d bytes; at most %d are possible.", len(e.Build.Text), maxDockerfile)...)
	case !e.HasImage() && f.BaseImage != "" && !strings.HasPrefix(f.BaseImage, microsoftImages):
		vs = append(vs, invalid(target, "The environment adds packages to the image '%.200s', and Berth adds packages to its own image of "+
			"Python only. Leave base_image out, or set user_managed_dependencies when the image has all packages.", f.BaseImage)...)
	}
	return vs
}

// ImageLogin judges how the registry of a ready image is signed in at; known when there is a password.
func ImageLogin(l berth.ImageLogin, known bool) []Violation {
	const target = "environment.docker.baseImageRegistry"
	switch {
	case l.Username == "":
		return invalid(target, "The base_image_registry has a password and no username. Give both.")
	case !known:
		return invalid(target, "The base_image_registry has the username '%.100s' and no password, and there is none from before for the "+
			"images of %.200s. Set base_image_registry.password; Berth keeps it apart and never answers it.", l.Username, l.Repository)
	}
	return nil
}

// maxDockerfile is how large the text of a Dockerfile may be, in bytes.
const maxDockerfile = 256 << 10

// builds judges whether the cluster can build the image of an environment.
func (f ComputeToServe) builds(target string, e berth.ServiceEnvironment) []Violation {
	if e.Build == nil || !f.Connected {
		return nil
	}
	return invalid(target, "The environment is a Dockerfile, and Berth builds images in clusters of its own only, not in a connected one. "+
		"Build the image elsewhere, push it to a registry that the cluster reaches, and name it as the image of the environment.")
}

// libraryVersion is a version that a requirement of pip can name.
var libraryVersion = regexp.MustCompile(`^[0-9][0-9a-zA-Z.+!-]{0,63}$`)

// serviceNoCode judges a service without an environment: its model is to be served without an entry script.
func serviceNoCode(s berth.ServiceSpec, f ServiceFacts) []Violation {
	switch {
	case f.Models != 1:
		return invalid(atImage+".modelIds", "You must provide an InferenceConfig when deploying zero or multiple models.")
	case len(f.MissingModels) > 0:
		return nil
	case !strings.EqualFold(s.NoCode.Name, berth.FrameworkScikitLearn):
		return invalid(atImage, "A model of the framework '%.40s' is not served without an entry script; only one of %s is. Deploy with an "+
			"InferenceConfig that has an environment and an entry script.", s.NoCode.Name, berth.FrameworkScikitLearn)
	case s.NoCode.Version != "" && !libraryVersion.MatchString(s.NoCode.Version):
		return invalid(atImage, "The version '%.100s' of the model's framework (model_framework_version) is no version of a package. Register "+
			"the model again with one such as 1.5.2.", s.NoCode.Version)
	}
	return nil
}

// localPath reports whether a path stays in its folder.
func localPath(path string) bool {
	return !strings.HasPrefix(path, "/") && !strings.ContainsAny(path, "\\\x00") && !slices.Contains(strings.Split(path, "/"), "..")
}
