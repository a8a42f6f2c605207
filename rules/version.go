package rules

import (
	"strings"

	"berth.dev/berth"
	"berth.dev/berth/catalog"
)

// Version checks the Kubernetes version of a cluster, such as "1.36.4" or "v1.36.4": ok when a compute can run on it, previews
// included. Only the minor version counts (catalog.Supported). detail is the whole sentence for a check or a condition.
func Version(version string) (ok bool, detail string) {
	ok, preview := catalog.Supported(version)
	switch {
	case !ok:
		return false, "Kubernetes " + version + " is not supported. Supported are " + SupportedVersions() + "."
	case preview:
		return true, "Kubernetes " + version + " is a preview: not for production."
	}
	return true, "Kubernetes " + version + " is supported."
}

// VersionError is the refusal (CodeBadRequest) of a cluster whose version is not supported; nil when Version says ok.
func VersionError(version string) *berth.Error {
	if ok, _ := Version(version); ok {
		return nil
	}
	return berth.Errorf(berth.CodeBadRequest, "The cluster runs Kubernetes %s, which is not supported. Supported versions: %s.",
		version, SupportedVersions())
}

// SupportedVersions lists the versions for a sentence: "1.37.2 (preview), 1.36.0, …".
func SupportedVersions() string {
	var out []string
	for _, v := range catalog.Versions() {
		text := v.Version
		if v.Preview {
			text += " (preview)"
		}
		out = append(out, text)
	}
	return strings.Join(out, ", ")
}

// clusterSupported judges the version of the cluster that an attach names.
func clusterSupported(c *berth.Cluster) []Violation {
	const target = "properties.resourceId"
	v := c.Status.Version
	if v == "" {
		v = c.Spec.Version
	}
	if v == "" {
		return nil // the cluster is being connected: the engine waits for it and checks the version then
	}
	if e := VersionError(v); e != nil {
		return violation(e.Code, target, "%s", e.Message)
	}
	if _, preview := catalog.Supported(v); preview {
		return warning(target, "The cluster runs Kubernetes %s, a preview version: not recommended for production.", v)
	}
	return nil
}
