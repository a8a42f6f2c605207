package arm

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"

	"berth.dev/berth"
	"berth.dev/berth/rules"
	"berth.dev/berth/store"
	"berth.dev/berth/wire"
)

// given is a resource that is to be made before another one: the endpoint of a new deployment, or its environment.
type given struct {
	ID   string          `json:"id"`
	Body json.RawMessage `json:"body"`
}

// maxGiven bounds what one request may name: an endpoint, an environment, a model and a code, and as many again.
const maxGiven = 8

// validateOnline reports every violation and warning of a PUT of an online endpoint or a deployment, and changes nothing. The body is that
// of the PUT; "given" beside it are resources that are to be made before. They are judged too, and assumed to exist.
func (s *Server) validateOnline(q *request, t target) (*response, error) {
	body, before := map[string]json.RawMessage{}, []given{}
	if err := wire.Decode(q.body, &body); err != nil {
		return nil, err
	}
	if text, is := body["given"]; is {
		if err := wire.Decode(text, &before); err != nil {
			return nil, err
		}
	}
	if len(before) > maxGiven {
		return nil, berth.Errorf(berth.CodeBadRequest, "The request has %d given resources; at most %d are possible.", len(before), maxGiven)
	}
	delete(body, "given")
	q.assumed = map[string]*berth.Resource{}
	var all []rules.Violation
	for i, g := range before {
		found, err := s.assume(q, g)
		if err != nil {
			return nil, err
		}
		for _, v := range found {
			v.Target = "given[" + strconv.Itoa(i) + "]." + v.Target
			all = append(all, v)
		}
	}
	text, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	q.body = text
	_, found, err := s.planned(q, t)
	if err != nil {
		return nil, err
	}
	all = slices.Concat(all, found)
	return ok(wire.Validation(rules.Reported(all, false), rules.Reported(all, true), nil)), nil
}

// assume plans the PUT of a given resource, and lets the request assume that it was made.
func (s *Server) assume(q *request, g given) ([]rules.Violation, error) {
	id, err := berth.ParseID(g.ID)
	if err != nil {
		return nil, berth.Errorf(berth.CodeBadRequest, "'%.200s' is not the id of a resource.", g.ID)
	}
	t, err := parse(http.MethodPut, cleanPath(id.String()), s.Subscription)
	if err != nil {
		return nil, err
	}
	if t.part != nil || t.kind == nil || t.kind.put == nil || t.id.IsZero() {
		return nil, berth.Errorf(berth.CodeBadRequest, "'%.200s' cannot be given.", g.ID)
	}
	own := *q
	own.body, own.path = g.Body, id.String()
	p, found, err := s.planned(&own, t)
	if err != nil {
		return nil, err
	}
	q.assumed[t.id.Key()] = nil // nothing but the id is known
	if p != nil {
		made := *p.change.Resource
		made.State = berth.StateSucceeded
		q.assumed[t.id.Key()] = &made
	}
	return found, nil
}

// planned plans a PUT, and answers what the rules find. The plan is nil when a field cannot be read, or when what the PUT depends on is
// not known yet.
func (s *Server) planned(q *request, t target) (*plan, []rules.Violation, error) {
	old, err := s.Store.Get(q.Context(), t.id)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, nil, err
	}
	p, err := t.kind.put(s, q, t.id, old)
	if errors.Is(err, errNotYet) {
		return nil, nil, nil
	}
	if err != nil {
		found, isOurs := rules.Of(err)
		if !isOurs {
			return nil, nil, err
		}
		return nil, found, nil
	}
	return p, p.violations, nil
}
