package template

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Runtime is the access of expressions to resources that exist. Both methods return decoded JSON, as Normal leaves it.
type Runtime interface {
	// Reference is the state of a resource: its properties, or with full the whole resource.
	Reference(id, apiVersion string, full bool) (any, error)
	// List calls an action whose name begins with "list".
	List(function, id, apiVersion string, body any) (any, error)
}

// errRuntime is the error of an expression that needs an existing resource before there is any.
type errRuntime struct{ function string }

func (e errRuntime) Error() string {
	return fmt.Sprintf("the function '%s' cannot be used here: no resource exists yet when this is evaluated", e.function)
}

// env is what an expression sees around it.
type env struct {
	t         *Template        // whose parameters and variables expressions use
	plan      *Plan            // whose resources expressions refer to; nil while there is none
	runtime   Runtime          // nil while planning
	loops     map[string]int64 // the index of each copy loop, by its name in lower case
	loop      string           // the innermost loop of resources, in lower case
	args      map[string]any   // of a function that the template defines; nil elsewhere
	own       []string         // the template's functions that are being evaluated, in lower case
	locals    map[string]any   // the variables of the lambdas around it, by name in lower case
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
	defer e.budget().leave()
	if err := errors.Join(e.budget().enter(), e.budget().step(1)); err != nil {
		return nil, err
	}
	of, err := m.of.eval(e)
	if err != nil {
		return nil, err
	}
	key, err := m.key.eval(e)
	if err != nil {
		return nil, err
	}
	if all, isObject := of.(map[string]any); isObject {
		if err := e.budget().step(len(all) / 16); err != nil { // a name in another casing is searched for
			return nil, err
		}
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
			return nil, fmt.Errorf("the name of a property must be a string, not %s", kindOf(key))
		}
		if v, there := property(of, name); there {
			return v, nil
		}
		return nil, fmt.Errorf("there is no property '%.80s'; there are: %s", name, few(slices.Sorted(maps.Keys(of))))
	case []any:
		i, isInt := key.(int64)
		if !isInt {
			return nil, fmt.Errorf("the index of an array must be a whole number, not %s", kindOf(key))
		}
		if i < 0 || i >= int64(len(of)) {
			return nil, fmt.Errorf("there is no element %d: the array has %d", i, len(of))
		}
		return of[i], nil
	}
	return nil, fmt.Errorf("%s has no properties or elements", kindOf(of))
}

// few joins names for a message, the first ones of many.
func few(names []string) string {
	const most = 20
	if len(names) > most {
		names = append(names[:most:most], "…")
	}
	text := strings.Join(names, ", ")
	return fmt.Sprintf("%.1000s", text)
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

// budget is that of the whole evaluation.
func (e *env) budget() *budget { return e.t.budget }

func (c call) eval(e *env) (any, error) {
	defer e.budget().leave()
	if err := errors.Join(e.budget().enter(), e.budget().step(1)); err != nil {
		return nil, err
	}
	if c.name == "if" { // only the branch that counts is evaluated
		return c.choose(e)
	}
	args := make([]any, len(c.args))
	size := 0
	for i, a := range c.args {
		var err error
		if args[i], err = c.argument(e, a); err != nil {
			return nil, err
		}
		size += sizeItem + shallow(args[i])
	}
	f, err := c.function(e)
	if err != nil {
		return nil, err
	}
	if len(args) < f.min || f.max >= 0 && len(args) > f.max {
		return nil, fmt.Errorf("the function '%.60s' takes %s, not %d", c.name, f.takes(), len(args))
	}
	if err := e.budget().allocate(size); err != nil { // the size of most results; functions with larger ones charge more
		return nil, err
	}
	v, err := f.do(e, args)
	if err != nil {
		if Late(err) || overLimit(err) || strings.Contains(c.name, ".") {
			return nil, err
		}
		return nil, fmt.Errorf("%s: %w", c.name, err)
	}
	parts := weigh(v, maxParts)
	if parts >= maxParts {
		return nil, tooLarge(fmt.Sprintf("the value of the function '%.60s'", c.name))
	}
	return v, e.budget().step(parts)
}

// function finds the function that a call names.
func (c call) function(e *env) (function, error) {
	if f, known := functions[c.name]; known {
		return f, nil
	}
	switch {
	case strings.Contains(c.name, "."):
		return function{0, -1, func(e *env, args []any) (any, error) { return e.callOwn(c.name, args) }}, nil
	case strings.HasPrefix(c.name, "list"):
		return function{2, 3, listOf(c.name)}, nil
	}
	return function{}, fmt.Errorf("there is no function '%.60s'", c.name)
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

// value evaluates any part of a template: strings, arrays and objects.
func (e *env) value(v any) (any, error) {
	if s, isText := v.(string); isText {
		return e.text(s)
	}
	defer e.budget().leave()
	if err := errors.Join(e.budget().enter(), e.budget().allocate(shallow(v))); err != nil {
		return nil, err
	}
	switch v := v.(type) {
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
	if err := e.budget().step(len(text) / 8); err != nil { // it is parsed each time
		return nil, err
	}
	n, err := parse(text)
	if err != nil {
		return nil, err
	}
	return n.eval(e)
}

// object evaluates an object. Keys may be expressions, and the key "copy" defines arrays.
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

// copies evaluates the arrays of a "copy" block: [{name, count, input}].
func (e *env) copies(loops []any, into map[string]any) error {
	for i, l := range loops {
		fields, _ := l.(map[string]any)
		name, _ := fields["name"].(string)
		count, err := e.count(fields["count"])
		if err != nil || name == "" {
			return under(fmt.Sprintf("[%d]", i), orElse(err, "it needs a name, a count and an input"))
		}
		if err := e.budget().allocate(int(count) * sizeEntry); err != nil {
			return under(fmt.Sprintf("[%d]", i), err)
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

// count is the number of turns of a loop.
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

// kindOf names the kind of a value and never the value, which may be secret.
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
