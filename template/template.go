// Package template evaluates the deployment template language of Azure Resource Manager. It is pure: it reads no clock, no
// store and no network. Templates are untrusted programs, so their evaluation has a budget: see budget.go for the limits. It ends
// with its context, too.
//
//	t, err := Parse(ctx, document, values, scope)   // parameters are checked and complete
//	plan, err := t.Plan()                      // names, conditions, loops and order are known
//	body, err := plan.Resources[i].Body(rt)    // once everything it depends on exists
//	outputs, err := t.Outputs(plan, rt)
//
// Errors are *berth.Error with the code InvalidTemplate and a detail, with its JSON path, for everything that is wrong.
package template

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Template is a document with the values of its parameters.
type Template struct {
	doc        map[string]any
	scope      Scope
	parameters map[string]any    // by declared name
	types      map[string]string // of the parameters, by declared name
	secure     map[string]bool
	second     bool           // it has the languageVersion 2.0 or a later one
	variables  map[string]any // those that are evaluated already
	busy       map[string]bool
	functions  map[string]userFunction // by namespace.name in lower case
	outer      *env                    // of a nested template whose expressions are evaluated in its parent
	budget     *budget
}

// userFunction is a function that the template defines.
type userFunction struct {
	parameters []argument
	output     any
}

// argument is a parameter of a function that the template defines.
type argument struct {
	name string
	typ  map[string]any
}

// known are the keys of a template. Every other key is refused, because it is most likely a typing mistake.
var known = []string{
	"$schema", "contentVersion", "languageVersion", "apiProfile", "metadata", "definitions", "imports", "extensions", "extensibility",
	"parameters", "variables", "functions", "resources", "outputs",
}

// extensions are the keys by which templates name services besides Resource Manager.
var extensions = []string{"extensions", "extensibility", "imports"}

// Parse reads a template document, as a JSON decoder returns it, and assigns the values of its parameters. The error has a
// detail for each mistake in either. The budget of the evaluation begins here and ends with ctx: the plan, the bodies, the
// outputs and the nested templates share it.
func Parse(ctx context.Context, document, values map[string]any, scope Scope) (*Template, error) {
	return parseTemplate(&budget{ctx: ctx}, document, values, scope)
}

func parseTemplate(b *budget, document, values map[string]any, scope Scope) (*Template, error) {
	var p problems
	normal, err := b.normal(document)
	if err != nil {
		p.add("template", err)
		return nil, p.error()
	}
	supplied, err := b.normal(values)
	if err != nil {
		p.add("parameters", err)
		return nil, p.error()
	}
	doc := normal.(map[string]any)
	t := &Template{
		doc: doc, scope: scope, budget: b, parameters: map[string]any{}, types: map[string]string{}, secure: map[string]bool{},
		variables: map[string]any{}, busy: map[string]bool{}, functions: map[string]userFunction{},
	}
	if len(doc) == 0 {
		p.add("template", errors.New("the template must be a non-empty object"))
		return nil, p.error()
	}
	for _, k := range slices.Sorted(maps.Keys(doc)) {
		if !slices.Contains(known, k) {
			p.add(k, fmt.Errorf("a template cannot have this key; the keys are %s", strings.Join(known, ", ")))
		}
	}
	version, _ := doc["languageVersion"].(string)
	t.second = version >= "2" || strings.HasSuffix(version, "experimental")
	for _, k := range extensions {
		if list, _ := doc[k].([]any); doc[k] != nil && (len(list) > 0 || weigh(doc[k], 2) > 1) {
			p.add(k, errors.New("Berth serves Azure Resource Manager's own resources only, and no extensions such as Kubernetes or "+
				"Microsoft Graph; remove them and the resources that use them, and create those by their own tools"))
		}
	}
	if _, there := doc["resources"]; !there {
		p.add("resources", errors.New("a template must have the key resources, which may be an empty array"))
	}
	t.bounds(&p)
	t.readFunctions(&p)
	t.readParameters(supplied.(map[string]any), &p)
	return t, p.error()
}

