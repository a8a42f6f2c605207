package template

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

const (
	maxSteps = 5_000_000 // function calls, and parts of the values that they make, in a whole template
	maxParts = 200_000   // of one value
	maxText  = 4 << 20   // of one string that is made
	maxLoop  = 800       // ARM's own bound on a copy loop
)

// Runtime answers what is only known once resources exist.
type Runtime interface {
	// Reference is the runtime state of a resource: its properties, or with full all of it.
	Reference(id, apiVersion string, full bool) (any, error)
	// List calls an action whose name begins with "list".
	List(function, id, apiVersion string, body any) (any, error)
}

// errRuntime is what an expression ends in that needs a resource to exist before any does.
type errRuntime struct{ function string }

func (e errRuntime) Error() string {
	return fmt.Sprintf("the function '%s' cannot be used here: no resource exists yet when this is evaluated", e.function)
}

// env is what an expression sees around it.
type env struct {
	t         *Template        // whose parameters and variables are meant
	plan      *Plan            // whose resources references name; nil while there is none
	runtime   Runtime          // nil while planning
	loops     map[string]int64 // where each copy loop stands, by its name in lower case
	loop      string           // the innermost loop of resources, in lower case
	args      map[string]any   // of a function that the template defines; nil elsewhere
	inDefault bool             // in a parameter's default, where newGuid and utcNow may stand
}

// within is the environment of one turn of a loop.
func (e *env) within(name string, i int64) *env {
	inner := *e
	inner.loops = maps.Clone(e.loops)
	if inner.loops == nil {
		inner.loops = map[string]int64{}
	}
	inner.loop = strings.ToLower(name)
	inner.loops[inner.loop] = i
	return &inner
}

func (l literal) eval(*env) (any, error) { return l.value, nil }

func (m member) eval(e *env) (any, error) {
	of, err := m.of.eval(e)
	if err != nil {
		return nil, err
	}
	key, err := m.key.eval(e)
	if err != nil {
		return nil, err
	}
	v, err := pick(of, key)
	if err != nil && m.optional {
		return nil, nil
	}
	return v, err
}

// pick takes a property of an object, in any casing, or an element of an array.
func pick(of, key any) (any, error) {
	switch of := of.(type) {
	case map[string]any:
		name, isText := key.(string)
		if !isText {
			return nil, fmt.Errorf("a property is named by a string, not by %s", kindOf(key))
		}
		if v, there := property(of, name); there {
			return v, nil
		}
		return nil, fmt.Errorf("there is no property '%.80s'; there are: %s", name, strings.Join(slices.Sorted(maps.Keys(of)), ", "))
	case []any:
		i, isInt := key.(int64)
		if !isInt {
			return nil, fmt.Errorf("an element of an array is named by a whole number, not by %s", kindOf(key))
		}
		if i < 0 || i >= int64(len(of)) {
			return nil, fmt.Errorf("there is no element %d: the array has %d", i, len(of))
		}
		return of[i], nil
	}
	return nil, fmt.Errorf("%s has no properties or elements", kindOf(of))
}

func property(of map[string]any, name string) (any, bool) {
	if v, there := of[name]; there {
		return v, true
	}
	for k, v := range of {
		if strings.EqualFold(k, name) {
			return v, true
		}
	}
	return nil, false
}

func (c call) eval(e *env) (any, error) {
	if e.t.steps++; e.t.steps > maxSteps {
		return nil, fmt.Errorf("the template takes more than %d steps", maxSteps)
	}
	if c.name == "if" { // only the branch that counts is looked at
		return c.choose(e)
	}
	args := make([]any, len(c.args))
	for i, a := range c.args {
		var err error
		if args[i], err = a.eval(e); err != nil {
			return nil, err
		}
	}
	f, known := functions[c.name]
	switch {
	case known:
	case strings.Contains(c.name, "."):
		return e.own(c.name, args)
	case strings.HasPrefix(c.name, "list"):
		f = function{2, 3, listOf(c.name)}
	default:
		return nil, fmt.Errorf("there is no function '%.60s'", c.name)
	}
	if len(args) < f.min || f.max >= 0 && len(args) > f.max {
		return nil, fmt.Errorf("the function '%s' takes %s, not %d", c.name, f.takes(), len(args))
	}
	v, err := f.do(e, args)
	if err != nil {
		if _, late := err.(errRuntime); late { //nolint:errorlint // it is never wrapped before here
			return nil, err
		}
		return nil, fmt.Errorf("%s: %w", c.name, err)
	}
	parts := weigh(v, maxParts)
	if e.t.steps += parts; parts >= maxParts || e.t.steps > maxSteps {
		return nil, fmt.Errorf("%s: the value becomes too large", c.name)
	}
	return v, nil
}

