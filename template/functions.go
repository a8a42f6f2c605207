package template

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// function is one function of the language: how many arguments it takes (max -1: any number), and what it does. The tables
// have the names in lower case, because ARM ignores the casing of function names.
type function struct {
	min, max int
	do       func(e *env, args []any) (any, error)
}

func (f function) takes() string {
	switch {
	case f.max < 0:
		return fmt.Sprintf("at least %d arguments", f.min)
	case f.min == f.max:
		return fmt.Sprintf("%d argument(s)", f.min)
	}
	return fmt.Sprintf("%d to %d arguments", f.min, f.max)
}

// functions is filled by init, because some of them evaluate other expressions.
var functions map[string]function

func init() {
	functions = map[string]function{
		"lambda": {0, -1, func(*env, []any) (any, error) {
			return nil, errors.New("a lambda can only be an argument of " +
				strings.Join(slices.Sorted(maps.Keys(lambdaFunctions)), ", "))
		}},
		"lambdavariables": {1, 1, lambdaVariable},
		"fail": {1, 1, func(_ *env, args []any) (any, error) {
			message, err := text(args[0])
			return nil, cmp.Or(err, errors.New(message))
		}},

		"parameters":             {1, 1, parameters},
		"variables":              {1, 1, variables},
		"copyindex":              {0, 2, copyIndex},
		"reference":              {1, 3, reference},
		"resourceid":             {2, -1, resourceID},
		"newguid":                {0, 0, newGUID},
		"utcnow":                 {0, 1, utcNow},
		"guid":                   {1, -1, guid},
		"uniquestring":           {1, -1, uniqueString},
		"extensionresourceid":    {3, -1, extensionID},
		"subscriptionresourceid": {2, -1, subscriptionID},
		"tenantresourceid":       {2, -1, func(_ *env, args []any) (any, error) { return joinID("", args) }},
	}
	for _, more := range []map[string]function{
		logicFunctions, textFunctions, listFunctions, numberFunctions, timeFunctions, lambdaFunctions, cidrFunctions,
		accessFunctions, scopeFunctions,
	} {
		maps.Copy(functions, more)
	}
}

var logicFunctions = map[string]function{
	"null":  {0, 0, func(*env, []any) (any, error) { return nil, nil }},
	"true":  {0, 0, func(*env, []any) (any, error) { return true, nil }},
	"false": {0, 0, func(*env, []any) (any, error) { return false, nil }},
	"and":   {2, -1, truths(func(all []bool) bool { return !slices.Contains(all, false) })},
	"or":    {2, -1, truths(func(all []bool) bool { return slices.Contains(all, true) })},
	"not":   {1, 1, truths(func(all []bool) bool { return !all[0] })},

	"coalesce": {1, -1, func(_ *env, args []any) (any, error) {
		for _, a := range args {
			if a != nil {
				return a, nil
			}
		}
		return nil, nil
	}},
	"equals": {2, 2, func(e *env, a []any) (any, error) {
		if err := e.budget().walk(a[0]); err != nil {
			return nil, err
		}
		return same(a[0], a[1]), nil
	}},
	"less":            {2, 2, compare(func(c int) bool { return c < 0 })},
	"lessorequals":    {2, 2, compare(func(c int) bool { return c <= 0 })},
	"greater":         {2, 2, compare(func(c int) bool { return c > 0 })},
	"greaterorequals": {2, 2, compare(func(c int) bool { return c >= 0 })},
}

func truths(f func([]bool) bool) func(*env, []any) (any, error) {
	return func(_ *env, args []any) (any, error) {
		all := make([]bool, len(args))
		for i, a := range args {
			b, isBool := a.(bool)
			if !isBool {
				return nil, fmt.Errorf("argument %d is %s, not true or false", i+1, kindOf(a))
			}
			all[i] = b
		}
		return f(all), nil
	}
}

// same compares two values of any kind.
func same(a, b any) bool {
	switch a := a.(type) {
	case []any:
		other, isList := b.([]any)
		return isList && slices.EqualFunc(a, other, same)
	case map[string]any:
		other, isObject := b.(map[string]any)
		return isObject && maps.EqualFunc(a, other, same)
	case int64:
		if f, isFloat := b.(float64); isFloat {
			return float64(a) == f
		}
	case float64:
		if n, isInt := b.(int64); isInt {
			return a == float64(n)
		}
	}
	switch b.(type) {
	case []any, map[string]any:
		return false
	}
	return a == b
}

func compare(holds func(int) bool) func(*env, []any) (any, error) {
	return func(_ *env, args []any) (any, error) {
		if a, isText := args[0].(string); isText {
			b, isText := args[1].(string)
			if !isText {
				return nil, fmt.Errorf("a string cannot be compared with %s", kindOf(args[1]))
			}
			return holds(strings.Compare(a, b)), nil
		}
		a, errA := number(args[0])
		b, errB := number(args[1])
		if err := errors.Join(errA, errB); err != nil {
			return nil, err
		}
		switch {
		case a < b:
			return holds(-1), nil
		case a > b:
			return holds(1), nil
		}
		return holds(0), nil
	}
}

