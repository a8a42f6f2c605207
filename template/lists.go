package template

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"unicode/utf8"
)

var listFunctions = map[string]function{
	"array": {1, 1, func(_ *env, a []any) (any, error) {
		if _, isList := a[0].([]any); isList {
			return a[0], nil
		}
		return []any{a[0]}, nil
	}},
	"createarray":  {0, -1, func(_ *env, a []any) (any, error) { return slices.Clone(a), nil }},
	"createobject": {0, -1, createObject},
	"items":        {1, 1, items},
	"concat":       {1, -1, concat},
	"contains":     {2, 2, contains},
	"empty":        {1, 1, func(_ *env, a []any) (any, error) { n, err := length(a[0]); return n == 0, err }},
	"length":       {1, 1, func(_ *env, a []any) (any, error) { n, err := length(a[0]); return int64(n), err }},
	"first":        {1, 1, func(_ *env, a []any) (any, error) { return end(a[0], false) }},
	"last":         {1, 1, func(_ *env, a []any) (any, error) { return end(a[0], true) }},
	"take": {2, 2, func(_ *env, a []any) (any, error) {
		return cut(a, func(n, all int) (int, int) { return 0, min(n, all) })
	}},
	"skip": {2, 2, func(_ *env, a []any) (any, error) {
		return cut(a, func(n, all int) (int, int) { return min(n, all), all })
	}},
	"union":        {1, -1, union},
	"intersection": {1, -1, intersection},
	"range":        {2, 2, makeRange},
	"flatten":      {1, 1, flatten},
}

func flatten(e *env, args []any) (any, error) {
	all, isList := args[0].([]any)
	size := 0
	for _, inner := range all {
		part, isInner := inner.([]any)
		isList = isList && isInner
		size += len(part)
	}
	if !isList {
		return nil, errors.New("the argument must be an array of arrays")
	}
	if err := e.budget().allocate(size * sizeItem); err != nil {
		return nil, err
	}
	out := make([]any, 0, size)
	for _, inner := range all {
		out = append(out, inner.([]any)...)
	}
	return out, nil
}

func createObject(_ *env, args []any) (any, error) {
	if len(args)%2 != 0 {
		return nil, errors.New("the arguments must be pairs of a key and a value")
	}
	out := map[string]any{}
	for i := 0; i < len(args); i += 2 {
		k, err := text(args[i])
		if err != nil {
			return nil, err
		}
		out[k] = args[i+1]
	}
	return out, nil
}

func items(e *env, args []any) (any, error) {
	of, isObject := args[0].(map[string]any)
	if !isObject {
		return nil, fmt.Errorf("the argument must be an object, not %s", kindOf(args[0]))
	}
	if err := e.budget().allocate(len(of) * 4 * sizeEntry); err != nil {
		return nil, err
	}
	out := make([]any, 0, len(of))
	for _, k := range slices.Sorted(maps.Keys(of)) {
		out = append(out, map[string]any{"key": k, "value": of[k]})
	}
	return out, nil
}

// concat joins arrays, or the texts of all other values.
func concat(e *env, args []any) (any, error) {
	if _, isList := args[0].([]any); isList {
		out := []any{}
		for i, a := range args {
			part, isList := a.([]any)
			if !isList {
				return nil, fmt.Errorf("argument %d is %s, and the first is an array", i+1, kindOf(a))
			}
			out = append(out, part...)
		}
		return out, nil
	}
	parts := make([]string, len(args))
	size := 0
	for i, a := range args {
		var err error
		if parts[i], err = e.asText(a); err != nil {
			return nil, err
		}
		size += len(parts[i])
	}
	if err := e.budget().textOf(size); err != nil {
		return nil, err
	}
	return strings.Join(parts, ""), nil
}

func contains(e *env, args []any) (any, error) {
	if err := e.budget().walk(args[0]); err != nil {
		return nil, err
	}
	switch in := args[0].(type) {
	case []any:
		return slices.ContainsFunc(in, func(v any) bool { return same(v, args[1]) }), nil
	case map[string]any:
		name, err := text(args[1])
		_, there := property(in, name)
		return there, err
	case string:
		part, err := e.asText(args[1])
		if err != nil {
			return nil, err
		}
		return strings.Contains(in, part), nil
	}
	return nil, fmt.Errorf("the first argument must be a string, an array or an object, not %s", kindOf(args[0]))
}

func length(v any) (int, error) {
	switch v := v.(type) {
	case nil:
		return 0, nil
	case string:
		return utf8.RuneCountInString(v), nil
	case []any:
		return len(v), nil
	case map[string]any:
		return len(v), nil
	}
	return 0, fmt.Errorf("%s has no length", kindOf(v))
}

