package rules

import (
	"strings"
	"testing"

	"berth.dev/berth"
)

// One verdict on a version, in a check as in a refusal.
func TestVersion(t *testing.T) {
	for version, c := range map[string]struct {
		ok   bool
		says string
	}{
		"1.36.0":  {true, "Kubernetes 1.36.0 is supported."},
		"v1.35.7": {true, "Kubernetes v1.35.7 is supported."},
		"1.37.2":  {true, "Kubernetes 1.37.2 is a preview: not for production."},
		"1.29.4":  {false, "Kubernetes 1.29.4 is not supported. Supported are 1.37.2 (preview), 1.36.0, 1.35.0, 1.34.0."},
	} {
		ok, says := Version(version)
		e := VersionError(version)
		if ok != c.ok || says != c.says || (e == nil) != c.ok {
			t.Errorf("%q: %v, %q, %v; want %+v", version, ok, says, e, c)
		}
		if e != nil && (e.Code != berth.CodeBadRequest || !strings.Contains(e.Message,
			"which is not supported. Supported versions: 1.37.2 (preview)")) {
			t.Errorf("%q: %+v", version, e)
		}
	}
}
