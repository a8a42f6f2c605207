package arm

import (
	"cmp"
	"errors"
	"net/http"
	"reflect"
	"strings"

	"berth.dev/berth"
	"berth.dev/berth/rules"
	"berth.dev/berth/store"
	"berth.dev/berth/wire"
)

// attempts is how often a PUT or PATCH is planned again when another request changes the resource meanwhile.
const attempts = 4

// plan is the change that a PUT or PATCH requests, with its violations and warnings.
type plan struct {
	change     store.Change
	violations []rules.Violation
	before     func() error // what must be stored first; it may be stored and the change not
}

// patch answers PATCH of any kind.
func (s *Server) patch(q *request, t target) (*response, error) {
	return s.change(q, t.id, func(old *berth.Resource) (*plan, error) {
		if old == nil {
			return nil, s.missing(q, t.id)
		}
		return t.kind.patch(s, q, old)
	}, t.kind)
}

// change plans with the stored resource, and lets the store accept the plan. When another request has changed the resource
// meanwhile, it plans again.
func (s *Server) change(q *request, id berth.ID, decide func(old *berth.Resource) (*plan, error), k *kind) (*response, error) {
	for range attempts {
		res, err := s.tryChange(q, id, decide, k)
		if !errors.Is(err, store.ErrMoved) || q.Header.Get("If-Match") != "" {
			return res, err
		}
	}
	return nil, store.ErrMoved
}

func (s *Server) tryChange(q *request, id berth.ID, decide func(old *berth.Resource) (*plan, error), k *kind) (*response, error) {
	old, err := s.Store.Get(q.Context(), id)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	etag := ""
	if old != nil {
		etag = wire.ETag(old.Generation)
	}
	if err := q.match(etag); err != nil {
		return nil, err
	}
	if old != nil && old.Unreadable {
		return nil, old.Fault
	}
	p, err := decide(old)
	if err != nil {
		return nil, err
	}
	if e := rules.AsError(p.violations); e != nil {
		return nil, e
	}
	w := p.change
	w.Caller, w.Verb = q.caller.AppID, berth.VerbCreate
	if old != nil {
		w.Verb, w.Base = berth.VerbUpdate, old.Generation
		if s.noEffect(q, old, w) {
			return warned(s.accepted(q, k, http.StatusOK, old, old.OperationID), p.violations), nil
		}
	}
	if p.before != nil {
		if err := p.before(); err != nil {
			return nil, err
		}
	}
	r, op, err := s.Store.Accept(q.Context(), w)
	if err != nil {
		return nil, err
	}
	status := http.StatusOK
	if old == nil {
		status = k.created
	}
	operation := ""
	if op != nil {
		operation = op.ID
	}
	return warned(s.accepted(q, k, status, r, operation), p.violations), nil
}

// warned adds the warnings, in the header that Kubernetes uses for its own.
func warned(res *response, vs []rules.Violation) *response {
	var all []string
	for _, w := range rules.Reported(vs, true) {
		all = append(all, `299 berth "`+headerText(w.Message)+`"`)
	}
	if len(all) > 0 {
		res.header["Warning"] = strings.Join(all, ", ")
	}
	return res
}

// headerText converts a text for a header: printable ASCII without quotation marks.
func headerText(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '"' || r == '\\':
			return '\''
		case r == '×':
			return 'x'
		case r < 0x20 || r > 0x7e:
			return '?'
		}
		return r
	}, s)
}

// noEffect reports whether a request repeats the one that has succeeded. The operation of that request must still exist, because
// clients poll it.
func (s *Server) noEffect(q *request, old *berth.Resource, w store.Change) bool {
	same := old.State == berth.StateSucceeded && old.Location == w.Resource.Location && len(w.Secrets) == 0 &&
		sameTags(old.Tags, w.Resource.Tags) && reflect.DeepEqual(requested(old.Body), requested(w.Resource.Body))
	if !same || old.OperationID == "" {
		return same
	}
	_, err := s.Store.Operation(q.Context(), old.OperationID)
	return err == nil
}

