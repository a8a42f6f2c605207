package template

import (
	"errors"
	"fmt"
	"maps"
	"slices"
)

// accessFunctions read parts of values.
var accessFunctions = map[string]function{
	"tryget":          {2, -1, tryGet},
	"indexfromend":    {2, 2, func(_ *env, a []any) (any, error) { return fromEnd(a, false) }},
	"tryindexfromend": {2, 2, func(_ *env, a []any) (any, error) { return fromEnd(a, true) }},
	"objectkeys":      {1, 1, objectKeys},
	"shallowmerge":    {1, 1, shallowMerge},
}

// tryGet is tryGet(value, key…): each key is a property or an element of what the one before it gave. The result is null as soon as
// one is missing.
func tryGet(e *env, args []any) (any, error) {
	at := args[0]
	for _, key := range args[1:] {
		switch of := at.(type) {
		case nil:
			return nil, nil
		case map[string]any:
			name, err := text(key)
			if err = errors.Join(err, e.budget().step(1+len(of)/16)); err != nil {
				return nil, err
			}
			at, _ = property(of, name)
		case []any:
			i, err := integer(key)
			if err != nil {
				return nil, err
			}
			at = nil
			if i >= 0 && i < int64(len(of)) {
				at = of[i]
			}
		default:
			return nil, fmt.Errorf("%s has no properties or elements", kindOf(at))
		}
	}
	return at, nil
}

// fromEnd is an element counted from the end of an array: 1 is the last one.
func fromEnd(args []any, orNull bool) (any, error) {
	if args[0] == nil && orNull {
		return nil, nil
	}
	all, errArray := array(args[0])
	n, errIndex := integer(args[1])
	if err := errors.Join(errArray, errIndex); err != nil {
		return nil, err
	}
	switch {
	case n >= 1 && n <= int64(len(all)):
		return all[int64(len(all))-n], nil
	case orNull:
		return nil, nil
	}
	return nil, fmt.Errorf("there is no element %d from the end: the array has %d, and 1 is the last one", n, len(all))
}

func objectKeys(e *env, args []any) (any, error) {
	of, isObject := args[0].(map[string]any)
	if !isObject {
		return nil, fmt.Errorf("an object is expected, not %s", kindOf(args[0]))
	}
	if err := e.budget().allocate(len(of) * 2 * sizeItem); err != nil {
		return nil, err
	}
	return list(slices.Sorted(maps.Keys(of))), nil
}

// shallowMerge merges an array of objects into one. A later object replaces whole properties of an earlier one.
func shallowMerge(e *env, args []any) (any, error) {
	all, err := array(args[0])
	if err != nil {
		return nil, err
	}
	out := map[string]any{}
	for i, v := range all {
		of, isObject := v.(map[string]any)
		if !isObject {
			return nil, fmt.Errorf("element %d is %s, not an object", i, kindOf(v))
		}
		if err := e.budget().allocate(shallow(of)); err != nil {
			return nil, err
		}
		maps.Copy(out, of)
	}
	return out, nil
}
