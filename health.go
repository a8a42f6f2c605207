package berth

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// ConditionType is one thing that must be true for a compute or a cluster to be healthy.
type ConditionType string

// The conditions, in the order in which they are reported. A cluster has the first and NodesReady; a compute has all.
const (
	Reachable        ConditionType = "Reachable"        // the cluster's API answers
	HasRights        ConditionType = "HasRights"        // Berth's account there has all the rights that it needs
	VersionSupported ConditionType = "VersionSupported" // of Kubernetes
	NodesReady       ConditionType = "NodesReady"       // all of them
	CapacityEnough   ConditionType = "CapacityEnough"   // vCPUs for its purpose
	Owned            ConditionType = "Owned"            // the ownership record in the cluster names this compute
	CertificateValid ConditionType = "CertificateValid" // of the cluster's API
	SSLValid         ConditionType = "SslValid"         // the compute's own certificate, for scoring
)

// ConditionStatus is whether a condition is met; the values are those of Kubernetes.
type ConditionStatus string

// The three values of a condition. Unknown: it could not be observed, because the cluster does not answer.
const (
	ConditionTrue    ConditionStatus = "True"
	ConditionFalse   ConditionStatus = "False"
	ConditionUnknown ConditionStatus = "Unknown"
)

// ReasonSilent is the reason of a condition that is Unknown.
const ReasonSilent = "ClusterSilent"

// Finding is what one check found of a condition.
type Finding struct {
	Type    ConditionType   `json:"type"`
	Status  ConditionStatus `json:"status"`
	Reason  string          `json:"reason"`  // one word, for programs
	Message string          `json:"message"` // a sentence, for people
}

// Met is a finding with the status True when met is true, else False.
func Met(t ConditionType, met bool, reason, message string) Finding {
	f := Finding{Type: t, Status: ConditionFalse, Reason: reason, Message: message}
	if met {
		f.Status = ConditionTrue
	}
	return f
}

// Condition is a finding that two consecutive checks agree on, and since when it is true.
type Condition struct {
	Finding
	Since time.Time `json:"since"`
	// ObservedAt is when a check last made this finding; for an Unknown condition, when it was last observed.
	ObservedAt time.Time `json:"observedAt,omitzero"`
	// Doubt is the reason of the last check, if it differs: a condition changes only after two consecutive checks agree. A condition
	// that differs from check to check therefore never changes here.
	Doubt string `json:"doubt,omitempty"`
}

// Transition is a condition after it changed.
type Transition struct {
	Finding
	At time.Time `json:"at"`
}

// maxTransitions is the maximum number of stored transitions.
const maxTransitions = 20

// Health is the health of a compute or a cluster: its conditions, and their latest transitions.
type Health struct {
	Conditions []Condition  `json:"conditions,omitempty"`
	Changes    []Transition `json:"changes,omitempty"`  // the latest last
	CheckedAt  time.Time    `json:"checkedAt,omitzero"` // of the last check, with any result
}

// UnmarshalJSON also reads what older versions stored: they had ok, true or false, instead of status.
func (h *Health) UnmarshalJSON(text []byte) error {
	type plain Health
	if err := json.Unmarshal(text, (*plain)(h)); err != nil {
		return err
	}
	var old struct{ Conditions, Changes []struct{ OK bool } }
	if err := json.Unmarshal(text, &old); err != nil {
		return err
	}
	for i := range h.Conditions {
		h.Conditions[i].Finding = h.Conditions[i].Finding.orOld(old.Conditions[i].OK)
	}
	for i := range h.Changes {
		h.Changes[i].Finding = h.Changes[i].Finding.orOld(old.Changes[i].OK)
	}
	return nil
}

// orOld fills in the status of a finding that has none, from the field ok of older versions.
func (f Finding) orOld(ok bool) Finding {
	if f.Status == "" {
		f.Status = Met(f.Type, ok, "", "").Status
	}
	return f
}

// Note records what a check found. doubt is true when another check must confirm it soon, before it counts: a condition changes
// only after two consecutive checks agree. What follows Unknown needs no confirmation.
func (h *Health) Note(now time.Time, f Finding) (doubt bool) {
	c := h.find(f.Type)
	switch {
	case c == nil: // the first check; that all is well is no transition
		h.Conditions = append(h.Conditions, Condition{Finding: f, Since: now, ObservedAt: now})
		if f.Status == ConditionTrue {
			return false
		}
	case c.Status == f.Status && c.Reason == f.Reason:
		c.confirm(f, now)
		return false
	case c.Status == ConditionUnknown:
		c.confirm(f, now)
		c.Since = now
		if f.Status == ConditionTrue {
			return false
		}
	case c.Doubt != f.Reason:
		c.Doubt = f.Reason
		return true
	default:
		if c.Status != f.Status {
			c.Since = now
		}
		c.confirm(f, now)
	}
	h.Changes = append(h.Changes, Transition{Finding: f, At: now})
	h.Changes = h.Changes[max(len(h.Changes)-maxTransitions, 0):]
	return false
}

