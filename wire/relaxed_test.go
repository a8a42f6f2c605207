package wire_test

import (
	"encoding/json"
	"testing"

	"berth.dev/berth/wire"
)

func TestRelaxed(t *testing.T) {
	for in, want := range map[string]string{
		`{"a": 1}`:                       `{"a":1}`,
		`{a: 1, $schema:"x", "b": true}`: `{"$schema":"x","a":1,"b":true}`,
		"{\"a\": 1, // one\n \"b\": [1, 2,], /* two */ }": `{"a":1,"b":[1,2]}`,
		`{"a": "// not a comment, }"}`:                    `{"a":"// not a comment, }"}`,
		"{\"a\": \"[concat(\n'x')]\"}":                    `{"a":"[concat(\n'x')]"}`,
		`{"a": "\"b:"}`:                                   `{"a":"\"b:"}`,
		`{"a": null}`:                                     `{"a":null}`,
		`{"a": -1.5e3}`:                                   `{"a":-1500}`,
	} {
		var v any
		if err := json.Unmarshal(wire.Relaxed([]byte(in)), &v); err != nil {
			t.Errorf("%s: %v", in, err)
			continue
		}
		if got, _ := json.Marshal(v); string(got) != want {
			t.Errorf("%s became %s, want %s", in, got, want)
		}
	}
	for _, in := range []string{`{`, `{"a" "b"}`, `{"a": b}`, `{"a": "x`, `/* never closed`} {
		var v any
		if json.Unmarshal(wire.Relaxed([]byte(in)), &v) == nil {
			t.Errorf("%s is taken for JSON", in)
		}
	}
}