// bounds checks Azure's limits on how many of a thing a template declares.
func (t *Template) bounds(p *problems) {
	for _, b := range []struct {
		key  string
		most int
	}{{"variables", maxVariables}, {"outputs", maxOutputs}} {
		if all, _ := t.doc[b.key].(map[string]any); len(all) > b.most {
			p.add(b.key, limitError{fmt.Sprintf("it has more than %d %s", b.most, b.key)})
		}
	}
}

// Values takes the values out of the parameters of a deployment: {"name": {"value": v}} becomes {"name": v}. The error has a
// detail for each parameter of another form.
func Values(parameters map[string]any) (map[string]any, error) {
	var p problems
	out := map[string]any{}
	for name, v := range parameters {
		fields, _ := v.(map[string]any)
		value, there := fields["value"]
		switch {
		case there:
			out[name] = value
		case fields["reference"] != nil:
			p.add("parameters."+name, errors.New("a reference to a key vault is not supported, because Berth keeps key vaults "+
				"as records only; write the value itself"))
		default:
			p.add("parameters."+name, errors.New(`a parameter must be an object of the form {"value": …}`))
		}
	}
	return out, p.error()
}

func (t *Template) readFunctions(p *problems) {
	spaces, _ := t.doc["functions"].([]any)
	for i, s := range spaces {
		space, _ := s.(map[string]any)
		name, _ := space["namespace"].(string)
		members, _ := space["members"].(map[string]any)
		if name == "" || members == nil {
			p.add(fmt.Sprintf("functions[%d]", i), errors.New("a group of functions must have a namespace and members"))
			continue
		}
		for k, m := range members {
			fields, _ := m.(map[string]any)
			output, _ := fields["output"].(map[string]any)
			f := userFunction{output: output["value"]}
			list, _ := fields["parameters"].([]any)
			for _, a := range list {
				typ, _ := a.(map[string]any)
				n, _ := typ["name"].(string)
				f.parameters = append(f.parameters, argument{n, typ})
			}
			t.functions[strings.ToLower(name+"."+k)] = f
		}
	}
}

// Parameters are the values of all parameters by name. Keep those secret for which IsSecure is true.
func (t *Template) Parameters() map[string]any { return maps.Clone(t.parameters) }

// Shown are the parameters as a deployment shows them: {"name": {"type", "value"}}, secure ones without the value.
func (t *Template) Shown() map[string]any {
	out := map[string]any{}
	for name, v := range t.parameters {
		typ := t.types[name]
		if t.secure[name] {
			out[name] = map[string]any{"type": typ}
			continue
		}
		out[name] = map[string]any{"type": typ, "value": v}
	}
	return out
}

// IsSecure reports whether the type of a parameter is secureString or secureObject, or has a part of such a type.
func (t *Template) IsSecure(name string) bool { return t.secure[name] }

// Mask replaces secure values by stars. Use it before you show what a template would create.
func (t *Template) Mask() {
	for name, secure := range t.secure {
		switch v := t.parameters[name].(type) {
		case string:
			if secure && v != "" {
				t.parameters[name] = "*******"
			}
		case map[string]any:
			if secure {
				t.parameters[name] = map[string]any{}
			}
		case []any:
			if secure {
				t.parameters[name] = []any{}
			}
		}
	}
	clear(t.variables)
}

// env is what expressions of this template see.
func (t *Template) env() *env {
	if t.outer != nil {
		e := *t.outer
		return &e
	}
	return &env{t: t}
}

func (t *Template) parameter(name string) (any, error) {
	if v, there := property(t.parameters, name); there {
		return v, nil
	}
	declared, _ := t.doc["parameters"].(map[string]any)
	for k := range declared {
		if strings.EqualFold(k, name) { // it has no value, which is reported elsewhere, or its default needs this one: a cycle
			return nil, fmt.Errorf("the parameter '%.60s' has no value here", name)
		}
	}
	return nil, fmt.Errorf("the template declares no parameter '%.60s'", name)
}

