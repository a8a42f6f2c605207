package template

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// order sorts the resources so that each comes after those that it depends on: those in its dependsOn, those that its
// expressions refer to, and its parents.
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

// needed are the resources that must exist before r, each once.
func (plan *Plan) needed(r *Resource, p *problems) []*Resource {
	d := &dependencies{plan: plan, of: r, seen: map[*Resource]bool{r: true}}
	for i, name := range r.needs {
		if !d.add(plan.named(name)) && d.err == nil {
			p.add(r.Path, under(fmt.Sprintf("dependsOn[%d]", i), fmt.Errorf("the template has no resource '%.200s'", name)))
		}
	}
	for end := strings.LastIndexByte(r.id, '/'); end > 0; end = strings.LastIndexByte(r.id[:end], '/') { // its parents
		for _, other := range plan.names[r.id[:end]] {
			if other.id == r.id[:end] {
				d.add([]*Resource{other})
			}
		}
	}
	if strings.EqualFold(r.Type, TypeDeployment) {
		properties, _ := r.raw["properties"].(map[string]any)
		d.referred(properties["parameters"]) // and not those that its own template refers to
	} else {
		d.referred(r.raw)
	}
	p.add(r.Path, d.err)
	return d.all
}

// dependencies collects what one resource depends on.
type dependencies struct {
	plan *Plan
	of   *Resource
	all  []*Resource
	seen map[*Resource]bool
	err  error // of the budget; nothing is added after it
}

// add adds resources, and reports whether there was any besides the resource itself. An absent one counts, and is not added.
func (d *dependencies) add(some []*Resource) (any bool) {
	if d.err == nil {
		d.err = d.plan.t.budget.step(1 + len(some)/4)
	}
	for _, r := range some {
		any = any || r != d.of
		if d.err != nil || d.seen[r] || r.absent {
			continue
		}
		d.seen[r] = true
		if d.err = d.plan.t.budget.allocate(sizeItem); d.err == nil {
			d.all = append(d.all, r)
		}
	}
	return any
}

// referred adds the resources that expressions in a value refer to by reference() or list…().
func (d *dependencies) referred(v any) {
	switch v := v.(type) {
	case string:
		text, is := expressionIn(v)
		if !is || d.err != nil {
			return
		}
		if d.err = d.plan.t.budget.step(len(text) / 8); d.err != nil {
			return
		}
		if n, err := parse(text); err == nil { // an error is reported when the expression is evaluated
			d.referredIn(n)
		}
	case []any:
		for _, inner := range v {
			d.referred(inner)
		}
	case map[string]any:
		for _, inner := range v {
			d.referred(inner)
		}
	}
}

func (d *dependencies) referredIn(n node) {
	if d.err != nil {
		return
	}
	switch n := n.(type) {
	case member:
		d.referredIn(n.of)
		d.referredIn(n.key)
	case call:
		for _, a := range n.args {
			d.referredIn(a)
		}
		if n.name != "reference" && !strings.HasPrefix(n.name, "list") || len(n.args) == 0 {
			return
		}
		name, err := n.args[0].eval(d.of.env)
		if overLimit(err) || errors.Is(err, context.Canceled) {
			d.err = err
			return
		}
		text, isText := name.(string)
		if other := d.plan.find(text); err == nil && isText && other != nil {
			d.add([]*Resource{other})
		}
	}
}
