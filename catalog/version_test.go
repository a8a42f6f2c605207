package catalog_test

import (
	"strconv"
	"strings"
	"testing"

	"berth.dev/berth/catalog"
)

// minorNumber is 36 of "1.36.0".
func minorNumber(t *testing.T, version string) int {
	t.Helper()
	parts := strings.Split(version, ".")
	if len(parts) != 3 || parts[0] != "1" {
		t.Fatalf("%q is no version", version)
	}
	n, err := strconv.Atoi(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestVersions: the newest minor is a preview, the one before it the default, and three are supported beside the preview.
func TestVersions(t *testing.T) {
	all := catalog.Versions()
	if len(all) != 4 {
		t.Fatalf("there are %d versions: %+v", len(all), all)
	}
	for i, v := range all {
		if v.Preview != (i == 0) || v.Default != (i == 1) {
			t.Errorf("%s, number %d from the newest: preview %v, default %v", v.Version, i, v.Preview, v.Default)
		}
		upgrades := strings.Join(v.Upgrades, " ")
		switch {
		case v.Upgrades == nil:
			t.Errorf("the upgrades of %s would be null in JSON", v.Version)
		case i == 0 && upgrades != "", i > 0 && upgrades != all[i-1].Version:
			t.Errorf("%s can be upgraded to %q: it must be the next minor and no other", v.Version, upgrades)
		}
		if i > 0 && minorNumber(t, v.Version) != minorNumber(t, all[i-1].Version)-1 {
			t.Errorf("%s follows %s", v.Version, all[i-1].Version)
		}
	}
	if catalog.DefaultVersion() != all[1].Version {
		t.Errorf("the default is %s", catalog.DefaultVersion())
	}
}

func TestResolveVersion(t *testing.T) {
	all := catalog.Versions()
	for asked, want := range map[string]string{
		"": all[1].Version, catalog.Minor(all[0].Version): all[0].Version, catalog.Minor(all[2].Version): all[2].Version,
		all[3].Version: all[3].Version, "v" + all[1].Version: all[1].Version, "V" + catalog.Minor(all[1].Version): all[1].Version,
		"1.36.99": all[1].Version,
	} {
		if got, ok := catalog.ResolveVersion(asked); !ok || got != want {
			t.Errorf("%q means %q (%v), want %q", asked, got, ok, want)
		}
	}
	for _, asked := range []string{"1", "1.", "1.12.4", "latest", "1.36.0-beta", " 1.36", "1.36.0.0", "vv1.36", "-1.36"} {
		if got, ok := catalog.ResolveVersion(asked); ok {
			t.Errorf("%q means %q", asked, got)
		}
	}
}

// TestSupported: only the minor version counts, because clusters may have any patch.
func TestSupported(t *testing.T) {
	for i, v := range catalog.Versions() {
		for _, version := range []string{v.Version, "v" + catalog.Minor(v.Version) + ".99", catalog.Minor(v.Version) + ".5-eks-1"} {
			if ok, preview := catalog.Supported(version); !ok || preview != (i == 0) {
				t.Errorf("%s: supported %v, preview %v", version, ok, preview)
			}
		}
	}
	for _, version := range []string{"", "1.12.4", "1.3", "1.360.0", "2.36.0", "nonsense"} {
		if ok, preview := catalog.Supported(version); ok || preview {
			t.Errorf("%q: supported %v, preview %v", version, ok, preview)
		}
	}
}

func TestMinor(t *testing.T) {
	for version, want := range map[string]string{"1.36.0": "1.36", "v1.36.3": "1.36", "1.36": "1.36", "v1.36.3+k3s1": "1.36",
		"nonsense": "nonsense", "": ""} {
		if got := catalog.Minor(version); got != want {
			t.Errorf("the minor of %q is %q, want %q", version, got, want)
		}
	}
}
