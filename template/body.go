package template

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
)

// control are the keys of a resource that only the deployment reads. They are not sent to the resource's provider.
var control = []string{
	"type", "name", "apiVersion", "condition", "copy", "dependsOn", "resources",
	"scope", "subscriptionId", "resourceGroup", "existing", "comments", "metadata",
}

// Body is the body of the PUT that creates the resource: its keys without those of the deployment, evaluated. rt may be nil;
// an expression that needs it then ends in an error for which Late is true. Every other error is a *berth.Error with paths.
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

// Late reports whether an expression failed only because it needs a resource that does not exist yet. The template is valid.
func Late(err error) bool {
	_, late := errors.AsType[errRuntime](err)
	return late
}

// Nested is the template inside a resource of the type TypeDeployment, ready to be planned. Its errors are those of Body.
func (r *Resource) Nested(rt Runtime, scope Scope) (*Template, error) {
	properties, _ := r.raw["properties"].(map[string]any)
	for _, key := range []string{"templateLink", "parametersLink"} {
		if link, linked := properties[key].(map[string]any); linked {
			return nil, r.problem("properties."+key, r.linkRefused(link))
		}
	}
	document, isObject := properties["template"].(map[string]any)
	if !isObject {
		return nil, r.problem("properties.template", errors.New("a nested deployment must have a template, which is an object"))
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
	object, _ := evaluated.(map[string]any)
	values, err := Values(object)
	if err != nil {
		return nil, err
	}
	options, _ := properties["expressionEvaluationOptions"].(map[string]any)
	inner, _ := options["scope"].(string)
	t, err := parseTemplate(r.env.budget(), document, values, scope)
	if err != nil {
		return nil, err
	}
	if !strings.EqualFold(inner, "inner") { // the parent evaluates the expressions; the resources are created in the nested scope
		outer := *r.env
		outer.plan = nil
		t.outer = &outer
	}
	return t, nil
}

// linkRefused names the host, as far as it is known, and what Berth can do instead.
func (r *Resource) linkRefused(link map[string]any) error {
	host := "another server"
	if v, err := r.env.value(link["uri"]); err == nil {
		if text, isText := v.(string); isText {
			if u, err := url.Parse(text); err == nil && u.Host != "" {
				host = fmt.Sprintf("'%.100s'", u.Host)
			}
		}
	}
	return fmt.Errorf("a nested deployment cannot link to a document on %s. Write the document into properties.template or "+
		"properties.parameters (az bicep build does), or deploy it by its own link: that works for the template of a deployment itself "+
		"if the operator starts 'berth serve' with --template-host and the host", host)
}

func (r *Resource) problem(key string, err error) error {
	var p problems
	p.add(r.Path+"."+key, err)
	return p.error()
}

// Mode is the deployment mode of a nested deployment as the template has it, such as "Incremental"; empty when it has none.
func (r *Resource) Mode() string {
	properties, _ := r.raw["properties"].(map[string]any)
	mode, _ := properties["mode"].(string)
	return mode
}

// String is the type and the name of a resource, for messages.
func (r *Resource) String() string { return fmt.Sprintf("%s '%s'", r.Type, r.Name) }
