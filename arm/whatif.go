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

// whatIf says what a deployment would change, and changes nothing.
func (s *Server) whatIf(q *request, id berth.ID) (*response, error) {
	d, err := s.readDeployment(q, id)
	if err != nil {
		return nil, err
	}
	d.template.Mask()
	if d.plan, err = d.template.Plan(); err != nil {
		return nil, err
	}
	changes := []any{}
	named := map[string]bool{}
	for _, r := range d.plan.Resources {
		named[strings.ToLower(r.ID())] = true
		if r.Existing || strings.EqualFold(r.Type, berth.TypeDeployment) {
			continue
		}
		change, err := s.wouldChange(q, r)
		if err != nil {
			return nil, err
		}
		changes = append(changes, change)
	}
	if strings.EqualFold(d.in.Properties.Mode, berth.ModeComplete) {
		all, err := s.Store.All(q.Context(), store.Query{Group: berth.GroupID(id.Subscription, id.Group)})
		if err != nil {
			return nil, err
		}
		for _, r := range all {
			if !named[r.ID.Key()] && !r.ID.Is(berth.TypeDeployment) {
				changes = append(changes, wire.Object{"resourceId": r.ID.String(), "changeType": "Delete", "before": wire.Generic(r)})
			}
		}
	}
	return ok(wire.Object{"status": "Succeeded", "properties": wire.Object{"correlationId": q.id, "changes": changes}}), nil
}

// wouldChange compares one resource as the template wants it with what is there.
func (s *Server) wouldChange(q *request, r *template.Resource) (any, error) {
	body, err := r.Body(nil)
	out := wire.Object{"resourceId": r.ID(), "before": nil, "after": nil}
	if template.Late(err) {
		out["changeType"], out["unsupportedReason"] = "Unsupported", "It depends on what is only known once other resources exist."
		return out, nil
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
	out["before"], out["after"], out["changeType"] = now.Body, after, "NoChange"
	if len(delta) > 0 {
		out["changeType"], out["delta"] = "Modify", delta
	}
	return out, nil
}

// differences are the properties that are wanted otherwise than they are. What the template does not name is no difference.
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
