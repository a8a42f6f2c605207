package rules

import (
	"maps"
	"math"
	"slices"
	"strings"

	"berth.dev/berth"
)

// AksEndpointFacts are what the rules of an AksEndpoint (SDK v1) need to know besides the request.
type AksEndpointFacts struct {
	ServiceFacts   // of the endpoint: its compute, its keys
	Versions       map[string]AksVersion
	PresentDefault string // the default version before; empty for none
}

// AksVersion is a version in a request for an AksEndpoint.
type AksVersion struct {
	ServiceFacts
	Spec    berth.ServiceSpec
	Compute string   // as the version names it; empty when it does not
	Share   *float64 // trafficPercentile
	Default bool
	Type    string // VersionControl or VersionTreatment
	Keyed   bool   // it names keys that are not those of the endpoint
}

// MaxAksVersions is how many versions an AksEndpoint has at most: as many as an online endpoint has deployments.
const MaxAksVersions = maxDeployments

// Types of versions. There is nothing that compares them: the type is kept and answered.
const (
	VersionControl   = "Control"
	VersionTreatment = "Treatment"
)

// AksEndpoint judges an AksEndpoint with all of its versions. The texts that azureml-core has itself are the same here.
func AksEndpoint(name string, s berth.EndpointSpec, f AksEndpointFacts) (vs []Violation) {
	vs = slices.Concat(serviceWord(name), serviceCompute(berth.ServiceSpec{Compute: s.Compute}, f.ServiceFacts),
		serviceSettings(f.ServiceFacts))
	if len(f.Versions) > MaxAksVersions {
		return append(vs, invalid("versions", "An endpoint has at most %d versions, and the request has %d.", MaxAksVersions,
			len(f.Versions))...)
	}
	for _, name := range slices.Sorted(maps.Keys(f.Versions)) {
		v := f.Versions[name]
		own := slices.Concat(serviceWord(name), servicePods(v.Spec, v.ServiceFacts), serviceSettings(v.ServiceFacts), v.judge(s.Compute))
		for _, one := range own {
			one.Target = "versions." + name + "." + one.Target
			vs = append(vs, one)
		}
	}
	return append(vs, f.divided()...)
}

// judge judges what only a version has.
func (v AksVersion) judge(compute string) (vs []Violation) {
	if v.Share != nil && (*v.Share < 0 || *v.Share > 100) {
		vs = append(vs, invalid("trafficPercentile", "Invalid configuration, traffic_percentile cannot be negative or greater than 100.")...)
	} else if v.Share != nil && *v.Share != math.Trunc(*v.Share) {
		vs = append(vs, invalid("trafficPercentile", "The traffic_percentile is %s; the router of a cluster divides requests by whole "+
			"percentages.", number(*v.Share))...)
	}
	if v.Type != VersionControl && v.Type != VersionTreatment {
		vs = append(vs, invalid("type", "The type of a version is '%.40s'; Control and Treatment are possible.", v.Type)...)
	}
	if v.Keyed {
		vs = append(vs, invalid("keys", "A version has no keys of its own: callers show those of its endpoint.")...)
	}
	if v.Compute != "" && !strings.EqualFold(v.Compute, compute) {
		vs = append(vs, invalid("computeName", "A version runs on the compute of its endpoint, '%s', and not on '%.40s'.", compute, v.Compute)...)
	}
	return vs
}

// divided judges the versions together.
func (f AksEndpointFacts) divided() (vs []Violation) {
	sum := 0.0
	var defaults, controls []string
	for _, name := range slices.Sorted(maps.Keys(f.Versions)) {
		v := f.Versions[name]
		if v.Share != nil {
			sum += max(*v.Share, 0)
		}
		if v.Default {
			defaults = append(defaults, name)
		}
		if v.Type == VersionControl {
			controls = append(controls, name)
		}
	}
	add := func(v []Violation) { vs = append(vs, v...) }
	if sum > 100 {
		add(invalid("versions", "The traffic_percentile of all versions is %s in sum; at most 100 is possible. Lower that of another version "+
			"first.", number(sum)))
	}
	switch {
	case len(f.Versions) == 0:
		add(invalid("versions", "An endpoint has at least one version. Delete the endpoint to delete the last one."))
	case len(defaults) == 0 && f.PresentDefault != "" && !slices.Contains(slices.Collect(maps.Keys(f.Versions)), f.PresentDefault):
		add(invalid("versions."+f.PresentDefault, "The version '%s' is the default one, which gets the requests that no traffic_percentile "+
			"leads elsewhere. Make another version the default one first (is_default=True in Python, --is-default at the command line).",
			f.PresentDefault))
	case len(defaults) == 0:
		add(invalid("versions", "No version is the default one, which gets the requests that no traffic_percentile leads elsewhere. Say "+
			"which one it is (is_default=True in Python, --is-default at the command line)."))
	case len(defaults) > 1:
		add(invalid("versions", "Only one version can be the default one, and the request has: %s.", strings.Join(defaults, ", ")))
	}
	if len(controls) > 1 {
		add(invalid("versions", "Only one version can be the control version, and the request has: %s.", strings.Join(controls, ", ")))
	}
	return vs
}

// NoAksVersion refuses a change of a version that an endpoint does not have.
func NoAksVersion(endpoint, version string) []Violation {
	return invalid("versions."+version, "The endpoint '%s' has no version '%.40s'. Create it first (create_version in Python, create-version "+
		"at the command line).", endpoint, version)
}

// AksVersionTaken refuses a new version with the name of one that an endpoint has.
func AksVersionTaken(endpoint, version string) []Violation {
	return invalid("versions."+version, "The endpoint '%s' has a version '%s' already. Choose another name, or change that version "+
		"(update_version in Python, update-version at the command line).", endpoint, version)
}

// AksVersionsWhole refuses a change of all versions at once, which cannot be read as one of them.
func AksVersionsWhole() []Violation {
	return invalid("versions", "Name one version: /versions/NAME adds, replaces or removes it.")
}
