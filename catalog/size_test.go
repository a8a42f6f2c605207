package catalog_test

import (
	"encoding/csv"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"berth.dev/berth/catalog"
)

// TestSizesAreWhatTheFileSays: every line is there, once, and says something that can be.
func TestSizesAreWhatTheFileSays(t *testing.T) {
	f, err := os.Open("vm-sizes.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	lines, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"name", "family", "vcpus", "memory_mib", "gpus", "fpgas", "architecture"}; !slices.Equal(lines[0], want) {
		t.Errorf("the columns are %v, want %v", lines[0], want)
	}
	all := catalog.Sizes()
	if len(all) != len(lines)-1 {
		t.Errorf("%d sizes from %d lines: a name stands twice, in another casing perhaps", len(all), len(lines)-1)
	}
	if !slices.IsSortedFunc(all, func(a, b catalog.VMSize) int { return strings.Compare(a.Name, b.Name) }) {
		t.Error("the list is not sorted by name")
	}
	name := regexp.MustCompile(`^(Standard|Basic)_[A-Za-z0-9_-]+$`)
	for _, s := range all {
		if s.Name == "Standard_B1ls" && s.MemoryMiB == 0 { // half a GiB, which the list that the file was made from rounds to none
			s.MemoryMiB = 512
		}
		if !name.MatchString(s.Name) || s.Family == "" || s.VCPUs < 1 || s.VCPUs > 2000 || s.MemoryMiB < 256 || s.GPUs < 0 || s.GPUs > 16 ||
			s.FPGAs < 0 || s.FPGAs > 8 {
			t.Errorf("that can be no size: %+v", s)
		}
		if s.Architecture != "amd64" && s.Architecture != "arm64" {
			t.Errorf("%s is of architecture %q", s.Name, s.Architecture)
		}
	}
}

// TestWellKnownSizes: spot checks, against what Azure's documentation says of them.
func TestWellKnownSizes(t *testing.T) {
	for _, want := range []catalog.VMSize{
		{Name: "Standard_D3_v2", Family: "standardDv2Family", VCPUs: 4, MemoryMiB: 14336, Architecture: "amd64"},  // azureml's default
		{Name: "Standard_DS2_v2", Family: "standardDSv2Family", VCPUs: 2, MemoryMiB: 7168, Architecture: "amd64"}, // az aks create's
		{Name: "Standard_A1_v2", Family: "standardAv2Family", VCPUs: 1, MemoryMiB: 2048, Architecture: "amd64"},
		{Name: "Standard_D2ps_v5", Family: "standardDPSv5Family", VCPUs: 2, MemoryMiB: 8192, Architecture: "arm64"},
		{Name: "Standard_NC6s_v3", Family: "standardNCSv3Family", VCPUs: 6, MemoryMiB: 114688, GPUs: 1, Architecture: "amd64"},
		{Name: "Standard_ND96asr_v4", Family: "Standard NDASv4_A100 Family", VCPUs: 96, MemoryMiB: 921600, GPUs: 8, Architecture: "amd64"},
		{Name: "Standard_PB6s", Family: "standardPBSFamily", VCPUs: 6, MemoryMiB: 114688, FPGAs: 1, Architecture: "amd64"},
	} {
		for _, name := range []string{want.Name, strings.ToLower(want.Name), strings.ToUpper(want.Name)} {
			if got, ok := catalog.Size(name); !ok || got != want {
				t.Errorf("%s is %+v (%v), want %+v", name, got, ok, want)
			}
		}
	}
	for _, name := range []string{"", "Standard_", "D3_v2", "Standard_D3_v22", " Standard_D3_v2"} {
		if got, ok := catalog.Size(name); ok {
			t.Errorf("%q is a size: %+v", name, got)
		}
	}
}

// TestNearest: who mistypes a size is told those that were meant, perhaps.
func TestNearest(t *testing.T) {
	for name, want := range map[string]string{
		"Standard_D3_v22": "Standard_D3_v2", "standard_d3v2": "Standard_D3_v2", "d3_v2": "Standard_D3_v2", "Standard_NC6_v3": "Standard_NC6s_v3",
	} {
		got := catalog.Nearest(name, 3)
		if len(got) != 3 || got[0] != want {
			t.Errorf("near %s are %v, want %s first", name, got, want)
		}
		if again := catalog.Nearest(name, 3); !slices.Equal(again, got) {
			t.Errorf("near %s are %v, and then %v", name, got, again)
		}
	}
	if got := catalog.Nearest("x", 0); len(got) != 0 {
		t.Errorf("none were asked for, and there are %v", got)
	}
	if n := len(catalog.Sizes()); len(catalog.Nearest("x", n+10)) != n {
		t.Errorf("more were asked for than the %d there are", n)
	}
}