func number(v any) (float64, error) {
	switch v := v.(type) {
	case int64:
		return float64(v), nil
	case float64:
		return v, nil
	}
	return 0, fmt.Errorf("a number is expected, not %s", kindOf(v))
}

func text(v any) (string, error) {
	s, isText := v.(string)
	if !isText {
		return "", fmt.Errorf("a string is expected, not %s", kindOf(v))
	}
	return s, nil
}

func texts(args []any) ([]string, error) {
	out := make([]string, len(args))
	for i, a := range args {
		s, isText := a.(string)
		if !isText {
			return nil, fmt.Errorf("argument %d must be a string, not %s", i+1, kindOf(a))
		}
		out[i] = s
	}
	return out, nil
}

func integer(v any) (int64, error) {
	n, isInt := v.(int64)
	if !isInt {
		return 0, fmt.Errorf("a whole number is expected, not %s", kindOf(v))
	}
	return n, nil
}

func parameters(e *env, args []any) (any, error) {
	name, err := text(args[0])
	if err != nil {
		return nil, err
	}
	if e.args != nil {
		if v, there := property(e.args, name); there {
			return v, nil
		}
		return nil, fmt.Errorf("the function has no parameter '%.60s'", name)
	}
	return e.t.parameter(name)
}

func variables(e *env, args []any) (any, error) {
	name, err := text(args[0])
	if err != nil {
		return nil, err
	}
	if e.args != nil {
		return nil, errors.New("variables cannot be used in a function that a template defines")
	}
	return e.t.variable(name)
}

// copyIndex is the index of the innermost copy loop, or of the named one. An offset may be added.
func copyIndex(e *env, args []any) (any, error) {
	name, offset := e.loop, int64(0)
	for _, a := range args {
		switch a := a.(type) {
		case string:
			name = strings.ToLower(a)
		case int64:
			offset = a
		default:
			return nil, fmt.Errorf("the name of a copy loop or an offset is expected, not %s", kindOf(a))
		}
	}
	i, runs := e.loops[name]
	switch {
	case runs:
		return i + offset, nil
	case name == "":
		return nil, errors.New("it can only be used inside a copy loop")
	}
	return nil, fmt.Errorf("there is no copy loop '%.60s' around it", name)
}

// reference is the runtime state of a resource: of the template, by its name or symbolic name, or of any, by its id.
func reference(e *env, args []any) (any, error) {
	if e.runtime == nil {
		return nil, errRuntime{"reference"}
	}
	all, err := texts(args)
	if err != nil {
		return nil, err
	}
	id := all[0]
	var version string
	var full bool
	if len(all) > 1 {
		version = all[1]
	}
	if len(all) > 2 {
		full = strings.EqualFold(all[2], "Full")
	}
	if r := e.plan.find(id); r != nil {
		id = r.ID()
		if version == "" {
			version = r.APIVersion
		}
	} else if !strings.HasPrefix(id, "/") {
		return nil, fmt.Errorf("the template has no resource '%.120s'", id)
	}
	return e.runtime.Reference(id, version, full)
}

// listOf is any function whose name begins with "list". It calls an action of the resource.
func listOf(name string) func(*env, []any) (any, error) {
	return func(e *env, args []any) (any, error) {
		if e.runtime == nil {
			return nil, errRuntime{name}
		}
		all, err := texts(args[:2])
		if err != nil {
			return nil, err
		}
		id := all[0]
		if r := e.plan.find(id); r != nil {
			id = r.ID()
		}
		var body any
		if len(args) > 2 {
			body = args[2]
		}
		return e.runtime.List(name, id, all[1], body)
	}
}

// callOwn calls a function that the template defines. By ARM's rules it sees only its own parameters. It can call another function
// of the template since languageVersion 2.0, and never itself.
func (e *env) callOwn(name string, args []any) (any, error) {
	f, known := e.t.functions[name]
	switch {
	case !known:
		return nil, fmt.Errorf("there is no function '%.60s'", name)
	case slices.Contains(e.own, name):
		return nil, fmt.Errorf("the function '%.60s' cannot be called here: a function that a template defines cannot call itself", name)
	case e.args != nil && !e.t.second:
		return nil, fmt.Errorf("the function '%.60s' cannot be called here: a function that a template defines can call another one "+
			"only if the template has the languageVersion 2.0", name)
	case len(args) != len(f.parameters):
		return nil, fmt.Errorf("the function '%.60s' takes %d argument(s), not %d", name, len(f.parameters), len(args))
	}
	inner := &env{t: e.t, args: map[string]any{}, own: append(slices.Clip(e.own), name)}
	for i, p := range f.parameters {
		if err := e.t.fits(args[i], p.typ); err != nil {
			return nil, under(fmt.Sprintf("the argument '%.60s'", p.name), err)
		}
		inner.args[p.name] = args[i]
	}
	return inner.value(f.output)
}
