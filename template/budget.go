package template

import (
	"context"
	"errors"
	"fmt"
	"unicode/utf8"
)

// The limits of one evaluation: a template with all templates nested in it. Those marked ARM are Azure's own.
const (
	maxSteps      = 5_000_000 // calls, and the parts of the values that they return
	maxBytes      = 32 << 20  // of all values together
	maxDepth      = 1000      // of evaluations in evaluations
	maxParts      = 200_000   // of one value
	maxNested     = 200       // levels of one value
	maxTogether   = 4 << 20   // bytes of all parameters, and of all outputs, as JSON (ARM: of the parameter file)
	maxText       = 4 << 20   // bytes of one string
	maxDefinition = 1 << 20   // bytes of one resource after evaluation (ARM)
	maxLoop       = 800       // turns of a copy loop (ARM)
	maxResources  = 800       // of a template, copies included (ARM)
	maxParameters = 256       // of a template (ARM)
	maxVariables  = 512       // of a template (ARM)
	maxOutputs    = 64        // of a template (ARM)
	maxProblems   = 50        // that one error reports
)

// limitError names the limit that an evaluation exceeds.
type limitError struct{ what string }

func (e limitError) Error() string { return "the template exceeds a limit: " + e.what }

func overLimit(err error) bool {
	_, is := errors.AsType[limitError](err)
	return is
}

// budget is what one evaluation may still use. Work is charged before it is done, because a template is an untrusted program.
type budget struct {
	ctx   context.Context // ends the evaluation
	steps int             // used
	bytes int             // used
	depth int             // now
}

// ctxEvery is how many steps pass between two checks of the context.
const ctxEvery = 1024

// step charges n steps. The error is a limitError, or the context's.
func (b *budget) step(n int) error {
	before := b.steps
	if b.steps += n; b.steps > maxSteps || n < 0 {
		b.steps = maxSteps + 1 // for good
		return limitError{fmt.Sprintf("its evaluation takes more than %d steps", maxSteps)}
	}
	if before/ctxEvery == b.steps/ctxEvery {
		return nil
	}
	err := b.ctx.Err()
	if errors.Is(err, context.DeadlineExceeded) {
		return limitError{"its evaluation takes too much time"}
	}
	return err
}

// allocate charges n bytes before they are allocated, and the steps of filling them.
func (b *budget) allocate(n int) error {
	if b.bytes += n; b.bytes > maxBytes || n < 0 {
		b.bytes = maxBytes + 1 // for good
		return limitError{fmt.Sprintf("its evaluation needs more than %d MiB for values", maxBytes>>20)}
	}
	return b.step(1 + n/64)
}

// textOf charges a string of n bytes before it is built.
func (b *budget) textOf(n int) error {
	if n > maxText {
		return limitError{fmt.Sprintf("a string becomes longer than %d MiB", maxText>>20)}
	}
	return b.allocate(n)
}

// enter goes one level deeper. Call leave afterwards, also after an error.
func (b *budget) enter() error {
	if b.depth++; b.depth > maxDepth {
		return limitError{fmt.Sprintf("its evaluation is nested more than %d deep", maxDepth)}
	}
	return nil
}

func (b *budget) leave() { b.depth-- }

// What values take in memory, in bytes, roughly.
const (
	sizeItem  = 16  // an element of an array
	sizeEntry = 100 // a property of an object
)

// shallow is the size of a copy of a value, in bytes, without the contents of its elements.
func shallow(v any) int {
	switch v := v.(type) {
	case string:
		return 3 * len(v) // an encoding may triple it
	case []any:
		return sizeItem * len(v)
	case map[string]any:
		return sizeEntry * len(v)
	}
	return sizeItem
}

// weigh counts the parts of a value, up to a bound; a value with more than maxNested levels counts as the bound. Values share
// parts, so a few doublings build a value that no machine could write out.
func weigh(v any, bound int) int { return weighAt(v, bound, maxNested) }

func weighAt(v any, bound, levels int) int {
	if levels == 0 {
		return bound
	}
	n := 1
	switch v := v.(type) {
	case string:
		n += len(v) / 16
	case []any:
		for i := 0; i < len(v) && n < bound; i++ {
			n += weighAt(v[i], bound-n, levels-1)
		}
	case map[string]any:
		for k, inner := range v {
			if n += len(k)/16 + weighAt(inner, bound-n, levels-1); n >= bound {
				break
			}
		}
	}
	return n
}

// walk charges a walk through all parts of a value. It refuses a value that exceeds the limits of a single one.
func (b *budget) walk(v any) error {
	parts := weigh(v, maxParts)
	if parts >= maxParts {
		return tooLarge("a value")
	}
	return b.step(parts)
}

func tooLarge(what string) error {
	return limitError{fmt.Sprintf("%s has more than %d parts or %d levels", what, maxParts, maxNested)}
}

// jsonSize is an upper bound of a value's length as JSON, up to a bound.
func jsonSize(v any, bound int) int {
	n := 2
	switch v := v.(type) {
	case string:
		return n + escaped(v)
	case []any:
		for i := 0; i < len(v) && n < bound; i++ {
			n += 1 + jsonSize(v[i], bound-n)
		}
	case map[string]any:
		for k, inner := range v {
			if n += 4 + escaped(k) + jsonSize(inner, bound-n); n >= bound {
				break
			}
		}
	default:
		return 24 // the longest number
	}
	return n
}

// escaped is the length of a string in JSON: some characters are written as \u003c.
func escaped(s string) int {
	n := len(s)
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c == '<' || c == '>' || c == '&' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			n += 5
		}
	}
	return n
}

// normal is Normal, charged to the budget.
func (b *budget) normal(v any) (any, error) {
	if err := b.enter(); err != nil {
		b.leave()
		return nil, err
	}
	defer b.leave()
	if err := b.allocate(shallow(v)); err != nil {
		return nil, err
	}
	switch v := v.(type) {
	case []any:
		out := make([]any, len(v))
		for i := range v {
			var err error
			if out[i], err = b.normal(v[i]); err != nil {
				return nil, err
			}
		}
		return out, nil
	case map[string]any:
		out := make(map[string]any, len(v))
		for k := range v {
			var err error
			if out[k], err = b.normal(v[k]); err != nil {
				return nil, err
			}
		}
		return out, nil
	case string:
		return v, nil
	}
	return Normal(v), nil
}
