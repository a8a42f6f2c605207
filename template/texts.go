package template

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"
)

var textFunctions = map[string]function{
	"tolower":        {1, 1, on(strings.ToLower)},
	"toupper":        {1, 1, on(strings.ToUpper)},
	"trim":           {1, 1, on(strings.TrimSpace)},
	"replace":        {3, 3, replace},
	"startswith":     {2, 2, pair(func(a, b string) any { return strings.HasPrefix(strings.ToLower(a), strings.ToLower(b)) })},
	"endswith":       {2, 2, pair(func(a, b string) any { return strings.HasSuffix(strings.ToLower(a), strings.ToLower(b)) })},
	"indexof":        {2, 2, position(strings.Index)},
	"lastindexof":    {2, 2, position(strings.LastIndex)},
	"substring":      {2, 3, substring},
	"padleft":        {2, 3, padLeft},
	"format":         {1, -1, format},
	"split":          {2, 2, split},
	"join":           {2, 2, join},
	"string":         {1, 1, func(e *env, a []any) (any, error) { return e.asText(a[0]) }},
	"bool":           {1, 1, asBool},
	"int":            {1, 1, asInt},
	"float":          {1, 1, asFloat},
	"json":           {1, 1, asJSON},
	"base64":         {1, 1, on(func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) })},
	"base64tostring": {1, 1, try(fromBase64)},
	"base64tojson": {1, 1, func(e *env, a []any) (any, error) {
		s, err := try(fromBase64)(e, a)
		if err != nil {
			return nil, err
		}
		return asJSON(e, []any{s})
	}},
	"uri":                  {2, 2, joinURI},
	"uricomponent":         {1, 1, on(func(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") })},
	"uricomponenttostring": {1, 1, try(url.PathUnescape)},
	"datauri": {1, 1, on(func(s string) string {
		return "data:text/plain;charset=utf8;base64," + base64.StdEncoding.EncodeToString([]byte(s))
	})},
	"datauritostring": {1, 1, try(func(s string) (string, error) {
		_, data, found := strings.Cut(s, ";base64,")
		if !found {
			return "", errors.New("the string is not a data URI in base64")
		}
		return fromBase64(data)
	})},
}

func on(f func(string) string) func(*env, []any) (any, error) {
	return try(func(s string) (string, error) { return f(s), nil })
}

func try(f func(string) (string, error)) func(*env, []any) (any, error) {
	return func(_ *env, args []any) (any, error) {
		s, err := text(args[0])
		if err != nil {
			return nil, err
		}
		return f(s)
	}
}

func pair(f func(a, b string) any) func(*env, []any) (any, error) {
	return func(_ *env, args []any) (any, error) {
		s, err := texts(args)
		if err != nil {
			return nil, err
		}
		return f(s[0], s[1]), nil
	}
}

func replace(e *env, args []any) (any, error) {
	s, err := texts(args)
	if err != nil {
		return nil, err
	}
	if s[1] == "" {
		return s[0], nil
	}
	if err := e.budget().textOf(len(s[0]) + strings.Count(s[0], s[1])*len(s[2])); err != nil {
		return nil, err
	}
	return strings.ReplaceAll(s[0], s[1], s[2]), nil
}

// position is the index of a string in a string, or of a value in an array; -1 when it is not in it.
func position(find func(s, part string) int) func(*env, []any) (any, error) {
	return func(e *env, args []any) (any, error) {
		if err := e.budget().walk(args[0]); err != nil {
			return nil, err
		}
		if list, isList := args[0].([]any); isList {
			for i, v := range list {
				if same(v, args[1]) {
					return int64(i), nil
				}
			}
			return int64(-1), nil
		}
		s, err := texts(args)
		if err != nil {
			return nil, err
		}
		return int64(find(strings.ToLower(s[0]), strings.ToLower(s[1]))), nil
	}
}

func substring(_ *env, args []any) (any, error) {
	s, err := text(args[0])
	if err != nil {
		return nil, err
	}
	from, err := integer(args[1])
	if err != nil {
		return nil, err
	}
	all := int64(utf8.RuneCountInString(s))
	length := all - from
	if len(args) == 3 {
		if length, err = integer(args[2]); err != nil {
			return nil, err
		}
	}
	if from < 0 || length < 0 || from > all || length > all-from {
		return nil, fmt.Errorf("%d characters from %d on are more than the %d that the string has", length, from, all)
	}
	return runes(s, int(from), int(from+length)), nil
}

func padLeft(e *env, args []any) (any, error) {
	s, err := e.asText(args[0])
	if err != nil {
		return nil, err
	}
	width, err := integer(args[1])
	if err != nil || width > maxText {
		return nil, fmt.Errorf("the width must be a whole number of at most %d", maxText)
	}
	with := " "
	if len(args) == 3 {
		if with, err = text(args[2]); err != nil || utf8.RuneCountInString(with) != 1 {
			return nil, errors.New("the padding must be one character")
		}
	}
	missing := max(int(width)-utf8.RuneCountInString(s), 0)
	if err := e.budget().textOf(2*missing*len(with) + len(s)); err != nil {
		return nil, err
	}
	return strings.Repeat(with, missing) + s, nil
}

// format is format('{0} of {1}', …). A doubled brace is a brace. Of the number formats of .NET, which follow a colon, only D
// with a width is supported.
func format(e *env, args []any) (any, error) {
	pattern, err := text(args[0])
	if err != nil {
		return nil, err
	}
	var b strings.Builder
	for i := 0; i < len(pattern); i++ {
		c := pattern[i]
		if (c == '{' || c == '}') && i+1 < len(pattern) && pattern[i+1] == c {
			b.WriteByte(c)
			i++
			continue
		}
		if c != '{' {
			b.WriteByte(c)
			continue
		}
		end := strings.IndexByte(pattern[i:], '}')
		if end < 0 {
			return nil, errors.New("a brace in the format is not closed")
		}
		s, err := e.formatted(pattern[i+1:i+end], args[1:])
		if err != nil {
			return nil, err
		}
		if err := e.budget().textOf(2 * len(s)); err != nil { // a builder doubles
			return nil, err
		}
		b.WriteString(s)
		i += end
	}
	return b.String(), nil
}

func (e *env) formatted(place string, args []any) (string, error) {
	index, how, _ := strings.Cut(place, ":")
	n, err := strconv.Atoi(index)
	if err != nil || n < 0 || n >= len(args) {
		return "", fmt.Errorf("the format refers to argument {%.20s}, and there are %d", place, len(args))
	}
	if how != "" {
		width, err := strconv.Atoi(how[1:])
		i, isInt := args[n].(int64)
		if how[0]|0x20 != 'd' || err != nil || !isInt || width > 99 {
			return "", fmt.Errorf("the format {%.20s} is not supported; use a form such as {0:D3}, for whole numbers", place)
		}
		return fmt.Sprintf("%0*d", width, i), nil
	}
	return e.asText(args[n])
}

func split(e *env, args []any) (any, error) {
	s, err := text(args[0])
	if err != nil {
		return nil, err
	}
	at := []string{}
	switch by := args[1].(type) {
	case string:
		at = append(at, by)
	case []any:
		if at, err = texts(by); err != nil {
			return nil, err
		}
	default:
		return nil, fmt.Errorf("the delimiter must be a string or an array of strings, not %s", kindOf(by))
	}
	parts := []string{s}
	for _, by := range at {
		if by == "" {
			return nil, errors.New("a delimiter must not be empty")
		}
		if err := e.budget().allocate(4 * sizeItem * (len(parts) + strings.Count(s, by))); err != nil {
			return nil, err
		}
		var next []string
		for _, p := range parts {
			next = append(next, strings.Split(p, by)...)
		}
		parts = next
	}
	return list(parts), nil
}

func list(parts []string) []any {
	out := make([]any, len(parts))
	for i, p := range parts {
		out[i] = p
	}
	return out
}

func join(e *env, args []any) (any, error) {
	all, isList := args[0].([]any)
	by, err := text(args[1])
	if !isList || err != nil {
		return nil, errors.New("the arguments must be an array and a string")
	}
	parts := make([]string, len(all))
	size := len(by) * len(all)
	for i, v := range all {
		var err error
		if parts[i], err = e.asText(v); err != nil {
			return nil, err
		}
		if size += len(parts[i]); size > maxText {
			break
		}
	}
	if err := e.budget().textOf(size); err != nil {
		return nil, err
	}
	return strings.Join(parts, by), nil
}

// asText writes a value as ARM's string() does: a string unchanged, true and false as True and False, all other values as JSON.
func (e *env) asText(v any) (string, error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case bool:
		if v {
			return "True", nil
		}
		return "False", nil
	}
	if err := e.budget().textOf(2 * jsonSize(v, maxText)); err != nil {
		return "", err
	}
	b, err := json.Marshal(v)
	return string(b), err
}

func asBool(_ *env, args []any) (any, error) {
	switch v := args[0].(type) {
	case bool:
		return v, nil
	case int64:
		return v != 0, nil
	case string:
		switch strings.ToLower(v) {
		case "true", "1":
			return true, nil
		case "false", "0":
			return false, nil
		}
	}
	return nil, fmt.Errorf("%s is neither true nor false", kindOf(args[0]))
}

func asInt(_ *env, args []any) (any, error) {
	switch v := args[0].(type) {
	case int64:
		return v, nil
	case float64:
		return int64(v), nil
	case string:
		if n, err := strconv.ParseInt(strings.TrimSpace(v), 10, 64); err == nil {
			return n, nil
		}
	}
	return nil, fmt.Errorf("%s is not a whole number", kindOf(args[0]))
}

func asFloat(_ *env, args []any) (any, error) {
	if s, isText := args[0].(string); isText {
		if f, err := strconv.ParseFloat(strings.TrimSpace(s), 64); err == nil {
			return f, nil
		}
		return nil, errors.New("the string is not a number")
	}
	return number(args[0])
}

func asJSON(e *env, args []any) (any, error) {
	s, err := text(args[0])
	if err != nil {
		return nil, err
	}
	if err := e.budget().allocate(32 * len(s)); err != nil { // "[1,1," takes two bytes for each element
		return nil, err
	}
	return decode([]byte(s))
}

func fromBase64(s string) (string, error) {
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return "", errors.New("the string is not base64")
	}
	return string(b), nil
}

func joinURI(_ *env, args []any) (any, error) {
	s, err := texts(args)
	if err != nil {
		return nil, err
	}
	base, err := url.Parse(s[0])
	if err != nil {
		return nil, errors.New("the first argument is not an address")
	}
	ref, err := url.Parse(s[1])
	if err != nil {
		return nil, errors.New("the second argument is not a relative address")
	}
	return base.ResolveReference(ref).String(), nil
}
