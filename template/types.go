package template

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// maxReferences is how many definitions may refer to one another in a row.
const maxReferences = 32

// resolve follows the $ref of a type into the definitions of the template. What stands beside $ref replaces what the definition says.
func (t *Template) resolve(typ map[string]any) (map[string]any, error) {
	for range maxReferences {
		ref, isText := typ["$ref"].(string)
		if !isText {
			return typ, nil
		}
		found, err := t.definition(ref)
		if err != nil {
			return nil, under("$ref", err)
		}
		if err := t.budget.allocate(shallow(typ) + shallow(found)); err != nil {
			return nil, err
		}
		merged := maps.Clone(found)
		for k, v := range typ {
			if k != "$ref" {
				merged[k] = v
			}
		}
		typ = merged
	}
	return nil, under("$ref", errors.New("the definitions refer to each other without an end"))
}

// definition is what a reference such as '#/definitions/name' names. A reference may lead into a definition.
func (t *Template) definition(ref string) (map[string]any, error) {
	words := strings.Split(ref, "/")
	if len(words) < 3 || words[0] != "#" || words[1] != "definitions" {
		return nil, fmt.Errorf("'%.120s' is not a reference; a reference has the form '#/definitions/{name}'", ref)
	}
	var at any = t.doc
	for _, w := range words[1:] {
		name := strings.ReplaceAll(strings.ReplaceAll(w, "~1", "/"), "~0", "~")
		fields, _ := at.(map[string]any)
		var there bool
		if at, there = fields[name]; !there {
			return nil, fmt.Errorf("the template has no definition '%.120s'", ref)
		}
	}
	found, isObject := at.(map[string]any)
	if !isObject {
		return nil, fmt.Errorf("'%.120s' is not a definition, but %s", ref, kindOf(at))
	}
	return found, nil
}

// fits checks a value against a type. The error never contains the value, which may be secret.
func (t *Template) fits(v any, typ map[string]any) error {
	defer t.budget.leave()
	if err := errors.Join(t.budget.enter(), t.budget.step(1+len(typ))); err != nil {
		return err
	}
	typ, err := t.resolve(typ)
	if err != nil {
		return err
	}
	if nullable, _ := typ["nullable"].(bool); v == nil && nullable || len(typ) == 0 {
		return nil
	}
	if err := checkValue(v, typ); err != nil {
		return err
	}
	switch v := v.(type) {
	case []any:
		return t.fitsArray(v, typ)
	case map[string]any:
		return t.fitsObject(v, typ)
	}
	return nil
}

func (t *Template) fitsArray(all []any, typ map[string]any) error {
	first, _ := typ["prefixItems"].([]any)
	if len(all) < len(first) {
		return fmt.Errorf("it has %d elements, and its type needs at least %d", len(all), len(first))
	}
	if more, isBool := typ["items"].(bool); isBool && !more && len(all) > len(first) {
		return fmt.Errorf("it has %d elements, and its type permits %d", len(all), len(first))
	}
	rest, _ := typ["items"].(map[string]any)
	for i, v := range all {
		of := rest
		if i < len(first) {
			of, _ = first[i].(map[string]any)
		}
		if err := t.fits(v, of); err != nil {
			return under(fmt.Sprintf("[%d]", i), err)
		}
	}
	return nil
}

func (t *Template) fitsObject(of, typ map[string]any) error {
	declared, _ := typ["properties"].(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(declared)) {
		inner, _ := declared[name].(map[string]any)
		v, there := property(of, name)
		if err := t.fits(v, inner); err != nil {
			if !there {
				err = errors.New("the property is missing")
			}
			return under(name, err)
		}
	}
	chosen, known, err := t.chosen(of, typ)
	if err != nil {
		return err
	}
	if chosen != nil {
		return t.fits(of, chosen)
	}
	more, isType := typ["additionalProperties"].(map[string]any)
	if permitted, isBool := typ["additionalProperties"].(bool); !isType && (!isBool || permitted) {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(of)) {
		if _, there := property(declared, name); there || strings.EqualFold(name, known) {
			continue
		}
		if !isType {
			return under(name, fmt.Errorf("the type has no such property; it has: %s", few(slices.Sorted(maps.Keys(declared)))))
		}
		if err := t.fits(of[name], more); err != nil {
			return under(name, err)
		}
	}
	return nil
}

