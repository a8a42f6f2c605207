// Package wire is the JSON that travels between ARM clients and Berth: requests to nouns, nouns to answers.
//
// One superset serves every api-version: unknown input fields are ignored (clients of many ages send their own), and
// every key that some client requires is present in answers, null where there is no value.
package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"berth.dev/berth"
)

// Decode reads one JSON object. Its errors are *berth.Error with the path of the field at fault as target.
func Decode(body []byte, into any) error {
	if len(bytes.TrimSpace(body)) == 0 {
		return berth.Errorf(berth.CodeInvalidRequest, "The request has no body; a JSON object is expected.")
	}
	d := json.NewDecoder(bytes.NewReader(body))
	if err := d.Decode(into); err != nil {
		return decodeError(err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return berth.Errorf(berth.CodeInvalidRequest, "The request body continues after its JSON object, at byte %d.", d.InputOffset())
	}
	return nil
}

func decodeError(err error) error {
	if t, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		where := t.Field
		if where == "" {
			return berth.Errorf(berth.CodeInvalidRequest, "The request body is a JSON %s; a JSON object is expected.", t.Value)
		}
		e := berth.Errorf(berth.CodeInvalidRequest, "The field '%s' is a JSON %s; %s is expected.", where, t.Value,
			jsonName(t.Type.Kind().String()))
		e.Target = where
		return e
	}
	if s, ok := errors.AsType[*json.SyntaxError](err); ok {
		return berth.Errorf(berth.CodeInvalidRequest, "The request body is not valid JSON: %v, at byte %d.", s, s.Offset)
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return berth.Errorf(berth.CodeInvalidRequest, "The request body is not valid JSON: it ends in the middle.")
	}
	return berth.Errorf(berth.CodeInvalidRequest, "The request body cannot be read as JSON: %v.", err)
}

// jsonName is the name of a Go kind in JSON.
func jsonName(kind string) string {
	switch kind {
	case "string":
		return "a string"
	case "bool":
		return "true or false"
	case "map", "struct", "ptr":
		return "an object"
	case "slice":
		return "an array"
	}
	return "a whole number"
}

// Object is a JSON object under construction.
type Object = map[string]any

// envelope is what every tracked resource answers with.
func envelope(r *berth.Resource, properties Object) Object {
	if r.Unreadable {
		properties["error"] = r.Fault
	}
	o := Object{
		"id": r.ID.String(), "name": r.ID.Name(), "type": r.Body.ResourceType(),
		"location": r.Location, "tags": tags(r.Tags), "properties": properties,
		"etag":       ETag(r.Generation),
		"systemData": systemData(r),
	}
	return o
}

// ETag is the entity tag of a generation, in the quotes that HTTP requires.
func ETag(generation int64) string { return fmt.Sprintf(`"%x"`, generation) }

func systemData(r *berth.Resource) Object {
	return Object{
		"createdBy": r.CreatedBy, "createdByType": "Application", "createdAt": Time(r.CreatedAt),
		"lastModifiedBy": r.ModifiedBy, "lastModifiedByType": "Application", "lastModifiedAt": Time(r.ModifiedAt),
	}
}

// tags answers {} for none: the SDKs index into it.
func tags(t map[string]string) map[string]string {
	if t == nil {
		return map[string]string{}
	}
	return t
}

// Time writes a time as ARM does: UTC, microseconds.
func Time(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000Z") }

// orNull answers null for an empty string: clients expect the key, and null.
func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func timeOrNull(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return Time(t)
}

func orNullInt(n int) any {
	if n == 0 {
		return nil
	}
	return n
}

func deref[T any](p *T, otherwise T) T {
	if p == nil {
		return otherwise
	}
	return *p
}
