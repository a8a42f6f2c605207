package identity

import (
	"strings"
	"testing"
)

// TestNewSecret: no secret begins with what a command line takes for an option.
func TestNewSecret(t *testing.T) {
	for range 2000 {
		if s := NewSecret(); len(s) != 43 || strings.HasPrefix(s, "-") || strings.HasPrefix(s, "_") {
			t.Fatalf("%q", s)
		}
	}
}
