package arm

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"

	"berth.dev/berth"
	"berth.dev/berth/store"
	"berth.dev/berth/template"
	"berth.dev/berth/wire"
)

// whatIf answers what a template deployment would change, and changes nothing.
func (s *Server) whatIf(q *request, t target) (*response, error) {
	d, err := s.readDeployment(q, t.id)
	if err != nil {
		return nil, err
	}
	w := &prospect{Server: s, q: q, changes: []any{}, named: map[string]bool{}}
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
	*Server
	q       *request
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
	change, err := w.wouldChange(w.q, r)
	w.changes = append(w.changes, change)
	return err
}

func unsupported(r *template.Resource) wire.Object {
	return wire.Object{"resourceId": r.ID(), "before": nil, "after": nil, "changeType": "Unsupported",
		"unsupportedReason": "Its properties depend on resources that do not exist yet."}
}

// wouldChange compares one resource as the template wants it with what is there.
func (s *Server) wouldChange(q *request, r *template.Resource) (any, error) {
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
	now, err := s.Do(q.Context(), Call{Caller: q.caller.AppID, Method: http.MethodGet, Path: r.ID(), Version: r.APIVersion})
	if code := berth.ErrorCode(err); code != "" && statusOf(code) == http.StatusNotFound {
		out["changeType"], out["after"] = "Create", after
		return out, nil
	}
	if err != nil {
		return nil, err
	}
	plain, err := json.Marshal(body) // so that both sides have the same kinds of numbers
	if err != nil {
		return nil, err
	}
	var wanted map[string]any
	if err := json.Unmarshal(plain, &wanted); err != nil {
		return nil, err
	}
	delta := differences("", now.Body, wanted)
	out["before"], out["after"] = now.Body, after
	out["changeType"] = "NoChange"
	if len(delta) > 0 {
		out["changeType"], out["delta"] = "Modify", delta
	}
	return out, nil
}

// differences are the properties whose requested value is not the present one. Properties that the template does not name are left
// out.
func differences(at string, have, want map[string]any) []any {
	var out []any
	for _, k := range slices.Sorted(maps.Keys(want)) {
		path := strings.TrimPrefix(at+"."+k, ".")
		was, there := have[k]
		switch inner, isObject := want[k].(map[string]any); {
		case isObject && there && was != nil:
			if before, isObject := was.(map[string]any); isObject {
				out = append(out, differences(path, before, inner)...)
			}
		case want[k] == nil:
		case k == "location" && at == "": // "West Europe" is "westeurope", and cannot change
		case !there || was == nil:
			out = append(out, wire.Object{"path": path, "propertyChangeType": "Create", "before": nil, "after": want[k]})
		case !sameJSON(was, want[k]):
			out = append(out, wire.Object{"path": path, "propertyChangeType": "Modify", "before": was, "after": want[k]})
		}
	}
	return out
}

func sameJSON(a, b any) bool {
	one, errOne := json.Marshal(a)
	other, errOther := json.Marshal(b)
	return errOne == nil && errOther == nil && string(one) == string(other)
}
