package template

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// control are the keys of a resource that are for the deployment and not for the resource.
var control = []string{"type", "name", "apiVersion", "condition", "copy", "dependsOn", "resources", "scope", "subscriptionId", "resourceGroup", "existing", "comments", "metadata"}

// Body is what is to be PUT: the resource without the keys that are for the deployment. rt may be nil; what cannot be known
// then is an error that Late recognizes.
func (r *Resource) Body(rt Runtime) (map[string]any, error) {
	e := *r.env
	e.runtime = rt
	var p problems
	out := map[string]any{}
	for _, k := range slices.Sorted(maps.Keys(r.raw)) {
		if slices.Contains(control, k) {
			continue
		}
		v, err := e.value(r.raw[k])
		if Late(err) {
			return nil, err
		}
		p.add(r.Path+"."+k, err)
		out[k] = v
	}
	if err := p.error(); err != nil {
		return nil, err
	}
	if jsonSize(out, maxDefinition) >= maxDefinition {
		return nil, r.problem("properties", limitError{fmt.Sprintf("the resource becomes larger than %d MiB", maxDefinition>>20)})
	}
	return out, e.budget().walk(out)
}

// Late says that an expression needs a resource which is not there yet: nothing is wrong with the template.
func Late(err error) bool {
	_, late := errors.AsType[errRuntime](err)
	return late
}

// Nested is the template inside a resource of the type TypeDeployment, ready to be planned.
func (r *Resource) Nested(rt Runtime, scope Scope) (*Template, error) {
	properties, _ := r.raw["properties"].(map[string]any)
	if properties["templateLink"] != nil || properties["parametersLink"] != nil {
		return nil, r.problem("properties.templateLink", errors.New("templates behind links are not fetched: write the template into properties.template"))
	}
	document, isObject := properties["template"].(map[string]any)
	if !isObject {
		return nil, r.problem("properties.template", errors.New("a nested deployment needs a template"))
	}
	e := *r.env
	e.runtime = rt
	raw, _ := properties["parameters"].(map[string]any)
	if len(raw) > maxParameters {
		return nil, r.problem("properties.parameters", limitError{fmt.Sprintf("it has more than %d parameters", maxParameters)})
	}
	evaluated, err := e.value(raw)
	if Late(err) {
		return nil, err
	}
	if err != nil {
		return nil, r.problem("properties.parameters", err)
	}
	given, _ := evaluated.(map[string]any)
	values, err := Values(given)
	if err != nil {
		return nil, err
	}
	options, _ := properties["expressionEvaluationOptions"].(map[string]any)
	inner, _ := options["scope"].(string)
	t, err := parseTemplate(r.env.budget(), document, values, scope)
	if err != nil {
		return nil, r.problem("properties.template", err)
	}
	if !strings.EqualFold(inner, "inner") { // its expressions are the parent's; its resources are made in its own place
		outer := *r.env
		outer.plan = nil
		t.outer = &outer
	}
	return t, nil
}

func (r *Resource) problem(key string, err error) error {
	var p problems
	p.add(r.Path+"."+key, err)
	return p.error()
}

// Mode is how a nested deployment is to be run.
func (r *Resource) Mode() string {
	properties, _ := r.raw["properties"].(map[string]any)
	mode, _ := properties["mode"].(string)
	return mode
}

// String names a resource for people.
func (r *Resource) String() string { return fmt.Sprintf("%s '%s'", r.Type, r.Name) }
