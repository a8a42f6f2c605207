package rules

import (
	"math"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"berth.dev/berth"
)

// DeploymentFacts are what the rules of a deployment of an endpoint need to know besides the request.
type DeploymentFacts struct {
	ComputeToServe
	EnvironmentToServe
	ComputeName string
	ComputeType string   // endpointComputeType: "Kubernetes"
	ScaleType   string   // scaleSettings.scaleType; empty for the default
	Code        bool     // the request has a codeConfiguration
	Script      string   // the scoring script in it
	Environment bool     // the request names an environment
	Types       []string // instance types of the compute
	Egress      string   // egressPublicNetworkAccess, when it is not Enabled
	Others      int      // deployments of the endpoint
}

// DefaultInstanceType is the one that each compute has (how-to-manage-kubernetes-instance-types).
const DefaultInstanceType = "defaultinstancetype"

// DefaultRequests and DefaultLimits are its size.
var (
	DefaultRequests = berth.ContainerSize{CPU: "100m", Memory: "2Gi"}
	DefaultLimits   = berth.ContainerSize{CPU: "2", Memory: "2Gi"}
)

// Deployment judges a deployment of an endpoint.
func Deployment(name string, s berth.DeploymentSpec, f DeploymentFacts) (vs []Violation) {
	add := func(v []Violation) { vs = append(vs, v...) }
	add(endpointWord(name))
	if !strings.EqualFold(f.ComputeType, string(berth.ComputeKubernetes)) {
		add(invalid("properties.endpointComputeType", "The endpointComputeType is '%.40s', and Berth has no managed compute. Use Kubernetes "+
			"(KubernetesOnlineDeployment).", f.ComputeType))
	}
	add(deploymentContent(s, f))
	add(deploymentSize(s, f))
	add(deploymentTimes(s))
	add(deploymentScale(s, f))
	add(f.kept("properties.dataCollector", &s.PodSpec))
	if f.Others >= maxDeployments {
		add(invalid("name", "An endpoint has at most %d deployments. Delete one first.", maxDeployments))
	}
	if f.Egress != "" {
		add(invalid("properties.egressPublicNetworkAccess", "What pods reach outside is a matter of their cluster. Leave "+
			"egressPublicNetworkAccess out."))
	}
	return vs
}

// deploymentContent judges models, code and environment.
func deploymentContent(s berth.DeploymentSpec, f DeploymentFacts) (vs []Violation) {
	add := func(v []Violation) { vs = append(vs, v...) }
	add(f.EnvironmentToServe.judge("properties.environmentId", s.PodSpec.Environment))
	add(f.builds("properties.environmentId", s.PodSpec.Environment))
	if !f.Environment && s.NoCode == nil {
		add(invalid("properties.environmentId", "The deployment names no environment. Only a model of MLflow brings its own."))
	}
	switch {
	case !f.Code && s.NoCode == nil && !s.PodSpec.Environment.HasImage():
		add(invalid("properties.codeConfiguration", "The deployment has no code (code_configuration). Name a folder and the scoring script in "+
			"it. Only a model of MLflow and a ready image do without."))
	case f.Code && (f.Script == "" || !localPath(f.Script)):
		add(invalid("properties.codeConfiguration.scoringScript", "The scoring script '%.200s' is not a path inside the folder of the code.",
			f.Script))
	}
	if s.ModelMount != "" && (!path.IsAbs(s.ModelMount) || path.Clean(s.ModelMount) != strings.TrimSuffix(s.ModelMount, "/")) {
		add(invalid("properties.modelMountPath", "The models cannot be mounted at '%.200s'. Name a folder by its whole path, such as "+
			"/var/models (model_mount_path).", s.ModelMount))
	}
	return vs
}

