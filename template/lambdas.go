package template

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"
)

// lambdaFunctions are the functions that take a lambda as an argument. No other function does, as in ARM.
var lambdaFunctions = map[string]function{
	"filter":    {2, 2, filter},
	"map":       {2, 2, mapArray},
	"mapvalues": {2, 2, mapValues},
	"reduce":    {3, 3, reduce},
	"sort":      {2, 2, sortArray},
	"toobject":  {2, 3, toObject},
	"groupby":   {2, 2, groupBy},
}

// lambda is lambda('x', 'y', expression): an expression with variables of its own, which lambdaVariables('x') reads.
type lambda struct {
	e         *env
	variables []string // in lower case
	body      node
}

// argument evaluates one argument of the call c.
func (c call) argument(e *env, a node) (any, error) {
	l, isCall := a.(call)
	if _, takes := lambdaFunctions[c.name]; !isCall || l.name != "lambda" || !takes {
		return a.eval(e)
	}
	if len(l.args) == 0 {
		return nil, errors.New("a lambda must have an expression")
	}
	out := lambda{e: e, body: l.args[len(l.args)-1]}
	for _, v := range l.args[:len(l.args)-1] {
		value, _ := v.(literal)
		name, isText := value.value.(string)
		if !isText {
			return nil, errors.New("the variables of a lambda must be strings in quotes")
		}
		out.variables = append(out.variables, strings.ToLower(name))
	}
	return out, nil
}

// lambdaOf is an argument that must be a lambda with a number of variables from least to most.
func lambdaOf(arg any, least, most int) (lambda, error) {
	l, is := arg.(lambda)
	switch {
	case !is:
		return l, fmt.Errorf("a lambda is expected, such as lambda('x', lambdaVariables('x')), not %s", kindOf(arg))
	case len(l.variables) < least || len(l.variables) > most:
		return l, fmt.Errorf("its lambda takes %d to %d variables, not %d", least, most, len(l.variables))
	}
	return l, nil
}

// call evaluates the expression once. It takes as many of the values as the lambda has variables.
func (l lambda) call(values ...any) (any, error) {
	if err := l.e.budget().allocate((len(l.e.locals) + len(l.variables)) * sizeEntry); err != nil {
		return nil, err
	}
	inner := *l.e
	inner.locals = maps.Clone(l.e.locals)
	if inner.locals == nil {
		inner.locals = map[string]any{}
	}
	for i, v := range values {
		if i < len(l.variables) {
			inner.locals[l.variables[i]] = v
		}
	}
	return l.body.eval(&inner)
}

// yes calls a lambda that must return true or false.
func (l lambda) yes(values ...any) (bool, error) {
	v, err := l.call(values...)
	if err != nil {
		return false, err
	}
	b, isBool := v.(bool)
	if !isBool {
		return false, fmt.Errorf("its lambda must return true or false, not %s", kindOf(v))
	}
	return b, nil
}

// key calls a lambda that must return a string.
func (l lambda) key(value any) (string, error) {
	v, err := l.call(value)
	if err != nil {
		return "", err
	}
	s, isText := v.(string)
	if !isText {
		return "", fmt.Errorf("its lambda must return a string, which becomes a key, not %s", kindOf(v))
	}
	return s, nil
}

func lambdaVariable(e *env, args []any) (any, error) {
	name, err := text(args[0])
	if err != nil {
		return nil, err
	}
	if v, there := e.locals[strings.ToLower(name)]; there {
		return v, nil
	}
	return nil, fmt.Errorf("no lambda around it has the variable '%.60s'", name)
}

func array(v any) ([]any, error) {
	all, isList := v.([]any)
	if !isList {
		return nil, fmt.Errorf("an array is expected, not %s", kindOf(v))
	}
	return all, nil
}

func filter(_ *env, args []any) (any, error) {
	all, errArray := array(args[0])
	l, errLambda := lambdaOf(args[1], 1, 2)
	if err := errors.Join(errArray, errLambda); err != nil {
		return nil, err
	}
	out := []any{}
	for i, v := range all {
		kept, err := l.yes(v, int64(i))
		if err != nil {
			return nil, err
		}
		if kept {
			out = append(out, v)
		}
	}
	return out, nil
}

func mapArray(e *env, args []any) (any, error) {
	all, errArray := array(args[0])
	l, errLambda := lambdaOf(args[1], 1, 2)
	if err := errors.Join(errArray, errLambda, e.budget().allocate(len(all)*sizeItem)); err != nil {
		return nil, err
	}
	out := make([]any, len(all))
	for i, v := range all {
		var err error
		if out[i], err = l.call(v, int64(i)); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func mapValues(e *env, args []any) (any, error) {
	of, isObject := args[0].(map[string]any)
	if !isObject {
		return nil, fmt.Errorf("an object is expected, not %s", kindOf(args[0]))
	}
	l, err := lambdaOf(args[1], 1, 1)
	if err = errors.Join(err, e.budget().allocate(shallow(of))); err != nil {
		return nil, err
	}
	out := make(map[string]any, len(of))
	for _, k := range slices.Sorted(maps.Keys(of)) {
		if out[k], err = l.call(of[k]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func reduce(_ *env, args []any) (any, error) {
	all, errArray := array(args[0])
	l, errLambda := lambdaOf(args[2], 2, 3)
	if err := errors.Join(errArray, errLambda); err != nil {
		return nil, err
	}
	result := args[1]
	for i, v := range all {
		var err error
		if result, err = l.call(result, v, int64(i)); err != nil {
			return nil, err
		}
	}
	return result, nil
}

// sortArray sorts by a lambda that reports whether its first variable stands before the second.
func sortArray(e *env, args []any) (any, error) {
	all, errArray := array(args[0])
	l, errLambda := lambdaOf(args[1], 2, 2)
	if err := errors.Join(errArray, errLambda, e.budget().allocate(len(all)*sizeItem)); err != nil {
		return nil, err
	}
	out := slices.Clone(all)
	var failed error
	sort.SliceStable(out, func(i, j int) bool {
		if failed != nil {
			return false
		}
		before, err := l.yes(out[i], out[j])
		failed = err
		return before
	})
	return out, failed
}

func toObject(_ *env, args []any) (any, error) {
	all, errArray := array(args[0])
	keys, errKeys := lambdaOf(args[1], 1, 1)
	values := lambda{}
	var errValues error
	if len(args) == 3 {
		values, errValues = lambdaOf(args[2], 1, 1)
	}
	if err := errors.Join(errArray, errKeys, errValues); err != nil {
		return nil, err
	}
	out := map[string]any{}
	for _, v := range all {
		k, err := keys.key(v)
		if err != nil {
			return nil, err
		}
		if len(args) == 3 {
			if v, err = values.call(v); err != nil {
				return nil, err
			}
		}
		out[k] = v
	}
	return out, nil
}

func groupBy(_ *env, args []any) (any, error) {
	all, errArray := array(args[0])
	l, errLambda := lambdaOf(args[1], 1, 1)
	if err := errors.Join(errArray, errLambda); err != nil {
		return nil, err
	}
	out := map[string]any{}
	for _, v := range all {
		k, err := l.key(v)
		if err != nil {
			return nil, err
		}
		group, _ := out[k].([]any)
		out[k] = append(group, v)
	}
	return out, nil
}