func end(v any, last bool) (any, error) {
	switch v := v.(type) {
	case string:
		_, first := utf8.DecodeRuneInString(v)
		_, end := utf8.DecodeLastRuneInString(v)
		if last {
			return v[len(v)-end:], nil
		}
		return v[:first], nil
	case []any:
		switch {
		case len(v) == 0:
			return nil, nil
		case last:
			return v[len(v)-1], nil
		}
		return v[0], nil
	}
	return nil, fmt.Errorf("%s has no first or last part", kindOf(v))
}

func cut(args []any, bounds func(n, all int) (int, int)) (any, error) {
	count, err := integer(args[1])
	if err != nil {
		return nil, err
	}
	n := int(min(max(count, 0), maxText))
	switch v := args[0].(type) {
	case string:
		from, to := bounds(n, utf8.RuneCountInString(v))
		return runes(v, from, to), nil
	case []any:
		from, to := bounds(n, len(v))
		return slices.Clone(v[from:to]), nil
	}
	return nil, fmt.Errorf("the first argument must be a string or an array, not %s", kindOf(args[0]))
}

// runes is a string from one of its characters to another.
func runes(s string, from, to int) string {
	n, start := 0, len(s)
	for i := range s {
		if n == to {
			return s[min(start, i):i]
		}
		if n == from {
			start = i
		}
		n++
	}
	return s[start:]
}

// values is a set of values of any kind.
type values map[string]bool

// of makes a set of an array's elements.
func setOf(e *env, all []any) (values, error) {
	out := values{}
	for _, v := range all {
		key, err := e.key(v)
		if err != nil {
			return nil, err
		}
		out[key] = true
	}
	return out, nil
}

// key is a text that equal values share, and no others.
func (e *env) key(v any) (string, error) {
	if err := e.budget().textOf(sizeEntry + jsonSize(v, maxText)); err != nil {
		return "", err
	}
	if f, isFloat := v.(float64); isFloat && f == math.Trunc(f) && math.Abs(f) < 1e15 {
		v = int64(f) // 1.0 is 1
	}
	b, err := json.Marshal(v)
	return string(b), err
}

// union is every element of arrays once, or objects merged into one.
func union(e *env, args []any) (any, error) {
	if _, isObject := args[0].(map[string]any); isObject {
		out := map[string]any{}
		for i, a := range args {
			of, isObject := a.(map[string]any)
			if !isObject {
				return nil, fmt.Errorf("argument %d is %s, and the first is an object", i+1, kindOf(a))
			}
			if err := e.overlay(out, of); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	out, seen := []any{}, values{}
	for i, a := range args {
		all, isList := a.([]any)
		if !isList {
			return nil, fmt.Errorf("argument %d is %s; arrays or objects are expected", i+1, kindOf(a))
		}
		for _, v := range all {
			key, err := e.key(v)
			if err != nil {
				return nil, err
			}
			if !seen[key] {
				seen[key] = true
				out = append(out, v)
			}
		}
	}
	return out, nil
}

// overlay merges one object into another. Objects inside are merged too; every other value replaces the earlier one.
func (e *env) overlay(into, over map[string]any) error {
	if err := e.budget().allocate(shallow(into) + shallow(over)); err != nil {
		return err
	}
	for k, v := range over {
		inner, isObject := v.(map[string]any)
		was, wasObject := into[k].(map[string]any)
		if isObject && wasObject {
			merged := maps.Clone(was)
			if err := e.overlay(merged, inner); err != nil {
				return err
			}
			v = merged
		}
		into[k] = v
	}
	return nil
}

func intersection(e *env, args []any) (any, error) {
	if first, isObject := args[0].(map[string]any); isObject {
		if err := e.budget().step(weigh(first, maxParts) * len(args)); err != nil {
			return nil, err
		}
		out := map[string]any{}
		for k, v := range first {
			if !slices.ContainsFunc(args, func(a any) bool {
				of, _ := a.(map[string]any)
				other, there := of[k]
				return !there || !same(other, v)
			}) {
				out[k] = v
			}
		}
		return out, nil
	}
	first, isList := args[0].([]any)
	if !isList {
		return nil, fmt.Errorf("arrays or objects are expected, not %s", kindOf(args[0]))
	}
	sets := make([]values, len(args)-1)
	for i, a := range args[1:] {
		all, _ := a.([]any)
		var err error
		if sets[i], err = setOf(e, all); err != nil {
			return nil, err
		}
	}
	out := []any{}
	for _, v := range first {
		key, err := e.key(v)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(sets, func(s values) bool { return !s[key] }) {
			out = append(out, v)
		}
	}
	return out, nil
}

func makeRange(e *env, args []any) (any, error) {
	from, err := integer(args[0])
	if err != nil {
		return nil, err
	}
	count, err := integer(args[1])
	if err != nil || count < 0 || count > 10000 {
		return nil, errors.New("the count must be a whole number from 0 to 10000")
	}
	if err := e.budget().allocate(int(count) * 2 * sizeItem); err != nil {
		return nil, err
	}
	out := make([]any, count)
	for i := range out {
		out[i] = from + int64(i)
	}
	return out, nil
}
