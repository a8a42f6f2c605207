package main

import (
	"strings"
	"testing"
)

// TestCheck: the command waits for a check that began after the request and needs no confirmation, and its exit code shows
// the result.
func TestCheck(t *testing.T) {
	for _, c := range []struct {
		state, shown string
		code         int
	}{{"Healthy", "", 0}, {"Unreachable", "Unreachable since 2026-03-01 14:02 UTC", 1}} {
		w := newWorld(t)
		health := func(checked, confirming, state string) string {
			return strings.Replace(compute, `"computeType"`, `"health":{"state":"`+state+`","since":"2026-03-01T14:02:00Z","checkedAt":"`+checked+
				`","confirming":`+confirming+`},"conditions":[{"type":"Reachable","status":"True","message":"m"}],"computeType"`, 1)
		}
		w.on("POST "+computePath+"/check", `{"requestedAt":"2026-03-01T14:02:00Z"}`)
		w.on("GET "+computePath, health("2026-03-01T14:01:59Z", "false", "Degraded"), health("2026-03-01T14:02:01Z", "true", "Degraded"),
			health("2026-03-01T14:02:06Z", "false", c.state))
		r := offTerminal("ml", "computetarget", "check", "-n", "c", "-g", "g", "-w", "w", "-o", "table")
		if r.code != c.code || !strings.Contains(r.err, c.shown) || !strings.Contains(r.out, "Reachable") {
			t.Errorf("%s: exit code %d\n%s\n%s", c.state, r.code, r.out, r.err)
		}
	}
}
