package catalog

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestCurated: each Python gets one version of scikit-learn at most, and each name is found in any casing.
func TestCurated(t *testing.T) {
	marker := regexp.MustCompile(`^(\S+?)(?:==[\d.]+|<[\d.]+)?(?:; python_version(<|>=|==)"3\.(\d+)")?$`)
	for _, e := range CuratedEnvironments() {
		if found, ok := Curated(strings.ToLower(e.Name)); !ok || found.Name != e.Name || !ReservedEnvironment(e.Name) {
			t.Errorf("%s is found as %v", e.Name, found)
		}
		for minor := 8; minor < 16; minor++ {
			var applies []string
			for _, line := range e.Packages {
				m := marker.FindStringSubmatch(line)
				if m == nil {
					t.Fatalf("%s: %s", e.Name, line)
				}
				if m[2] == "" || holds(minor, m[2], m[3]) {
					applies = append(applies, m[1])
				}
			}
			once := slices.Compact(slices.Sorted(slices.Values(applies)))
			if len(once) != len(applies) || strings.Contains(e.Name, "sklearn") && !slices.Contains(once, "scikit-learn") {
				t.Errorf("%s: Python 3.%d gets %v", e.Name, minor, applies)
			}
		}
	}
	if _, ok := Curated("AzureML-none"); ok || ReservedEnvironment("my-azureml") {
		t.Error("a name that is none is found")
	}
}

func holds(minor int, operator, bound string) bool {
	other := 0
	for _, digit := range bound {
		other = other*10 + int(digit-'0')
	}
	switch operator {
	case "<":
		return minor < other
	case ">=":
		return minor >= other
	}
	return minor == other
}
