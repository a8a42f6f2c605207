package template

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

const typed = `{"languageVersion":"2.0","resources":{},"definitions":{
	"size":{"type":"int","minValue":1,"maxValue":12},
	"pair":{"type":"array","prefixItems":[{"$ref":"#/definitions/size"},{"type":"bool"}],"items":false},
	"tags":{"type":"object","additionalProperties":{"type":"string","minLength":2}},
	"pool":{"type":"object","properties":{"name":{"type":"string","maxLength":5},"count":{"$ref":"#/definitions/size","nullable":true},
		"mode":{"type":"string","allowedValues":["System","User"]},"zones":{"type":"array","allowedValues":["1","2","3"],"nullable":true}},
		"additionalProperties":false},
	"kind":{"type":"object","discriminator":{"propertyName":"type","mapping":{
		"ints":{"type":"object","properties":{"n":{"type":"int"}},"additionalProperties":false},
		"texts":{"type":"object","additionalProperties":{"type":"string"}}}}},
	"open":{"type":"object","properties":{"key":{"type":"securestring","nullable":true}}},
	"loop":{"$ref":"#/definitions/pool2"},"pool2":{"$ref":"#/definitions/loop"},
	"name":{"$ref":"#/definitions/pool/properties/name"}},
	"parameters":{"p":{"$ref":"#/definitions/TYPE"}}}`

// TestTypes has the examples of Azure's documentation
// (https://learn.microsoft.com/azure/azure-resource-manager/templates/definitions).
func TestTypes(t *testing.T) {
	for _, c := range []struct{ typ, value, want string }{
		{"size", `3`, ""},
		{"size", `13`, "parameters.p: its value is more than maxValue (12)"},
		{"pair", `[1,true]`, ""},
		{"pair", `[1]`, "needs at least 2"},
		{"pair", `[1,true,2]`, "permits 2"},
		{"pair", `[1,"x"]`, "parameters.p[1]: the value is a string, and its type is bool"},
		{"tags", `{"a":"bc"}`, ""},
		{"tags", `{"a":1}`, "parameters.p.a: the value is a whole number, and its type is string"},
		{"pool", `{"name":"a","mode":"User"}`, ""},
		{"pool", `{"name":"a","mode":"User","count":null,"zones":["1","3"]}`, ""},
		{"pool", `{"name":"a","mode":"User","zones":["4"]}`, "parameters.p.zones: the value is not allowed"},
		{"pool", `{"mode":"User"}`, "parameters.p.name: the property is missing"},
		{"pool", `{"name":"a","mode":"user2"}`, "the allowed values are: System, User"},
		{"pool", `{"name":"a","mode":"User","colour":1}`, "parameters.p.colour: the type has no such property; it has: count, mode, name, zones"},
		{"kind", `{"type":"ints","n":1}`, ""},
		{"kind", `{"type":"ints","fizz":"buzz","n":1}`, "parameters.p.fizz"},
		{"kind", `{"type":"texts","fizz":"buzz"}`, ""},
		{"kind", `{"type":"other"}`, "parameters.p.type: the value is not allowed; the allowed values are: ints, texts"},
		{"open", `{"anything":1}`, ""},
		{"name", `"abcdef"`, "more than maxLength (5)"},
		{"loop", `1`, "refer to each other without an end"},
		{"none", `1`, "the template has no definition '#/definitions/none'"},
	} {
		var v any
		if err := json.Unmarshal([]byte(c.value), &v); err != nil {
			t.Fatal(err)
		}
		_, err := Parse(context.Background(), document(t, strings.Replace(typed, "TYPE", c.typ, 1)), map[string]any{"p": v}, testScope)
		if got := fmt.Sprint(err); c.want == "" && err != nil || !strings.Contains(got, c.want) {
			t.Errorf("%s of the type %s: %v, want %q", c.value, c.typ, err, c.want)
		}
	}
}

// TestSecretParts: a value with a secure part anywhere is never shown.
func TestSecretParts(t *testing.T) {
	tpl, err := Parse(context.Background(), document(t, strings.Replace(typed, "TYPE", "open", 1)),
		map[string]any{"p": map[string]any{"key": "hidden"}}, testScope)
	if err != nil {
		t.Fatal(err)
	}
	if shown := fmt.Sprint(tpl.Shown()); !tpl.IsSecure("p") || strings.Contains(shown, "hidden") || !strings.Contains(shown, "type:object") {
		t.Errorf("the parameter is shown as %s", shown)
	}
}

func TestExtensionsAreRefused(t *testing.T) {
	for _, key := range []string{"extensions", "imports", "extensibility"} {
		text := `{"resources":{},"` + key + `":{"k8s":{"name":"Kubernetes","version":"1.0.0"}}}`
		_, err := Parse(context.Background(), document(t, text), nil, testScope)
		if err == nil || !strings.Contains(err.Error(), "no extensions such as Kubernetes") {
			t.Errorf("%s: %v", key, err)
		}
	}
	if _, err := Parse(context.Background(), document(t, `{"resources":{},"extensions":{}}`), nil, testScope); err != nil {
		t.Errorf("an empty object asks for nothing: %v", err)
	}
}