// deploymentSize judges sizes.
func deploymentSize(s berth.DeploymentSpec, f DeploymentFacts) (vs []Violation) {
	add := func(v []Violation) { vs = append(vs, v...) }
	const sizes = "properties.containerResourceRequirements"
	known := slices.ContainsFunc(f.Types, func(t string) bool { return strings.EqualFold(t, s.InstanceType) })
	if s.InstanceType != "" && !known {
		add(invalid("properties.instanceType", "The compute has no instance type '%.60s'. It has %s.", s.InstanceType,
			strings.Join(f.Types, ", ")))
	}
	if s.CPU <= 0 || s.MemoryGB <= 0 {
		add(invalid(sizes+".containerResourceRequests", "A container needs more than 0 cores and more than 0 memory."))
	}
	if max(s.CPU, s.CPULimit) > maxCores || max(s.MemoryGB, s.MemoryLimit) > maxMemory || s.GPUs > maxCores {
		add(invalid(sizes, "A container has at most %d cores, %d GPUs and %d GB of memory.", maxCores, maxCores, maxMemory))
	}
	add(f.fits(sizes, f.ComputeName, &s.PodSpec))
	if s.CPULimit != 0 && s.CPULimit < s.CPU || s.MemoryLimit != 0 && s.MemoryLimit < s.MemoryGB {
		add(invalid(sizes+".containerResourceLimits", "A limit must not be less than what is requested: %s cores and %s GB.",
			number(s.CPU), number(s.MemoryGB)))
	}
	return vs
}

