package catalog_test

import (
	"strings"
	"testing"

	"berth.dev/berth/catalog"
)

func TestCanonicalLocation(t *testing.T) {
	for asked, want := range map[string]string{
		"westeurope": "westeurope", "West Europe": "westeurope", "WESTEUROPE": "westeurope",
		"east us 2": "eastus2", "EastUS": "eastus", " koreacentral ": "koreacentral",
	} {
		if got, ok := catalog.CanonicalLocation(asked); !ok || got != want {
			t.Errorf("%q is %q (%v), want %q", asked, got, ok, want)
		}
	}
	for _, asked := range []string{"", "atlantis", "west", "west-europe", "eastus3"} {
		if got, ok := catalog.CanonicalLocation(asked); ok {
			t.Errorf("%q is %q", asked, got)
		}
	}
}

// TestLocations: each has a name of its own that goes with what is shown of it, and a pair that exists, if any.
func TestLocations(t *testing.T) {
	seen := map[string]bool{}
	for _, l := range catalog.Locations() {
		if seen[l.Name] {
			t.Errorf("%s stands twice", l.Name)
		}
		seen[l.Name] = true
		if l.Name != strings.ToLower(strings.ReplaceAll(l.DisplayName, " ", "")) {
			t.Errorf("%s is shown as %q", l.Name, l.DisplayName)
		}
		if name, ok := catalog.CanonicalLocation(l.DisplayName); !ok || name != l.Name {
			t.Errorf("%q is found as %q (%v)", l.DisplayName, name, ok)
		}
	}
	for _, l := range catalog.Locations() {
		if l.Pair != "" && (!seen[l.Pair] || l.Pair == l.Name) {
			t.Errorf("%s is paired with %q", l.Name, l.Pair)
		}
	}
	if len(seen) < 40 {
		t.Errorf("there are %d locations", len(seen))
	}
}
