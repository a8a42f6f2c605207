package wire

import (
	"bytes"
	"encoding/json"
	"io"

	"berth.dev/berth/korean"
)

// told is which fields of an answer have sentences of Berth's own: keys, and what is below them. A text or a list of texts at a key
// with nothing below it, or with the key "" below it, is such a sentence. All other fields, and what callers sent, stay as they are.
type told map[string]told

var toldAnswer = func() told {
	text := told{}
	fault := told{"message": text}
	fault["details"], fault["error"] = fault, fault
	found := told{"message": text}
	parts := told{"properties": {"berthNote": text}}
	resource := told{"error": fault, "message": text, "reason": text, "details": fault, "properties": {
		"error": fault, "warnings": fault, "provisioningErrors": fault, "statusMessage": {"": nil, "error": fault},
		"message": text, "notes": text, "steps": found, "health": found, "conditions": found, "conditionHistory": found,
		"berthNote": text, "rights": text, "subnets": parts, "securityRules": parts, "routes": parts,
	}}
	answer := told{"violations": fault, "warnings": fault, "checks": {"detail": text}, "value": resource,
		"unseen": fault, "pods": {"message": text, "parts": fault}, "usage": fault}
	for key, below := range resource {
		answer[key] = below
	}
	changes := told{"unsupportedReason": text, "before": resource, "after": resource}
	answer["changes"], answer["properties"]["changes"] = changes, changes
	return answer
}()

// Korean is an encoded answer with Berth's sentences in Korean. Codes, targets and all values stay.
func Korean(answer []byte) []byte {
	d := json.NewDecoder(bytes.NewReader(answer))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return answer
	}
	if _, err := d.Token(); err != io.EOF {
		return answer
	}
	out, err := json.Marshal(toldAnswer.in(v))
	if err != nil {
		return answer
	}
	return out
}

// in translates the sentences in a value.
func (t told) in(v any) any {
	switch v := v.(type) {
	case string:
		if _, also := t[""]; also || len(t) == 0 {
			return korean.Text(v)
		}
	case []any:
		for i := range v {
			v[i] = t.in(v[i])
		}
	case map[string]any:
		for key, below := range t {
			if inner, there := v[key]; there {
				v[key] = below.in(inner)
			}
		}
	}
	return v
}
