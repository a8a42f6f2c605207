// Package rules says what is allowed: pure functions from a wish and the facts to violations. All rules of a wish are
// asked, and all violations are told together.
package rules

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"berth.dev/berth"
)

// Violation is one rule that a wish does not keep. Warnings are told and never block.
type Violation struct {
	Code    berth.Code
	Target  string // the field's path as the user sent it, such as "properties.properties.agentCount", or "name"
	Message string // what is wrong, in numbers, and what to do
	Warning bool
}

func violation(code berth.Code, target, format string, args ...any) []Violation {
	return []Violation{{Code: code, Target: target, Message: fmt.Sprintf(format, args...)}}
}

func invalid(target, format string, args ...any) []Violation {
	return violation(berth.CodeBadRequest, target, format, args...)
}

func warning(target, format string, args ...any) []Violation {
	v := violation(berth.CodeWarning, target, format, args...)
	v[0].Warning = true
	return v
}

// AsError makes one error of all violations that are not warnings; nil when there are none.
func AsError(vs []Violation) *berth.Error {
	details := Told(vs, false)
	switch len(details) {
	case 0:
		return nil
	case 1:
		e := details[0]
		e.Details = details
		return &e
	}
	var fields []string
	for _, d := range details {
		if !slices.Contains(fields, d.Target) {
			fields = append(fields, d.Target)
		}
	}
	e := berth.Errorf(berth.CodeBadRequest, "The request breaks %d rules, at %s; nothing was changed. Each is told in the details.",
		len(details), strings.Join(fields, ", "))
	e.Details = details
	return e
}

// Told are the violations that are warnings, or those that are not, as they are shown.
func Told(vs []Violation, warnings bool) []berth.Error {
	var out []berth.Error
	for _, v := range vs {
		if v.Warning == warnings {
			out = append(out, berth.Error{Code: v.Code, Target: v.Target, Message: v.Message})
		}
	}
	return out
}

// Of makes a violation of an error that was found on the way to the rules; false for one that is not for users.
func Of(err error) ([]Violation, bool) {
	e, isOurs := errors.AsType[*berth.Error](err)
	if !isOurs {
		return nil, false
	}
	return []Violation{{Code: e.Code, Target: e.Target, Message: e.Message}}, true
}
