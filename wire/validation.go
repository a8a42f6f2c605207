package wire

import (
	"slices"

	"berth.dev/berth"
)

// Validation answers the violations and warnings of a request, and the checks of its cluster; without the key checks when they are
// nil, because the cluster was not checked.
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
