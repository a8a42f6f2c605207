package wire

import "berth.dev/berth"

// Validation answers what a wish would be told: what forbids it, and what is only said.
func Validation(violations, warnings []berth.Error) Object {
	list := func(all []berth.Error) []berth.Error {
		if all == nil {
			return []berth.Error{}
		}
		return all
	}
	return Object{"valid": len(violations) == 0, "violations": list(violations), "warnings": list(warnings)}
}