// requested is a body without the warnings, and without whether it was forced: both may differ between two equal requests.
func requested(b berth.Body) berth.Body {
	switch b := b.(type) {
	case *berth.Compute:
		plain := *b
		plain.Warnings, plain.Spec.TakeOver = nil, false
		return &plain
	case *berth.Cluster:
		plain := *b
		plain.Warnings, plain.Spec.TakeOver = nil, false
		return &plain
	case *berth.Workspace:
		plain := *b
		plain.Warnings = nil
		return &plain
	case *berth.Endpoint:
		plain := *b
		plain.Warnings = nil
		return &plain
	case *berth.Deployment:
		plain := *b
		plain.Warnings = nil
		return &plain
	}
	return b
}

func sameTags(a, b map[string]string) bool {
	return len(a) == 0 && len(b) == 0 || reflect.DeepEqual(a, b)
}

// accepted answers a change that the store has accepted, with the address under which its operation can be polled.
func (s *Server) accepted(q *request, k *kind, status int, r *berth.Resource, operation string) *response {
	if status == http.StatusOK && k.updated != 0 {
		status = k.updated
	}
	res := &response{status: status, body: k.encode(s, q, r), header: map[string]string{"ETag": wire.ETag(r.Generation)}}
	if operation == "" && k.polled {
		operation = completed(r.ModifiedAt)
	}
	if operation != "" {
		res.header["Azure-AsyncOperation"] = s.operationURL(q, r, operation, "operationsStatuses")
		res.header["Retry-After"] = "1"
	}
	return res
}

// remove answers DELETE of any kind.
func (s *Server) remove(q *request, t target) (*response, error) {
	old, err := s.Store.Get(q.Context(), t.id)
	if errors.Is(err, store.ErrNotFound) {
		if t.id.IsGroup() { // az expects a 404 here
			return nil, s.missing(q, t.id)
		}
		return &response{status: http.StatusNoContent}, nil
	}
	if err != nil {
		return nil, err
	}
	if err := q.match(wire.ETag(old.Generation)); err != nil {
		return nil, err
	}
	if t.kind.record != nil && old.State != berth.StateDeleting {
		return s.removeRecord(q, t, old)
	}
	verb, err := t.kind.remove(s, q, old)
	if err != nil {
		return nil, err
	}
	r, op, err := s.Store.Accept(q.Context(), store.Change{Verb: verb, Resource: old, Caller: q.caller.AppID, Settled: t.kind.atOnce})
	switch {
	case berth.ErrorCode(err) == berth.CodeBusy && old.State == berth.StateDeleting: // the same request twice: the same answer twice
		return s.followed(q, old, old.OperationID), nil
	case errors.Is(err, store.ErrNotFound):
		return &response{status: http.StatusNoContent}, nil
	case err != nil:
		return nil, err
	case op == nil:
		return &response{status: http.StatusOK}, nil
	}
	return s.followed(q, r, op.ID), nil
}

// removeRecord removes a record, with everything inside it, at once.
func (s *Server) removeRecord(q *request, t target, old *berth.Resource) (*response, error) {
	if removing := t.kind.record.removing; removing != nil && !old.Unreadable {
		if err := removing(s, q, old); err != nil {
			return nil, err
		}
	}
	res := &response{status: cmp.Or(t.kind.record.deleted, http.StatusOK), header: map[string]string{}}
	if t.kind.record.answers {
		res.body = t.kind.encode(s, q, old)
	}
	if t.kind.polled {
		res.header["Azure-AsyncOperation"] = s.operationURL(q, old, completed(s.Clock.Now()), "operationsStatuses")
		res.header["Retry-After"] = "1"
	}
	return res, s.drop(q, old.ID)
}

// followed is 202 Accepted, with the addresses at which the operation can be polled.
func (s *Server) followed(q *request, r *berth.Resource, operation string) *response {
	return &response{status: http.StatusAccepted, header: map[string]string{
		"Azure-AsyncOperation": s.operationURL(q, r, operation, "operationsStatuses"),
		"Location":             s.operationURL(q, r, operation, "operationResults"),
		"Retry-After":          "1",
	}}
}
