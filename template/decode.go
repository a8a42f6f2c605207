package template

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
)

// decode reads JSON as templates have it: whole numbers stay whole.
func decode(text []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, errors.New("the text is not JSON")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("the text continues after the end of the JSON value")
	}
	return Normal(v), nil
}

// Normal replaces the numbers of a decoded JSON value: whole ones by int64, all others by float64.
func Normal(v any) any {
	switch v := v.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
		f, _ := v.Float64() // of a decoder that has accepted it
		return f
	case float64:
		if n := int64(v); float64(n) == v && v > -1e15 && v < 1e15 {
			return n
		}
		return v
	case int:
		return int64(v)
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = Normal(v[i])
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for k := range v {
			out[k] = Normal(v[k])
		}
		return out
	}
	return v
}
