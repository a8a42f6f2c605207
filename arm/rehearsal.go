package arm

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"

	"berth.dev/berth"
	"berth.dev/berth/rules"
	"berth.dev/berth/store"
	"berth.dev/berth/template"
)

// rehearsal runs the rules for the resources of a template, in their order, and changes nothing. It knows what the earlier resources
// of the template will have created when the turn of a later one comes.
type rehearsal struct {
	*Server
	q *request
	// created are the resources that do not exist yet, by key. nil when nothing but the id is known of one.
	created map[string]*berth.Resource
	same    map[string]bool // the keys of the resources that the template leaves as they are
	failed  error           // the first error that is not for users, such as one of the store
}

// errNotYet means that a request depends on a resource of the template of which only the id is known yet.
var errNotYet = errors.New("the template creates it")

// stored reads a resource: one that the request assumes to exist (see rehearsal), or one from the store.
func (s *Server) stored(q *request, id berth.ID) (*berth.Resource, error) {
	r, assumed := q.assumed[id.Key()]
	switch {
	case !assumed:
		return s.Store.Get(q.Context(), id)
	case r == nil:
		return nil, errNotYet
	}
	return r, nil
}

// check reports the reasons for which the PUT of a resource would be refused. body is nil when it is not known yet.
func (h *rehearsal) check(r *template.Resource, body map[string]any) (wrong []berth.Error) {
	id, err := berth.ParseID(r.ID())
	if err != nil || r.Existing {
		return nil // the address is checked with everything else of the template
	}
	p, old, err := h.plan(r, body)
	var found []berth.Error
	switch {
	case errors.Is(err, errNotYet):
	case err != nil && berth.ErrorCode(err) == berth.CodeInternal:
		h.failed = cmp.Or(h.failed, err)
		return nil
	case err != nil:
		found = details(err)
	case p != nil:
		found = rules.Reported(p.violations, false)
	}
	for _, d := range found {
		if !h.waitsFor(r, body, d) {
			wrong = append(wrong, ofResource(r, d))
		}
	}
	if old != nil && p != nil {
		h.same[id.Key()] = h.noChange(old, p.change)
	}
	if p != nil && old != nil && old.ID.Key() != id.Key() { // a part
		h.created[id.Key()] = nil
		if _, assumed := h.created[old.ID.Key()]; assumed && len(found) == 0 {
			h.created[old.ID.Key()] = p.change.Resource
		}
	}
	if old == nil {
		h.created[id.Key()] = nil
		if p != nil && len(found) == 0 {
			made := *p.change.Resource
			made.State = berth.StateSucceeded
			h.created[id.Key()] = &made
		}
	}
	return wrong
}

// plan plans the PUT of a resource as a request of the same caller would. The plan is nil for a body that is not known yet; old is nil
// when the resource does not exist, and of a part the resource that it is in.
func (h *rehearsal) plan(r *template.Resource, body map[string]any) (p *plan, old *berth.Resource, err error) {
	q, err := h.request(r, body)
	if err != nil {
		return nil, nil, err
	}
	t, err := parse(http.MethodPut, cleanPath(r.ID()), h.Subscription)
	if err != nil {
		return nil, nil, err
	}
	if right := t.right(http.MethodPut); q.policy != nil && !q.policy.May(q.caller.ObjectID, right, t.id.String()) {
		return nil, nil, q.denied(right, t.id.String())
	}
	if err := h.above(q, t.id); err != nil {
		return nil, nil, err
	}
	if t.part != nil {
		return h.planPart(q, t, body)
	}
	old, err = h.Store.Get(q.Context(), t.id)
	switch {
	case err != nil && !errors.Is(err, store.ErrNotFound):
		return nil, nil, err
	case old != nil && old.Unreadable:
		return nil, old, old.Fault
	case body == nil:
		return nil, old, nil
	}
	p, err = t.kind.put(h.Server, q, t.id, old)
	return p, old, err
}

// planPart plans the PUT of a part, such as a node pool, as the change of its resource.
func (h *rehearsal) planPart(q *request, t target, body map[string]any) (p *plan, of *berth.Resource, err error) {
	of, err = h.stored(q, t.id.Parent())
	switch {
	case err != nil || body == nil || t.part.plan == nil:
		return nil, nil, err
	case of.Unreadable:
		return nil, of, of.Fault
	}
	p, err = t.part.plan(h.Server, q, t.id, of)
	return p, of, err
}

// request is the request that the deployment will send.
func (h *rehearsal) request(r *template.Resource, body map[string]any) (*request, error) {
	address := url.URL{Path: r.ID(), RawQuery: url.Values{"api-version": {r.APIVersion}}.Encode()}
	sent, err := http.NewRequestWithContext(h.q.Context(), http.MethodPut, h.Endpoint+address.String(), http.NoBody)
	if err != nil {
		return nil, err
	}
	q := &request{Request: sent, id: h.q.id, base: h.Endpoint, caller: h.q.caller, path: r.ID(), assumed: h.created,
		policy: h.q.policy, right: h.q.right}
	if err := q.checkVersion(); err != nil {
		return nil, err
	}
	q.body, err = json.Marshal(body)
	return q, err
}

// above checks that the group and the parent of a resource exist, as the store does when it accepts a change.
func (h *rehearsal) above(q *request, id berth.ID) error {
	if id.IsGroup() {
		return nil
	}
	if err := h.groupMissing(q, id); err != nil && !errors.Is(err, errNotYet) {
		return err
	}
	if len(id.Names) < 2 {
		return nil
	}
	_, err := h.stored(q, id.Parent())
	if errors.Is(err, store.ErrNotFound) {
		return h.parentMissing(q, id)
	}
	return err
}

// waitsFor reports whether a refusal only means that a resource is missing which the template creates first.
func (h *rehearsal) waitsFor(r *template.Resource, body map[string]any, d berth.Error) bool {
	text, err := json.Marshal(body)
	if err != nil {
		return false
	}
	all := strings.ToLower(r.ID() + " " + string(text))
	for _, key := range slices.Sorted(maps.Keys(h.created)) {
		name := key[strings.LastIndexByte(key, '/')+1:]
		if strings.Contains(all, key) && (statusOf(d.Code) == http.StatusNotFound || strings.Contains(strings.ToLower(d.Message), "'"+name+"'")) {
			return true
		}
	}
	return false
}

// ofResource is a refusal with the resource as its target, and with the property in the text.
func ofResource(r *template.Resource, d berth.Error) berth.Error {
	at := r.String()
	if d.Target != "" {
		at += ", " + d.Target
	}
	return berth.Error{Code: d.Code, Target: r.ID(), Message: fmt.Sprintf("%s: %s", at, d.Message)}
}

// noChange reports whether a change would store what is stored already. It knows the defaults and the forms of values that the answers
// do not show.
func (h *rehearsal) noChange(old *berth.Resource, w store.Change) bool {
	for name, value := range w.Secrets {
		kept, err := h.Store.Secret(h.q.Context(), old.ID, name)
		if err != nil || !bytes.Equal(kept, value) {
			return false
		}
	}
	return old.Location == w.Resource.Location && sameTags(old.Tags, w.Resource.Tags) &&
		reflect.DeepEqual(requested(old.Body), requested(w.Resource.Body))
}