// confirm stores a finding that needs no further check.
func (c *Condition) confirm(f Finding, now time.Time) {
	c.Finding, c.ObservedAt = f, now
	c.Doubt = ""
}

// Lose makes conditions Unknown, because they cannot be observed. Each message keeps what was last observed, and when.
func (h *Health) Lose(now time.Time, types ...ConditionType) {
	for _, t := range types {
		c := h.find(t)
		if c == nil || c.Status == ConditionUnknown {
			continue
		}
		last := "The cluster does not answer."
		if !c.ObservedAt.IsZero() {
			at := c.ObservedAt.UTC()
			last = fmt.Sprintf("The cluster does not answer. On %s at %s UTC: %s", at.Format("2006-01-02"), at.Format("15:04"), c.Message)
		}
		c.Finding = Finding{Type: t, Status: ConditionUnknown, Reason: ReasonSilent, Message: last}
		c.Since, c.Doubt = now, ""
	}
}

// Drop removes a condition that does not apply any more.
func (h *Health) Drop(t ConditionType) {
	for i := range h.Conditions {
		if h.Conditions[i].Type == t {
			h.Conditions = append(h.Conditions[:i:i], h.Conditions[i+1:]...)
			return
		}
	}
}

func (h *Health) find(t ConditionType) *Condition {
	for i := range h.Conditions {
		if h.Conditions[i].Type == t {
			return &h.Conditions[i]
		}
	}
	return nil
}

// Is reports whether a condition has a status. A condition that was never observed has none.
func (h *Health) Is(t ConditionType, status ConditionStatus) bool {
	c := h.find(t)
	return c != nil && c.Status == status
}

// HealthState is the health of a compute or a cluster in a word, for lists.
type HealthState string

// The states of health, the worst first.
const (
	Unreachable   HealthState = "Unreachable" // the cluster does not answer
	Degraded      HealthState = "Degraded"    // a condition is not met
	UnknownHealth HealthState = "Unknown"     // not checked yet, or not to be observed
	Healthy       HealthState = "Healthy"
)

// HealthSummary is a health as lists show it.
type HealthSummary struct {
	State     HealthState     `json:"state"`
	Since     time.Time       `json:"since,omitzero"`    // of the condition that decides; zero for Unknown without conditions
	Failing   []ConditionType `json:"failing,omitempty"` // the conditions that are not met
	Message   string          `json:"message"`           // a sentence: the reason, of the first that is not met
	CheckedAt time.Time       `json:"checkedAt,omitzero"`
	// Confirming is true when the last check found a change that the next check, some seconds later, has to confirm.
	Confirming bool `json:"confirming,omitempty"`
}

// Summary is the health in one word: that of the worst condition, and since when it is so.
func (h *Health) Summary() HealthSummary {
	s := HealthSummary{State: UnknownHealth, CheckedAt: h.CheckedAt, Message: "It has not been checked yet."}
	for i, c := range h.Conditions {
		if c.Status == ConditionFalse {
			s.Failing = append(s.Failing, c.Type)
		}
		s.Confirming = s.Confirming || c.Doubt != ""
		state := c.health()
		if i == 0 || state.worse(s.State) || state == Healthy && s.State == Healthy && c.Since.After(s.Since) {
			s.State, s.Since = state, c.Since
			s.Message = c.Message
		}
	}
	if s.State == Healthy {
		s.Message = "All conditions are met."
	}
	return s
}

// health is what one condition makes of the whole.
func (c *Condition) health() HealthState {
	switch {
	case c.Status == ConditionTrue:
		return Healthy
	case c.Status == ConditionFalse && c.Type == Reachable:
		return Unreachable
	case c.Status == ConditionFalse:
		return Degraded
	}
	return UnknownHealth
}

func (s HealthState) worse(than HealthState) bool {
	order := []HealthState{Unreachable, Degraded, UnknownHealth, Healthy}
	return slices.Index(order, s) < slices.Index(order, than)
}