// weigh counts the parts of a value, up to a bound. Values share parts: a few doublings make one that nobody could write out.
func weigh(v any, bound int) int {
	n := 1
	switch v := v.(type) {
	case string:
		n += len(v) / 16
	case []any:
		for i := 0; i < len(v) && n < bound; i++ {
			n += weigh(v[i], bound-n)
		}
	case map[string]any:
		for _, inner := range v {
			if n += weigh(inner, bound-n); n >= bound {
				break
			}
		}
	}
	return n
}

func (c call) choose(e *env) (any, error) {
	if len(c.args) != 3 {
		return nil, fmt.Errorf("the function 'if' takes 3 arguments, not %d", len(c.args))
	}
	condition, err := c.args[0].eval(e)
	if err != nil {
		return nil, err
	}
	yes, isBool := condition.(bool)
	if !isBool {
		return nil, fmt.Errorf("if: its condition is %s, not true or false", kindOf(condition))
	}
	if yes {
		return c.args[1].eval(e)
	}
	return c.args[2].eval(e)
}

// value evaluates any part of a template: strings, and what they stand in.
func (e *env) value(v any) (any, error) {
	switch v := v.(type) {
	case string:
		return e.text(v)
	case []any:
		out := make([]any, len(v))
		for i := range v {
			var err error
			if out[i], err = e.value(v[i]); err != nil {
				return nil, under(fmt.Sprintf("[%d]", i), err)
			}
		}
		return out, nil
	case map[string]any:
		return e.object(v)
	}
	return v, nil
}

func (e *env) text(s string) (any, error) {
	text, is := expressionIn(s)
	if !is {
		if strings.HasPrefix(s, "[[") {
			return s[1:], nil
		}
		return s, nil
	}
	n, err := parse(text)
	if err != nil {
		return nil, err
	}
	return n.eval(e)
}

// object evaluates an object: keys may be expressions, and "copy" makes arrays.
func (e *env) object(v map[string]any) (any, error) {
	out := make(map[string]any, len(v))
	for _, k := range slices.Sorted(maps.Keys(v)) {
		if loops, isList := v[k].([]any); k == "copy" && isList {
			if err := e.copies(loops, out); err != nil {
				return nil, under("copy", err)
			}
			continue
		}
		name, err := e.text(k)
		if err != nil {
			return nil, under(k, err)
		}
		text, isText := name.(string)
		if !isText {
			return nil, under(k, fmt.Errorf("a key must be a string, not %s", kindOf(name)))
		}
		if out[text], err = e.value(v[k]); err != nil {
			return nil, under(k, err)
		}
	}
	return out, nil
}

// copies makes the arrays of a "copy" block: [{name, count, input}].
func (e *env) copies(loops []any, into map[string]any) error {
	for i, l := range loops {
		fields, _ := l.(map[string]any)
		name, _ := fields["name"].(string)
		count, err := e.count(fields["count"])
		if err != nil || name == "" {
			return under(fmt.Sprintf("[%d]", i), orElse(err, "it needs a name, a count and an input"))
		}
		all := make([]any, count)
		for n := range all {
			if all[n], err = e.within(name, int64(n)).value(fields["input"]); err != nil {
				return under(fmt.Sprintf("[%d].input", i), err)
			}
		}
		into[name] = all
	}
	return nil
}

// count is how often a loop runs.
func (e *env) count(v any) (int64, error) {
	got, err := e.value(v)
	if err != nil {
		return 0, under("count", err)
	}
	n, isInt := got.(int64)
	if !isInt || n < 0 || n > maxLoop {
		return 0, fmt.Errorf("count must be a whole number from 0 to %d", maxLoop)
	}
	return n, nil
}

func orElse(err error, otherwise string) error {
	if err != nil {
		return err
	}
	return fmt.Errorf("%s", otherwise)
}

// kindOf says what a value is, and never what is in it: it may be a secret.
func kindOf(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "true or false"
	case int64:
		return "a whole number"
	case float64:
		return "a number"
	case string:
		return "a string"
	case []any:
		return "an array"
	case map[string]any:
		return "an object"
	}
	return "a value"
}
