package berth_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"berth.dev/berth"
)

func TestHealth(t *testing.T) {
	start := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	at := func(n int) time.Time { return start.Add(time.Duration(n) * time.Minute) }
	up := berth.Met(berth.Reachable, true, "Answers", "")
	down := berth.Met(berth.Reachable, false, "Silent", "no route")
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
	if h.Is(berth.Reachable, berth.ConditionFalse) || len(h.Changes) != 0 {
		t.Errorf("a condition that flaps changed: %+v", h)
	}
	note(61, down, true)
	note(62, down, false)
	note(63, down, false)
	if s := h.Summary(); s.State != berth.Unreachable || !s.Since.Equal(at(62)) || len(h.Changes) != 1 {
		t.Errorf("two consecutive checks do not change it: %+v", h)
	}
	note(64, up, true)
	note(65, up, false)
	if h.Is(berth.Reachable, berth.ConditionFalse) || len(h.Changes) != 2 || h.Changes[1].Status != berth.ConditionTrue {
		t.Errorf("it does not heal: %+v", h)
	}
	for n := range 100 {
		h.Note(at(70+n), berth.Met(berth.NodesReady, false, fmt.Sprint(n/2), ""))
	}
	if len(h.Changes) != 20 {
		t.Errorf("%d changes are kept", len(h.Changes))
	}
	h.Drop(berth.Reachable)
	if len(h.Conditions) != 1 || h.Conditions[0].Type != berth.NodesReady {
		t.Errorf("%+v", h.Conditions)
	}
}

// TestHealthOfTheUnseen: what cannot be observed is Unknown, keeps what was last seen, and is believed again at once.
func TestHealthOfTheUnseen(t *testing.T) {
	at := time.Date(2026, 3, 1, 14, 2, 0, 0, time.UTC)
	var h berth.Health
	if s := h.Summary(); s.State != berth.UnknownHealth || s.Message == "" {
		t.Errorf("before the first check: %+v", s)
	}
	h.Note(at, berth.Met(berth.Reachable, true, "Answers", ""))
	h.Note(at, berth.Met(berth.NodesReady, true, "AllReady", "3 of 3 nodes are ready."))
	if s := h.Summary(); s.State != berth.Healthy || len(s.Failing) > 0 {
		t.Errorf("all is well: %+v", s)
	}
	later := at.Add(time.Hour)
	for range 2 {
		h.Note(later, berth.Met(berth.Reachable, false, "Silent", "no route"))
	}
	h.Lose(later, berth.NodesReady, berth.HasRights)
	nodes := h.Conditions[1]
	if nodes.Status != berth.ConditionUnknown || !strings.Contains(nodes.Message, "2026-03-01 at 14:02 UTC: 3 of 3") ||
		!nodes.ObservedAt.Equal(at) || !nodes.Since.Equal(later) {
		t.Errorf("%+v", nodes)
	}
	if s := h.Summary(); s.State != berth.Unreachable || !s.Since.Equal(later) || len(s.Failing) != 1 {
		t.Errorf("it is silent: %+v", s)
	}
	if doubt := h.Note(later, berth.Met(berth.NodesReady, true, "AllReady", "3 of 3 nodes are ready.")); doubt ||
		!h.Is(berth.NodesReady, berth.ConditionTrue) {
		t.Errorf("it needs two checks to be known again: %+v", h)
	}
}

// TestHealthOfOldRecords: what versions with two values stored is read as it was meant.
func TestHealthOfOldRecords(t *testing.T) {
	var h berth.Health
	old := `{"conditions":[
		{"type":"Reachable","ok":true,"reason":"Answers","message":"","since":"2026-03-01T14:02:00Z"},{"type":"NodesReady","ok":false}],
		"changes":[{"type":"NodesReady","ok":false}]}`
	if err := json.Unmarshal([]byte(old), &h); err != nil {
		t.Fatal(err)
	}
	if !h.Is(berth.Reachable, berth.ConditionTrue) || !h.Is(berth.NodesReady, berth.ConditionFalse) ||
		h.Changes[0].Status != berth.ConditionFalse || h.Conditions[0].Since.IsZero() {
		t.Errorf("%+v", h)
	}
}