const inVariable = "in the variable "

// variable is the value of a variable, evaluated at its first use.
func (t *Template) variable(name string) (any, error) {
	all, _ := t.doc["variables"].(map[string]any)
	key := strings.ToLower(name)
	if v, done := t.variables[key]; done {
		return v, nil
	}
	if t.busy[key] {
		return nil, fmt.Errorf("the variable '%.60s' refers to itself", name)
	}
	t.busy[key] = true
	defer delete(t.busy, key)
	e := &env{t: t}
	raw, there := property(all, name)
	if !there {
		looped, err := t.loopedVariable(e, all, name)
		if err != nil {
			return nil, err
		}
		t.variables[key] = looped
		return looped, nil
	}
	v, err := e.value(raw)
	if err != nil {
		if l, ok := errors.AsType[located](err); ok { // a path inside the variable does not help where the variable is used
			err = l.err
		}
		if strings.HasPrefix(err.Error(), inVariable) { // the innermost variable is the one with the mistake
			return nil, err
		}
		return nil, fmt.Errorf(inVariable+"'%.60s': %w", name, err)
	}
	t.variables[key] = v
	return v, nil
}

// loopedVariable is a variable that variables.copy defines.
func (t *Template) loopedVariable(e *env, all map[string]any, name string) (any, error) {
	loops, _ := all["copy"].([]any)
	for _, l := range loops {
		fields, _ := l.(map[string]any)
		if n, _ := fields["name"].(string); strings.EqualFold(n, name) {
			arrays := map[string]any{}
			if err := e.copies([]any{l}, arrays); err != nil {
				return nil, err
			}
			return arrays[n], nil
		}
	}
	return nil, fmt.Errorf("the template has no variable '%.60s'", name)
}

// Outputs are the outputs of a deployment: {"name": {"type", "value"}}, secure ones without the value. Its errors are those of
// Resource.Body.
func (t *Template) Outputs(plan *Plan, rt Runtime) (map[string]any, error) {
	var p problems
	out := map[string]any{}
	declared, _ := t.doc["outputs"].(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(declared)) {
		fields, _ := declared[name].(map[string]any)
		e := t.env()
		e.plan, e.runtime = plan, rt
		v, wanted, err := e.output(fields)
		if err != nil {
			p.add("outputs."+name, err)
			continue
		}
		if !wanted {
			continue
		}
		if err := t.budget.walk(v); err != nil {
			p.add("outputs."+name, err)
			break
		}
		of, err := t.resolve(fields)
		if err != nil {
			p.add("outputs."+name, err)
			continue
		}
		typ, _ := of["type"].(string)
		out[name] = map[string]any{"type": typ, "value": v}
		if t.secret(of, maxReferences) {
			out[name] = map[string]any{"type": typ}
		}
	}
	if jsonSize(out, maxTogether) >= maxTogether {
		p.add("outputs", limitError{fmt.Sprintf("the outputs together are larger than %d MiB", maxTogether>>20)})
	}
	return out, p.error()
}

func (e *env) output(fields map[string]any) (v any, wanted bool, err error) {
	if wanted, err = e.condition(fields["condition"]); err != nil || !wanted {
		return nil, false, err
	}
	if loop, isLoop := fields["copy"].(map[string]any); isLoop {
		arrays := map[string]any{}
		one := maps.Clone(loop)
		one["name"] = "output"
		err = e.copies([]any{one}, arrays)
		return arrays["output"], true, err
	}
	v, err = e.value(fields["value"])
	return v, true, under("value", err)
}

// condition is true where there is none.
func (e *env) condition(raw any) (bool, error) {
	if raw == nil {
		return true, nil
	}
	v, err := e.value(raw)
	if err != nil {
		return false, under("condition", err)
	}
	yes, isBool := v.(bool)
	if !isBool {
		return false, under("condition", fmt.Errorf("it is %s, not true or false", kindOf(v)))
	}
	return yes, nil
}
