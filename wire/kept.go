package wire

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"

	"berth.dev/berth"
)

// envelopeKeys are read elsewhere, or written by Berth only. Clients send them back.
var envelopeKeys = []string{"id", "name", "type", "location", "tags", "etag", "eTag", "systemData", "identity", "properties"}

// answered are the properties of every kind that only Berth writes. Clients send them back.
var answered = []string{
	"provisioningState", "statusMessage", "warnings", "health", "conditions", "conditionHistory", "kubernetesEndpoint", "error",
	"berthNote", "clusterUid", "nodes", "ownedBy", "rights",
}

// secretKeys are write-only in the service. Berth does not need them, so it never stores them.
var secretKeys = []string{"secret", "adminPassword", "serverAppSecret", "password"}

// law says what happens to the properties of a kind. Names are paths; ARM does not distinguish their case.
type law struct {
	own       []string // Berth writes them, or they have a field of their own
	effective []string // of what is kept: Berth acts on them, or they only describe
}

// keep sets what a resource keeps of the body of a PUT: what the body requests beyond the answer, which is the resource with the
// fields that have a meaning here and without what is kept. A property that the body does not have stays as it was; null resets it.
// unmet are the names of the properties that Berth keeps and does not act on. The errors are those of Decode.
func (l law) keep(body []byte, kept *berth.Kept, answer func() Object) (unmet []string, err error) {
	var sent map[string]any
	if err := Decode(body, &sent); err != nil {
		return nil, err
	}
	properties, _ := sent["properties"].(map[string]any)
	if len(kept.Top)+len(kept.Profile)+len(properties) == 0 && onlyEnvelope(sent) {
		return nil, nil // there is nothing to compare with an answer, which takes time to make
	}
	was := *kept
	kept.Top, kept.Profile = nil, nil
	base := Plain(answer())
	below, _ := base["properties"].(map[string]any)
	if err := sameShape(sent, base, ""); err != nil {
		return nil, err
	}
	kept.Top = keepKeys(sent, was.Top, base, envelopeKeys)
	kept.Profile = keepKeys(properties, was.Profile, below, slices.Concat(answered, l.own))
	return append(l.unmet(kept.Top, base), l.unmet(kept.Profile, below)...), nil
}

// onlyEnvelope reports whether a body has no more than what is decoded elsewhere.
func onlyEnvelope(sent map[string]any) bool {
	for key := range sent {
		if !slices.Contains([]string{"location", "tags", "identity", "properties"}, key) {
			return false
		}
	}
	return true
}

// sameShape refuses a value that is no object, or no array, where the answer has one.
func sameShape(sent, base map[string]any, at string) error {
	for key, v := range sent {
		key = casing(key, base)
		inner, isObject := v.(map[string]any)
		below, wantsObject := base[key].(map[string]any)
		_, isArray := v.([]any)
		_, wantsArray := base[key].([]any)
		switch {
		case v == nil, key == "tags":
		case wantsObject && !isObject, wantsArray && !isArray:
			e := berth.Errorf(berth.CodeInvalidRequest, "The field '%s' is a JSON %s; %s is expected.", at+key, jsonType(v),
				map[bool]string{true: "an object", false: "an array"}[wantsObject])
			e.Target = at + key
			return e
		case isObject && wantsObject:
			if err := sameShape(inner, below, at+key+"."); err != nil {
				return err
			}
		}
	}
	return nil
}

func jsonType(v any) string {
	switch v.(type) {
	case string:
		return "string"
	case bool:
		return "bool"
	case float64:
		return "number"
	case []any:
		return "array"
	}
	return "object"
}

func keepKeys(sent, was, base map[string]any, own []string) map[string]any {
	kept := maps.Clone(was)
	if kept == nil {
		kept = map[string]any{}
	}
	for key, v := range sent {
		key = casing(key, base)
		if ownPath(key, own) {
			continue
		}
		rest, asks := beyond(v, base[key], below(key, own))
		if asks {
			kept[key] = rest
		} else {
			delete(kept, key)
		}
	}
	if len(kept) == 0 {
		return nil
	}
	return kept
}