func number(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// deploymentTimes judges requests and probes.
func deploymentTimes(s berth.DeploymentSpec) (vs []Violation) {
	add := func(v []Violation) { vs = append(vs, v...) }
	const requests = "properties.requestSettings"
	for _, t := range []struct {
		target string
		value  time.Duration
		low    time.Duration
		high   time.Duration
	}{
		{requests + ".requestTimeout", s.Timeout, time.Millisecond, maxScoringTimeout},
		{requests + ".maxQueueWait", s.QueueWait, time.Millisecond, maxScoringTimeout},
		{"properties.livenessProbe.initialDelay", s.Liveness.Delay, 0, maxProbe},
		{"properties.livenessProbe.period", s.Liveness.Period, time.Second, maxProbe},
		{"properties.livenessProbe.timeout", s.Liveness.Timeout, time.Second, maxProbe},
		{"properties.readinessProbe.initialDelay", s.Readiness.Delay, 0, maxProbe},
		{"properties.readinessProbe.period", s.Readiness.Period, time.Second, maxProbe},
		{"properties.readinessProbe.timeout", s.Readiness.Timeout, time.Second, maxProbe},
	} {
		if t.value < t.low || t.value > t.high {
			add(invalid(t.target, "The time is %s; it is between %s and %s.", t.value, t.low, t.high))
		}
	}
	add(between(requests+".maxConcurrentRequestsPerInstance", s.Concurrent, 1, maxConcurrent))
	for target, p := range map[string]berth.ServiceProbe{"properties.livenessProbe": s.Liveness, "properties.readinessProbe": s.Readiness} {
		add(between(target+".failureThreshold", p.Failures, 1, maxThreshold))
		add(between(target+".successThreshold", p.Successes, 1, maxThreshold))
	}
	if s.Liveness.Successes > 1 {
		add(invalid("properties.livenessProbe.successThreshold", "The successThreshold of a liveness probe is 1, as Kubernetes has it."))
	}
	return vs
}

const (
	maxDeployments = 20 // how-to-manage-quotas
	maxCores       = 10_000
	maxMemory      = 1_000_000 // GB
	maxProbe       = time.Hour
	maxThreshold   = 1000
)

func between(target string, n, low, high int) []Violation {
	if n < low || n > high {
		return invalid(target, "The value is %d; it is between %d and %d.", n, low, high)
	}
	return nil
}

// deploymentScale judges the number of pods.
func deploymentScale(s berth.DeploymentSpec, f DeploymentFacts) (vs []Violation) {
	const scale = "properties.scaleSettings"
	switch {
	case f.ScaleType != "" && !strings.EqualFold(f.ScaleType, "Default") && !strings.EqualFold(f.ScaleType, "TargetUtilization"):
		return invalid(scale+".scaleType", "The scaleType is '%.40s'; Default and TargetUtilization are possible.", f.ScaleType)
	case s.Scale == nil:
		return between("sku.capacity", s.Replicas, 1, MaxReplicas)
	}
	vs = append(vs, between(scale+".minInstances", s.Scale.Min, 1, MaxReplicas)...)
	vs = append(vs, between(scale+".maxInstances", s.Scale.Max, 1, MaxReplicas)...)
	vs = append(vs, between(scale+".targetUtilizationPercentage", s.Scale.Target, 1, 100)...)
	if s.Scale.Min > s.Scale.Max {
		vs = append(vs, invalid(scale+".minInstances", "minInstances is greater than maxInstances.")...)
	}
	if s.Scale.Refresh < time.Second || s.Scale.Refresh > time.Hour {
		vs = append(vs, invalid(scale+".pollingInterval", "The time is %s; it is between %s and %s.", s.Scale.Refresh, time.Second, time.Hour)...)
	}
	return vs
}

// isoDuration is a duration of ISO 8601 without years and months, which have no length of their own.
var isoDuration = regexp.MustCompile(`^P(?:(\d{1,6})D)?(?:T(?:(\d{1,6})H)?(?:(\d{1,6})M)?(?:(\d{1,9}(?:\.\d{1,9})?)S)?)?$`)

// Duration reads a duration of ISO 8601, such as "PT5S" and "PT0.5S".
func Duration(target, text string) (time.Duration, []Violation) {
	words := isoDuration.FindStringSubmatch(strings.ToUpper(text))
	if words == nil || strings.Join(words[1:], "") == "" {
		return 0, invalid(target, "'%.40s' is not a duration of ISO 8601, such as PT5S for five seconds.", text)
	}
	var seconds float64
	for i, unit := range []float64{24 * 60 * 60, 60 * 60, 60, 1} {
		n, _ := strconv.ParseFloat(words[i+1], 64) // 0 when it is left out
		seconds += n * unit
	}
	return time.Duration(math.Round(seconds*1e6)) * time.Microsecond, nil
}

// quantity is a quantity of Kubernetes.
var quantity = regexp.MustCompile(`^(\d{1,15}(?:\.\d{1,9})?)([numkMGTP]|[KMGTP]i)?$`)

var units = map[string]float64{"": 1, "n": 1e-9, "u": 1e-6, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15,
	"Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30, "Ti": 1 << 40, "Pi": 1 << 50}

// Quantity reads a quantity of Kubernetes, such as "100m" and "0.5Gi".
func Quantity(target, text string) (float64, []Violation) {
	words := quantity.FindStringSubmatch(text)
	if words == nil {
		return 0, invalid(target, "'%.40s' is not a quantity of Kubernetes, such as 100m or 0.5Gi.", text)
	}
	n, _ := strconv.ParseFloat(words[1], 64) // it has digits only
	return n * units[words[2]], nil
}

// Gigabytes reads a quantity of memory in units of 2^30 bytes.
func Gigabytes(target, text string) (float64, []Violation) {
	n, vs := Quantity(target, text)
	return n / (1 << 30), vs
}

// Count reads a whole number.
func Count(target, text string) (int, []Violation) {
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return 0, invalid(target, "'%.40s' is not a whole number.", text)
	}
	return int(n), nil
}

// Reference is a violation about an id that does not name a version of the workspace. what is "model", "code" or "environment".
func Reference(target, text, what string) []Violation {
	if strings.HasPrefix(strings.ToLower(text), "azureml://registries/") {
		return invalid(target, "'%.200s' is in a registry, and Berth has none. Register it in the workspace.", text)
	}
	return invalid(target, "'%.200s' is not the id of a version of a %s in the workspace of the endpoint. Register it there, and give its "+
		"whole id.", text, what)
}

// NoVersion is a violation about a version that is not there.
func NoVersion(target string, id berth.ID, what string) []Violation {
	return invalid(target, "The %s '%s' has no version '%s' in the workspace. Register it first.", what, id.Parent().Name(), id.Name())
}
