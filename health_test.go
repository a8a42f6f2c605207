package berth_test

import (
	"fmt"
	"testing"
	"time"

	"berth.dev/berth"
)

func TestHealth(t *testing.T) {
	start := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	at := func(n int) time.Time { return start.Add(time.Duration(n) * time.Minute) }
	up := berth.Finding{Type: berth.Reachable, OK: true, Reason: "Answers"}
	down := berth.Finding{Type: berth.Reachable, Reason: "Silent", Message: "no route"}
	var h berth.Health
	note := func(n int, f berth.Finding, doubt bool) {
		t.Helper()
		if got := h.Note(at(n), f); got != doubt {
			t.Errorf("minute %d: doubt is %v", n, got)
		}
	}
	note(0, up, false)
	for n := 1; n < 60; n += 2 { // it flaps
		note(n, down, true)
		note(n+1, up, false)
	}
	if _, failing := h.FailingSince(berth.Reachable); failing || len(h.Changes) != 0 {
		t.Errorf("what flaps is believed: %+v", h)
	}
	note(61, down, true)
	note(62, down, false)
	note(63, down, false)
	if since, failing := h.FailingSince(berth.Reachable); !failing || !since.Equal(at(62)) || len(h.Changes) != 1 {
		t.Errorf("two looks are not believed: %+v", h)
	}
	note(64, up, true)
	note(65, up, false)
	if _, failing := h.FailingSince(berth.Reachable); failing || len(h.Changes) != 2 || !h.Changes[1].OK {
		t.Errorf("it does not heal: %+v", h)
	}
	for n := range 100 {
		h.Note(at(70+n), berth.Finding{Type: berth.NodesReady, Reason: fmt.Sprint(n / 2)})
	}
	if len(h.Changes) != 20 {
		t.Errorf("%d changes are kept", len(h.Changes))
	}
	h.Drop(berth.Reachable)
	if len(h.Conditions) != 1 || h.Conditions[0].Type != berth.NodesReady {
		t.Errorf("%+v", h.Conditions)
	}
}
