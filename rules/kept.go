package rules

import (
	"strings"

	"berth.dev/berth"
)

// NotActedOn warns about properties that Berth keeps and answers as they were sent, and whose effect it does not give.
func NotActedOn(names []string) []Violation {
	if len(names) == 0 {
		return nil
	}
	return warning("properties", "Berth keeps these properties and answers them as they were sent, but they have no effect here: %s.",
		strings.Join(names, ", "))
}

// Identity checks the type of a managed identity, as ARM has it.
func Identity(typ string, assigned int) []Violation {
	const target = "identity.type"
	switch strings.ToLower(strings.ReplaceAll(typ, " ", "")) {
	case "systemassigned", "none":
		return nil
	case "userassigned", "systemassigned,userassigned":
		if assigned > 0 {
			return nil
		}
		return invalid(target, "An identity of type %s needs userAssignedIdentities with at least one id.", typ)
	}
	return violation(berth.CodeInvalidRequest, target, "The identity type '%.60s' is not known; it is SystemAssigned, UserAssigned, "+
		"'SystemAssigned,UserAssigned' or None.", typ)
}
