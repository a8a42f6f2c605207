package rules

import (
	"testing"

	"berth.dev/berth"
)

func TestCapacityError(t *testing.T) {
	for _, c := range []struct {
		purpose berth.Purpose
		vcpus   int
		size    string
		enough  bool
	}{
		{berth.FastProd, 12, "", true}, {berth.FastProd, 11, "", false}, {berth.DenseProd, 12, "", true},
		{berth.DenseProd, 0, "", false}, {berth.DevTest, 0, "", true}, {berth.FastProd, 6, "standard_pb6s", true},
		{berth.FastProd, 6, "Standard_NC6", false},
	} {
		e := CapacityError(c.purpose, c.vcpus, c.size, "; 'c' has fewer.")
		if EnoughVCPUs(c.purpose, c.vcpus, c.size) != c.enough || (e == nil) != c.enough {
			t.Errorf("%+v: %v", c, e)
		}
		want := "A cluster for " + string(c.purpose) + " needs at least 12 vCPUs; 'c' has fewer."
		if e != nil && (e.Code != berth.CodeBadRequest || e.Message != want) {
			t.Errorf("%+v: %+v", c, e)
		}
	}
}
