package arm

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"berth.dev/berth"
	"berth.dev/berth/store"
	"berth.dev/berth/template"
	"berth.dev/berth/wire"
)

// whatIf answers what a template deployment would change, and changes nothing.
func (s *Server) whatIf(q *request, t target) (*response, error) {
	d, err := s.readDeployment(q, t.id, true)
	if err != nil {
		return nil, err
	}
	w := &prospect{rehearsal: d.rehearsal, changes: []any{}, named: map[string]bool{}}
	if err := w.visit(d.template, d.scope); err != nil {
		return nil, err
	}
	if strings.EqualFold(d.in.Properties.Mode, berth.ModeComplete) {
		all, err := s.Store.All(q.Context(), store.Query{Group: berth.GroupID(t.id.Subscription, t.id.Group)})
		if err != nil {
			return nil, err
		}
		for _, r := range all {
			if !w.named[r.ID.Key()] && !r.ID.Is(berth.TypeTemplateDeployment) {
				w.changes = append(w.changes, wire.Object{"resourceId": r.ID.String(), "changeType": "Delete", "before": wire.Generic(r)})
			}
		}
	}
	return ok(wire.Object{"status": "Succeeded", "properties": wire.Object{"correlationId": q.id, "changes": w.changes}}), nil
}

// prospect collects the changes that a template and the templates nested in it would make.
type prospect struct {
	*rehearsal
	changes []any
	named   map[string]bool // keys of everything that the templates name
}

func (w *prospect) visit(t *template.Template, scope template.Scope) error {
	t.Mask()
	plan, err := t.Plan()
	if err != nil {
		return err
	}
	for _, r := range plan.Resources {
		w.named[strings.ToLower(r.ID())] = true
		if r.Existing {
			continue
		}
		if strings.EqualFold(r.Type, berth.TypeTemplateDeployment) {
			err = w.visitNested(r, scope)
		} else {
			err = w.one(r)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *prospect) visitNested(r *template.Resource, scope template.Scope) error {
	scope = w.nestedScope(w.q, r, scope)
	t, err := r.Nested(nil, scope)
	if template.Late(err) {
		w.changes = append(w.changes, unsupported(r))
		return nil
	}
	if err != nil {
		return err
	}
	return w.visit(t, scope)
}

func (w *prospect) one(r *template.Resource) error {
	change, err := w.wouldChange(r)
	w.changes = append(w.changes, change)
	return err
}

func unsupported(r *template.Resource) wire.Object {
	return wire.Object{"resourceId": r.ID(), "before": nil, "after": nil, "changeType": "Unsupported",
		"unsupportedReason": "Its properties depend on resources that do not exist yet."}
}

// wouldChange compares one resource of the template with the stored one.
func (w *prospect) wouldChange(r *template.Resource) (any, error) {
	body, err := r.Body(nil)
	out := wire.Object{"resourceId": r.ID(), "before": nil, "after": nil}
	if template.Late(err) {
		return unsupported(r), nil
	}
	if err != nil {
		return nil, err
	}
	names := strings.Split(r.Name, "/")
	after := maps.Clone(body)
	maps.Copy(after, wire.Object{"id": r.ID(), "name": names[len(names)-1], "type": r.Type, "apiVersion": r.APIVersion})
	now, err := w.Do(w.q.Context(), Call{Caller: w.q.caller.AppID, Method: http.MethodGet, Path: r.ID(), Version: r.APIVersion})
	if code := berth.ErrorCode(err); code != "" && statusOf(code) == http.StatusNotFound {
		out["changeType"], out["after"] = "Create", after
		return out, nil
	}
	if err != nil {
		return nil, err
	}
	out["before"], out["after"] = now.Body, after
	out["changeType"] = "NoChange"
	if w.same[strings.ToLower(r.ID())] {
		return out, nil
	}
	wanted, err := plain(body)
	if err != nil {
		return nil, err
	}
	if delta := differences("", now.Body, wanted); len(delta) > 0 {
		out["changeType"], out["delta"] = "Modify", delta
	}
	return out, nil
}

// plain is a body as a decoder of JSON returns it, so that both sides of a comparison have the same kinds of numbers.
func plain(body map[string]any) (out map[string]any, err error) {
	text, err := json.Marshal(body)
	if err == nil {
		err = json.Unmarshal(text, &out)
	}
	return out, err
}

// differences are the properties whose requested value is not the present one. Properties that the template does not name are left
// out, also in the elements of arrays.
func differences(at string, have, want map[string]any) []any {
	var out []any
	for _, k := range slices.Sorted(maps.Keys(want)) {
		was, there := have[k]
		switch {
		case want[k] == nil:
		case k == "location" && at == "": // "West Europe" is "westeurope", and cannot change
		case !there || was == nil:
			out = append(out, wire.Object{"path": join(at, k), "propertyChangeType": "Create", "before": nil, "after": want[k]})
		default:
			out = append(out, difference(join(at, k), was, want[k])...)
		}
	}
	return out
}

func join(at, key string) string { return strings.TrimPrefix(at+"."+key, ".") }

// difference compares one value. Arrays are compared element by element; elements with names are compared with those of the same name.
func difference(at string, was, want any) []any {
	switch want := want.(type) {
	case map[string]any:
		if before, isObject := was.(map[string]any); isObject {
			return differences(at, before, want)
		}
	case []any:
		if before, isList := was.([]any); isList {
			return elements(at, before, want)
		}
	}
	if was == want {
		return nil
	}
	return []any{wire.Object{"path": at, "propertyChangeType": "Modify", "before": was, "after": want}}
}

// elements are the elements of an array that differ, as one change of the array.
func elements(at string, was, want []any) []any {
	var changes []any
	for i, v := range want {
		path := strconv.Itoa(i)
		switch before, there := counterpart(was, v, i); {
		case !there:
			changes = append(changes, wire.Object{"path": path, "propertyChangeType": "Create", "before": nil, "after": v})
		default:
			for _, inner := range difference("", before, v) {
				changes = append(changes, wire.Object{"path": path, "propertyChangeType": "Modify", "children": []any{inner}})
			}
		}
	}
	for i, v := range was {
		if _, there := counterpart(want, v, i); !there {
			changes = append(changes, wire.Object{"path": strconv.Itoa(i), "propertyChangeType": "Delete", "before": v, "after": nil})
		}
	}
	if len(changes) == 0 {
		return nil
	}
	return []any{wire.Object{"path": at, "propertyChangeType": "Array", "before": was, "after": want, "children": changes}}
}

// counterpart is the element of another array with the same name, or at the same place when elements have no names.
func counterpart(in []any, of any, i int) (any, bool) {
	fields, _ := of.(map[string]any)
	name, named := fields["name"].(string)
	for _, v := range in {
		other, _ := v.(map[string]any)
		if n, isText := other["name"].(string); named && isText && strings.EqualFold(n, name) {
			return v, true
		}
	}
	if named || i >= len(in) {
		return nil, false
	}
	return in[i], true
}