// chosen is the type that the value of the discriminator chooses; nil when the type has no discriminator. known is the property that
// chose this type, which the type itself need not declare.
func (t *Template) chosen(of, typ map[string]any) (chosen map[string]any, known string, err error) {
	known, _ = typ["chosenBy"].(string)
	by, isObject := typ["discriminator"].(map[string]any)
	if !isObject {
		return nil, known, nil
	}
	name, _ := by["propertyName"].(string)
	mapping, _ := by["mapping"].(map[string]any)
	v, _ := property(of, name)
	value, _ := v.(string)
	one, isType := mapping[value].(map[string]any)
	if !isType {
		return nil, "", under(name, fmt.Errorf("the value is not allowed; the allowed values are: %s", few(slices.Sorted(maps.Keys(mapping)))))
	}
	one, err = t.resolve(one)
	chosen = maps.Clone(one)
	if chosen != nil {
		chosen["chosenBy"] = name
	}
	return chosen, "", err
}

// checkValue checks a value against the name of its type and the limits of the type.
func checkValue(v any, typ map[string]any) error {
	name, _ := typ["type"].(string)
	fits, known := false, true
	switch strings.ToLower(name) {
	case "string", "securestring":
		_, fits = v.(string)
	case "int":
		_, fits = v.(int64)
	case "bool":
		_, fits = v.(bool)
	case "array":
		_, fits = v.([]any)
	case "object", "secureobject":
		_, fits = v.(map[string]any)
	default:
		known = false
	}
	switch {
	case !known:
		return fmt.Errorf("the type '%.30s' is not supported; the types are string, secureString, int, bool, array, object, secureObject", name)
	case !fits:
		return fmt.Errorf("the value is %s, and its type is %s", kindOf(v), name)
	}
	if allowed, isList := typ["allowedValues"].([]any); isList && !isAllowed(v, allowed) {
		all := []string{}
		for _, a := range allowed {
			all = append(all, shown(a))
		}
		return fmt.Errorf("the value is not allowed; the allowed values are: %s", few(all))
	}
	return errors.Join(bound(v, typ, "Value"), bound(v, typ, "Length"))
}

// isAllowed reports whether a value is one of the allowed ones. An array may also consist of allowed values.
func isAllowed(v any, allowed []any) bool {
	one := func(v any) bool { return slices.ContainsFunc(allowed, func(a any) bool { return same(a, v) }) }
	all, isList := v.([]any)
	return one(v) || isList && !slices.ContainsFunc(all, func(v any) bool { return !one(v) })
}

// secret reports whether a type is secure, or has a secure part: then no answer may contain the value.
func (t *Template) secret(typ map[string]any, levels int) bool {
	typ, err := t.resolve(typ)
	if err != nil || levels == 0 || t.budget.step(1+len(typ)) != nil {
		return true
	}
	name, _ := typ["type"].(string)
	if isSecure(name) {
		return true
	}
	parts, _ := typ["prefixItems"].([]any)
	parts = slices.Clone(parts)
	declared, _ := typ["properties"].(map[string]any)
	by, _ := typ["discriminator"].(map[string]any)
	mapping, _ := by["mapping"].(map[string]any)
	for _, group := range []map[string]any{declared, mapping} {
		for _, inner := range group {
			parts = append(parts, inner)
		}
	}
	for _, inner := range append(parts, typ["items"], typ["additionalProperties"]) {
		if one, isType := inner.(map[string]any); isType && t.secret(one, levels-1) {
			return true
		}
	}
	return false
}
