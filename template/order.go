package template

import (
	"fmt"
	"slices"
	"strings"
)

// order brings the resources into an order in which each comes after what it depends on. Resources depend on what they name
// in dependsOn, on what they refer to in expressions, and on their parents.
func (plan *Plan) order(p *problems) {
	before := map[*Resource][]*Resource{}
	for _, r := range plan.Resources {
		before[r] = plan.needed(r, p)
	}
	const (
		untouched = iota
		open
		done
	)
	state := map[*Resource]int{}
	var sorted, trail []*Resource
	var visit func(r *Resource) bool
	visit = func(r *Resource) bool {
		switch state[r] {
		case done:
			return true
		case open:
			p.add(r.Path, fmt.Errorf("the resources depend on each other in a circle: %s", circle(trail, r)))
			return false
		}
		state[r], trail = open, append(trail, r)
		for _, b := range before[r] {
			if !visit(b) {
				return false
			}
		}
		trail = trail[:len(trail)-1]
		state[r] = done
		sorted = append(sorted, r)
		return true
	}
	for _, r := range plan.Resources {
		if !visit(r) {
			return
		}
	}
	plan.Resources = sorted
	at := map[*Resource]int{}
	for i, r := range sorted {
		at[r] = i
		for _, b := range before[r] {
			r.DependsOn = append(r.DependsOn, at[b])
		}
		slices.Sort(r.DependsOn)
		r.DependsOn = slices.Compact(r.DependsOn)
	}
}

func circle(trail []*Resource, back *Resource) string {
	var names []string
	for _, r := range trail[slices.Index(trail, back):] {
		names = append(names, r.Name)
	}
	return strings.Join(append(names, back.Name), " → ")
}

// needed are the resources that must be there before r.
func (plan *Plan) needed(r *Resource, p *problems) (out []*Resource) {
	for i, name := range r.needs {
		found := false
		for _, other := range plan.named(name) {
			found = found || other != r
			if other != r && !other.absent {
				out = append(out, other)
			}
		}
		if err := plan.t.budget.step(1 + len(out)/16); err != nil {
			p.add(r.Path, err)
			return nil
		}
		if !found {
			p.add(r.Path, under(fmt.Sprintf("dependsOn[%d]", i), fmt.Errorf("the template has no resource '%.200s'", name)))
		}
	}
	for end := strings.LastIndexByte(r.id, '/'); end > 0; end = strings.LastIndexByte(r.id[:end], '/') { // what it stands inside of
		for _, other := range plan.names[r.id[:end]] {
			if other != r && !other.absent && other.id == r.id[:end] {
				out = append(out, other)
			}
		}
	}
	if strings.EqualFold(r.Type, TypeDeployment) {
		properties, _ := r.raw["properties"].(map[string]any)
		return append(out, plan.referred(r, properties["parameters"])...) // and not those that its own template refers to
	}
	return append(out, plan.referred(r, r.raw)...)
}

// referred are the resources that expressions in a value refer to by reference() or list…().
func (plan *Plan) referred(r *Resource, v any) (out []*Resource) {
	switch v := v.(type) {
	case string:
		if text, is := expressionIn(v); is {
			if n, err := parse(text); err == nil { // what is wrong is told when it is evaluated
				out = plan.referredIn(r, n)
			}
		}
	case []any:
		for _, inner := range v {
			out = append(out, plan.referred(r, inner)...)
		}
	case map[string]any:
		for _, inner := range v {
			out = append(out, plan.referred(r, inner)...)
		}
	}
	return out
}

func (plan *Plan) referredIn(r *Resource, n node) (out []*Resource) {
	switch n := n.(type) {
	case member:
		return append(plan.referredIn(r, n.of), plan.referredIn(r, n.key)...)
	case call:
		for _, a := range n.args {
			out = append(out, plan.referredIn(r, a)...)
		}
		if (n.name == "reference" || strings.HasPrefix(n.name, "list")) && len(n.args) > 0 {
			name, err := n.args[0].eval(r.env)
			text, isText := name.(string)
			if err == nil && isText {
				if other := plan.find(text); other != nil && other != r {
					out = append(out, other)
				}
			}
		}
	}
	return out
}
