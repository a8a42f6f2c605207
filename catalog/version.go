package catalog

import (
	"regexp"
	"slices"
	"strings"
)

// Version is one Kubernetes version that clusters can be created with and attached at.
type Version struct {
	Version  string // "1.36.0"
	Default  bool   // of a create that names no version
	Preview  bool
	Upgrades []string // oldest first
}

// known is newest first. The newest is the version that berth-kube is built from. The others are that build emulating an older minor
// version (Kubernetes' own --emulated-version), which has no patches of its own: they are written x.y.0. As in AKS, three minor
// versions are supported and the newest is a preview; the default is the one before it.
var known = []string{"1.37.2", "1.36.0", "1.35.0", "1.34.0"}

const (
	preview        = "1.37.2"
	defaultVersion = "1.36.0"
)

// Versions lists the versions that clusters can be created with and attached at, newest first.
func Versions() []Version {
	out := make([]Version, 0, len(known))
	for i, v := range known {
		version := Version{Version: v, Default: v == defaultVersion, Preview: v == preview, Upgrades: []string{}}
		if i > 0 { // one minor at a time: none may be skipped
			version.Upgrades = []string{known[i-1]}
		}
		out = append(out, version)
	}
	return out
}

// DefaultVersion is the version of a create that names none.
func DefaultVersion() string { return defaultVersion }

var versionFormat = regexp.MustCompile(`^[vV]?(\d+\.\d+(?:\.\d+)?)$`)

// ResolveVersion resolves the version in a request to a listed one: empty means the default, a minor version or any patch of it the
// listed patch. False when there is none.
func ResolveVersion(s string) (string, bool) {
	if s == "" {
		return defaultVersion, true
	}
	m := versionFormat.FindStringSubmatch(s)
	if m == nil {
		return "", false
	}
	for _, v := range known {
		if Minor(v) == Minor(m[1]) {
			return v, true
		}
	}
	return "", false
}

// Supported reports whether a cluster of this version can be attached, and whether only as a preview. Only the minor version counts:
// clusters may have any patch.
func Supported(version string) (ok, isPreview bool) {
	i := slices.IndexFunc(known, func(v string) bool { return Minor(v) == Minor(version) })
	return i >= 0, i >= 0 && known[i] == preview
}

// Minor is "1.36" of "1.36.0" and of "v1.36.3".
func Minor(version string) string {
	parts := strings.SplitN(strings.TrimLeft(version, "vV"), ".", 3)
	if len(parts) < 2 {
		return version
	}
	return parts[0] + "." + parts[1]
}