// casing is the key as the answer has it, because ARM does not distinguish the case of names.
func casing(key string, base map[string]any) string {
	if _, same := base[key]; same {
		return key
	}
	for k := range base {
		if strings.EqualFold(k, key) {
			return k
		}
	}
	return key
}

func ownPath(path string, own []string) bool {
	return slices.ContainsFunc(own, func(o string) bool { return strings.EqualFold(o, path) })
}

// below are the paths under a key, without it.
func below(key string, own []string) (out []string) {
	for _, o := range own {
		if first, rest, nested := strings.Cut(o, "."); nested && strings.EqualFold(first, key) {
			out = append(out, rest)
		}
	}
	return out
}

// beyond is the part of a value that differs from the answer; false when nothing does. null, and an empty text or 0 where the
// service has a default, ask for the default.
func beyond(v, base any, own []string) (rest any, asks bool) {
	switch v := v.(type) {
	case nil:
		return nil, false
	case map[string]any:
		answer, _ := base.(map[string]any)
		out := map[string]any{}
		for key, inner := range v {
			key = casing(key, answer)
			if ownPath(key, own) || slices.Contains(secretKeys, key) {
				continue
			}
			if rest, asks := beyond(inner, answer[key], below(key, own)); asks {
				out[key] = rest
			}
		}
		return out, len(out) > 0 || len(v) == 0 && base == nil
	case string:
		text, isText := base.(string)
		return v, !(isText && strings.EqualFold(v, text)) && (v != "" || base == nil)
	case float64:
		return v, v != base && (v != 0 || base == nil)
	}
	return v, !reflect.DeepEqual(v, base)
}

// Lay writes what is kept over an answer.
func Lay(o Object, kept berth.Kept) Object {
	for key, v := range kept.Top {
		o[key] = over(o[key], v)
	}
	if properties, isObject := o["properties"].(Object); isObject {
		layKeys(properties, kept.Profile)
	}
	return o
}

func layKeys(o Object, kept map[string]any) {
	for key, v := range kept {
		o[key] = over(o[key], v)
	}
}

func over(base, v any) any {
	kept, isObject := v.(map[string]any)
	below, hasObject := base.(Object)
	if !isObject || !hasObject {
		return v
	}
	out := maps.Clone(below)
	layKeys(out, kept)
	return out
}

// unmet are the names of what is kept and asks for an effect that Berth does not give. The names are sorted. base is the answer
// without what is kept.
func (l law) unmet(kept, base map[string]any) []string {
	var out []string
	for key, v := range kept {
		inner, isObject := v.(map[string]any)
		switch {
		case ownPath(key, l.effective):
		case key == "properties" && isObject: // of a compute
			answer, _ := base[key].(map[string]any)
			out = append(out, l.unmet(inner, answer)...)
		case asksEffect(v, base[key], below(key, l.effective)):
			out = append(out, key)
		}
	}
	slices.Sort(out)
	return out
}

func asksEffect(v, base any, effective []string) bool {
	switch v := v.(type) {
	case map[string]any:
		answer, _ := base.(map[string]any)
		for key, inner := range v {
			if !ownPath(key, effective) && asksEffect(inner, answer[key], below(key, effective)) {
				return true
			}
		}
		return false
	case []any:
		return len(v) > 0
	case bool:
		return v || base == true
	}
	return true
}

// Plain is an answer as its reader decodes it. It shares nothing with the answer.
func Plain(o Object) map[string]any {
	var out map[string]any
	text, err := json.Marshal(o)
	if err == nil {
		err = json.Unmarshal(text, &out)
	}
	if err != nil {
		panic(err) // answers are made of the package's own types
	}
	return out
}
