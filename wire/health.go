package wire

import (
	"time"

	"berth.dev/berth"
)

// health adds the result of the checks of a compute or a cluster: health (a summary), conditions and conditionHistory. They are
// Berth's own; conditions have the shape that they have in Kubernetes.
func health(properties Object, h berth.Health) {
	if len(h.Conditions) == 0 {
		return
	}
	s := h.Summary()
	properties["health"] = Object{
		"state": s.State, "since": timeOrNull(s.Since), "failing": append([]berth.ConditionType{}, s.Failing...),
		"message": s.Message, "checkedAt": timeOrNull(s.CheckedAt), "confirming": s.Confirming,
	}
	now, history := []Object{}, []Object{}
	for _, c := range h.Conditions {
		o := condition(c.Finding, c.Since)
		o["lastObservedTime"] = timeOrNull(c.ObservedAt)
		now = append(now, o)
	}
	for _, c := range h.Changes {
		history = append(history, condition(c.Finding, c.At))
	}
	properties["conditions"], properties["conditionHistory"] = now, history
}

func condition(f berth.Finding, since time.Time) Object {
	return Object{"type": f.Type, "status": f.Status, "reason": f.Reason, "message": f.Message, "lastTransitionTime": Time(since)}
}
