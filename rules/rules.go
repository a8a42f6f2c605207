// Package rules decides what is allowed: pure functions from a request and the facts to violations. A request is checked against
// all of its rules, and all violations are reported together.
package rules

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"berth.dev/berth"
)

// Violation is one rule that a request violates. A warning is reported and never refuses a request.
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

// AsError is one error for all violations that are not warnings, each in its details; nil when there are none. A single violation
// keeps its own code and message.
func AsError(vs []Violation) *berth.Error {
	details := Reported(vs, false)
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
	e := berth.Errorf(berth.CodeBadRequest, "The request violates %d rules, at %s. Nothing was changed. See the details for each violation.",
		len(details), strings.Join(fields, ", "))
	e.Details = details
	return e
}

// Reported are the warnings among the violations, or the others, as errors for an answer; nil when there are none.
func Reported(vs []Violation, warnings bool) []berth.Error {
	var out []berth.Error
	for _, v := range vs {
		if v.Warning == warnings {
			out = append(out, berth.Error{Code: v.Code, Target: v.Target, Message: v.Message})
		}
	}
	return out
}

// Of turns an error that was found before the rules ran into a violation; false for an error that is not for users.
func Of(err error) ([]Violation, bool) {
	e, isOurs := errors.AsType[*berth.Error](err)
	if !isOurs {
		return nil, false
	}
	return []Violation{{Code: e.Code, Target: e.Target, Message: e.Message}}, true
}
