package template

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// readParameters is the value of each declared parameter: the supplied one, or its default.
func (t *Template) readParameters(supplied map[string]any, p *problems) {
	declared, _ := t.doc["parameters"].(map[string]any)
	if len(declared) > maxParameters || len(supplied) > maxParameters {
		p.add("parameters", limitError{fmt.Sprintf("it has more than %d parameters", maxParameters)})
		return
	}
	for _, name := range slices.Sorted(maps.Keys(supplied)) {
		if _, there := property(declared, name); !there {
			p.add("parameters."+name, errors.New("the template does not declare this parameter; remove its value"))
		}
	}
	waiting := slices.Sorted(maps.Keys(declared))
	for progress := true; progress && len(waiting) > 0; { // defaults may use parameters that come later
		progress = false
		var later []string
		for _, name := range waiting {
			fields, _ := declared[name].(map[string]any)
			v, wait, err := t.parameterValue(name, fields, supplied)
			switch {
			case wait:
				later = append(later, name)
				continue
			case err != nil:
				p.add("parameters."+name, err)
			default:
				t.parameters[name] = v
			}
			progress = true
		}
		waiting = later
	}
	if jsonSize(t.parameters, maxTogether) >= maxTogether {
		p.add("parameters", limitError{fmt.Sprintf("the parameters together are larger than %d MiB", maxTogether>>20)})
	}
	for _, name := range waiting {
		p.add("parameters."+name+".defaultValue", errors.New("the default value refers to a parameter without a value, or to itself"))
	}
}

// parameterValue finds and checks one value. wait is true when its default needs a parameter that has no value yet.
func (t *Template) parameterValue(name string, fields map[string]any, supplied map[string]any) (v any, wait bool, err error) {
	if err := t.budget.walk(fields); err != nil {
		return nil, false, err
	}
	fields, err = t.resolve(fields)
	if err != nil {
		return nil, false, err
	}
	t.types[name], _ = fields["type"].(string)
	t.secure[name] = t.secret(fields, maxReferences)
	v, there := property(supplied, name)
	if !there || v == nil { // clients send null for what they leave to its default
		raw, hasDefault := fields["defaultValue"]
		if !hasDefault {
			if nullable, _ := fields["nullable"].(bool); nullable {
				return nil, false, nil
			}
			return nil, false, errors.New("the parameter has no default, so it must have a value")
		}
		e := &env{t: t, inDefault: true}
		if v, err = e.value(raw); err != nil {
			return nil, strings.Contains(err.Error(), "has no value here"), under("defaultValue", err)
		}
	}
	return v, false, t.fits(v, fields)
}

// shown is a value for a message, unless it is long.
func shown(v any) string {
	const most = 100
	if s, isText := v.(string); isText {
		return fmt.Sprintf("%.100s", s)
	}
	if jsonSize(v, most) >= most {
		return kindOf(v)
	}
	b, _ := json.Marshal(v) // of a decoder
	return string(b)
}

func isSecure(typ string) bool {
	return strings.EqualFold(typ, "securestring") || strings.EqualFold(typ, "secureobject")
}

// bound checks minValue and maxValue, or minLength and maxLength.
func bound(v any, fields map[string]any, what string) error {
	var n int64
	if i, isInt := v.(int64); what == "Value" && isInt {
		n = i
	} else if what == "Value" {
		return nil
	} else {
		l, err := length(v)
		if err != nil {
			return nil // numbers have no length
		}
		n = int64(l)
	}
	name := strings.ToLower(what)
	if least, isInt := fields["min"+what].(int64); isInt && n < least {
		return fmt.Errorf("its %s is less than min%s (%d)", name, what, least)
	}
	if most, isInt := fields["max"+what].(int64); isInt && n > most {
		return fmt.Errorf("its %s is more than max%s (%d)", name, what, most)
	}
	return nil
}
