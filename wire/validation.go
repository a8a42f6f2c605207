package wire

import (
	"slices"

	"berth.dev/berth"
)

// Validation answers what a wish would be told: what forbids it, what is only said, and what its cluster was found to be; no
// checks when it was not asked.
func Validation(violations, warnings []berth.Error, checks []berth.Check) Object {
	list := func(all []berth.Error) []berth.Error {
		if all == nil {
			return []berth.Error{}
		}
		return all
	}
	valid := len(violations) == 0 && !slices.ContainsFunc(checks, func(c berth.Check) bool { return !c.OK })
	out := Object{"valid": valid, "violations": list(violations), "warnings": list(warnings)}
	if checks != nil {
		out["checks"] = checks
	}
	return out
}
