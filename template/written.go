package template

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Written is a resource of a template as it is written, before anything is evaluated.
type Written struct {
	Type, Path string
	Inside     []string // the names of the nested deployments around it, the outermost first; as written
}

// Written are the resources of a nested template whose types are no expressions, with those of the templates nested in it. It is for a
// template that cannot be evaluated yet.
func (r *Resource) Written() []Written {
	properties, _ := r.raw["properties"].(map[string]any)
	w := writing{budget: r.env.budget()}
	w.template(properties["template"], r.Path+".properties.template", nil)
	return w.all
}

type writing struct {
	budget *budget
	all    []Written
}

func (w *writing) template(v any, path string, inside []string) {
	doc, _ := v.(map[string]any)
	w.resources(doc["resources"], path+".resources", Written{Inside: inside})
}

func (w *writing) resources(v any, path string, parent Written) {
	switch all := v.(type) {
	case []any:
		for i, one := range all {
			w.one(one, fmt.Sprintf("%s[%d]", path, i), parent)
		}
	case map[string]any:
		for _, symbol := range slices.Sorted(maps.Keys(all)) {
			w.one(all[symbol], path+"."+symbol, parent)
		}
	}
}

func (w *writing) one(v any, path string, parent Written) {
	fields, _ := v.(map[string]any)
	typ, isText := fields["type"].(string)
	if _, is := expressionIn(typ); is || !isText || w.budget.step(1) != nil {
		return
	}
	if parent.Type != "" {
		typ = parent.Type + "/" + typ
	}
	w.all = append(w.all, Written{Type: typ, Path: path, Inside: parent.Inside})
	if !strings.EqualFold(typ, TypeDeployment) {
		w.resources(fields["resources"], path+".resources", Written{Type: typ, Inside: parent.Inside})
		return
	}
	name, _ := fields["name"].(string)
	properties, _ := fields["properties"].(map[string]any)
	w.template(properties["template"], path+".properties.template", append(slices.Clip(parent.Inside), name))
}
