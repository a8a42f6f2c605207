package rules

import (
	"testing"
	"time"
)

// TestDuration: durations of ISO 8601 are read, and what is none is a violation.
func TestDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"PT5S": 5 * time.Second, "PT0.5S": 500 * time.Millisecond, "pt1m": time.Minute,
		"P1DT2H3M4.25S": 26*time.Hour + 3*time.Minute + 4250*time.Millisecond,
	} {
		if got, vs := Duration("x", text); got != want || len(vs) > 0 {
			t.Errorf("%s: %s %v; want %s", text, got, vs, want)
		}
	}
	for _, text := range []string{"", "P", "PT", "5s", "P1Y", "PT-1S", "PT1e9S", "PT9999999999S", "PT1SX"} {
		if got, vs := Duration("x", text); len(vs) != 1 {
			t.Errorf("%q: %s", text, got)
		}
	}
}

// TestQuantity: quantities of Kubernetes are read, and what is none is a violation.
func TestQuantity(t *testing.T) {
	for text, want := range map[string]float64{"1": 1, "100m": 0.1, "0.5": 0.5, "2k": 2000, "1Ki": 1024, "1.5Gi": 1.5 * (1 << 30), "1G": 1e9} {
		if got, vs := Quantity("x", text); got < want*0.999999 || got > want*1.000001 || len(vs) > 0 {
			t.Errorf("%s: %g %v; want %g", text, got, vs, want)
		}
	}
	for _, text := range []string{"", "many", "-1", "1e3", "1GiB", "1 Gi", "Gi", "1.", "0x1"} {
		if got, vs := Quantity("x", text); len(vs) != 1 {
			t.Errorf("%q: %g", text, got)
		}
	}
	if n, vs := Count("x", "-1"); len(vs) != 1 {
		t.Errorf("-1 is %d", n)
	}
}
