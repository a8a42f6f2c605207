package berth

import "time"

// ConditionType is one thing that has to be so for a compute to be well.
type ConditionType string

// The conditions of a compute, in the order in which they are told.
const (
	Reachable        ConditionType = "Reachable"        // the cluster's API answers
	HasRights        ConditionType = "HasRights"        // Berth's account there may do what it has to
	VersionSupported ConditionType = "VersionSupported" // of Kubernetes
	NodesReady       ConditionType = "NodesReady"       // all of them
	CapacityEnough   ConditionType = "CapacityEnough"   // vCPUs for its purpose
	Owned            ConditionType = "Owned"            // the ownership record in the cluster names this compute
	CertificateValid ConditionType = "CertificateValid" // of the cluster's API
	SSLValid         ConditionType = "SslValid"         // the compute's own certificate, for scoring
)

// Finding is what one look found of a condition.
type Finding struct {
	Type    ConditionType `json:"type"`
	OK      bool          `json:"ok"`
	Reason  string        `json:"reason"`  // one word, for programs
	Message string        `json:"message"` // a sentence, for people
}

// Condition is what is believed, and since when.
type Condition struct {
	Finding
	Since time.Time `json:"since"`
	// Doubt is the reason that the last look gave, when it was another. What is seen once may be an accident; it is believed
	// when the next look sees it too. What changes from look to look therefore never changes here.
	Doubt string `json:"doubt,omitempty"`
}

// Transition is a condition as it became.
type Transition struct {
	Finding
	At time.Time `json:"at"`
}

// maxTransitions is how many changes are remembered.
const maxTransitions = 20

// Health is how a compute is, and how it was before.
type Health struct {
	Conditions []Condition `json:"conditions,omitempty"`
	Changes    []Transition    `json:"changes,omitempty"` // the latest last
}

// Note takes in what a look found. doubt says that it is not believed yet, and worth another look soon.
func (h *Health) Note(now time.Time, f Finding) (doubt bool) {
	c := h.find(f.Type)
	switch {
	case c == nil: // the first look; that all is well is no news
		h.Conditions = append(h.Conditions, Condition{Finding: f, Since: now})
		if f.OK {
			return false
		}
	case c.OK == f.OK && c.Reason == f.Reason:
		c.Message, c.Doubt = f.Message, ""
		return false
	case c.Doubt != f.Reason:
		c.Doubt = f.Reason
		return true
	default:
		if c.OK != f.OK {
			c.Since = now
		}
		c.Finding, c.Doubt = f, ""
	}
	h.Changes = append(h.Changes, Transition{Finding: f, At: now})
	h.Changes = h.Changes[max(len(h.Changes)-maxTransitions, 0):]
	return false
}

// Drop forgets a condition that means nothing any more.
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

// FailingSince says since when a condition has not been met; false when it is met or unknown.
func (h *Health) FailingSince(t ConditionType) (time.Time, bool) {
	c := h.find(t)
	if c == nil || c.OK {
		return time.Time{}, false
	}
	return c.Since, true
}
