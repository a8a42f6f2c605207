package arm

import (
	"encoding/json"
	"errors"
	"strings"

	"berth.dev/berth"
	"berth.dev/berth/rules"
	"berth.dev/berth/store"
	"berth.dev/berth/wire"
)

// identity reads the managed identity that a request names. was is the present one: a request without an identity keeps it. User-assigned
// identities must exist.
func (s *Server) identity(q *request, in *wire.IdentityFields, was *berth.Identity) (*berth.Identity, []rules.Violation, error) {
	if in == nil {
		return was, nil, nil
	}
	out := &berth.Identity{Type: in.Type}
	violations := rules.Identity(in.Type, len(in.UserAssigned))
	for _, text := range in.IDs() {
		ids, err := s.userAssigned(q, text, "identity.userAssignedIdentities")
		if violation, isOurs := rules.Of(err); isOurs {
			violations = append(violations, violation...)
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		if out.UserAssigned == nil {
			out.UserAssigned = map[string]berth.IdentityIDs{}
		}
		out.UserAssigned[text] = ids
	}
	return out, violations, nil
}

// kubelet completes a cluster whose request names an identity for the kubelets. The identity must exist when it is named first.
func (s *Server) kubelet(q *request, spec, old *berth.ClusterSpec) ([]rules.Violation, error) {
	text := wire.KubeletID(spec)
	switch {
	case text == "":
		spec.Kubelet = nil
		return nil, nil
	case old != nil && strings.EqualFold(text, wire.KubeletID(old)):
		return nil, nil
	}
	ids, err := s.userAssigned(q, text, "properties.identityProfile.kubeletidentity.resourceId")
	if violations, isOurs := rules.Of(err); isOurs {
		return violations, nil
	}
	spec.Kubelet = &ids
	return nil, err
}

// userAssigned finds an identity. The error is a *berth.Error when there is none.
func (s *Server) userAssigned(q *request, text, target string) (ids berth.IdentityIDs, err error) {
	id, err := berth.ParseID(text)
	if err != nil || !id.Is(berth.TypeIdentity) {
		return ids, &berth.Error{Code: berth.CodeInvalidID, Target: target, Message: "'" + text + "' is not the id of a user-assigned identity."}
	}
	if err := s.linked(q, id, berth.TypeIdentity+"/assign/action"); err != nil {
		return ids, err
	}
	r, err := s.stored(q, id)
	if errors.Is(err, store.ErrNotFound) {
		return ids, &berth.Error{Code: berth.CodeNotFound, Target: target, Message: "There is no user-assigned identity '" + id.Name() +
			"' in resource group '" + id.Group + "'. Create it first (az identity create)."}
	}
	if err != nil {
		return ids, err
	}
	values := r.Body.(*berth.Record).Values
	ids.PrincipalID, _ = values["principalId"].(string)
	ids.ClientID, _ = values["clientId"].(string)
	return ids, nil
}

// patchByPut answers PATCH: the patch is laid over the present answer as JSON merge patch has it (RFC 7396), and what results is
// treated as a PUT. `tags` replace all others, as in Resource Manager.
func patchByPut(put func(s *Server, q *request, id berth.ID, old *berth.Resource) (*plan, error),
	encode func(s *Server, q *request, r *berth.Resource) wire.Object) func(*Server, *request, *berth.Resource) (*plan, error) {
	return func(s *Server, q *request, old *berth.Resource) (*plan, error) {
		var patch map[string]any
		if err := wire.Decode(q.body, &patch); err != nil {
			return nil, err
		}
		if len(patch) == 1 && patch["tags"] != nil || len(patch) == 0 {
			return patchTags(s, q, old)
		}
		whole := wire.Plain(encode(s, q, old))
		if patch["tags"] != nil {
			delete(whole, "tags")
		}
		mergePatch(whole, patch)
		as, err := q.withBody(whole)
		if err != nil {
			return nil, err
		}
		return put(s, as, old.ID, old)
	}
}

// withBody is the same request with another body: that of the PUT which a PATCH or an action stands for.
func (q *request) withBody(whole map[string]any) (*request, error) {
	body, err := json.Marshal(whole)
	if err != nil {
		return nil, err
	}
	as := *q
	as.body = body
	return &as, nil
}

// mergePatch lays a patch over a document. null stays, so that a PUT resets what the patch removes.
func mergePatch(doc, patch map[string]any) {
	for key, v := range patch {
		for k := range doc {
			if strings.EqualFold(k, key) {
				key = k
			}
		}
		inner, isObject := v.(map[string]any)
		below, hasObject := doc[key].(map[string]any)
		if isObject && hasObject {
			mergePatch(below, inner)
		} else {
			doc[key] = v
		}
	}
}
