package arm

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"berth.dev/berth"
	"berth.dev/berth/store"
	"berth.dev/berth/wire"
)

// operationURL is where an operation is read: at subscription scope, so that it outlives its resource.
func (s *Server) operationURL(q *request, r *berth.Resource, operation, what string) string {
	namespace := r.ID.Namespace
	if namespace == "" {
		namespace = "Microsoft.Resources"
	}
	return q.base + "/subscriptions/" + r.ID.Subscription + "/providers/" + namespace + "/locations/" + url.PathEscape(r.Location) +
		"/" + what + "/" + operation + "?api-version=" + url.QueryEscape(q.version)
}

func (s *Server) operation(q *request, id string) (*berth.Operation, error) {
	op, err := s.Store.Operation(q.Context(), id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, berth.Errorf(berth.CodeOperationNotFound, "There is no operation '%.60s'. Operations can be read until %d days after they ended.", id, int(berth.OperationRetention.Hours()/24))
	}
	return op, err
}

// operationStatus answers the Azure-AsyncOperation address: always 200 while it can be read.
func (s *Server) operationStatus(q *request, id string) (*response, error) {
	op, err := s.operation(q, id)
	if err != nil {
		return nil, err
	}
	res := ok(wire.Operation(op, cleanPath(q.URL.Path), faultStatus(op.Err)))
	if !op.State.Terminal() {
		res.header = map[string]string{"Retry-After": "1"}
	}
	return res, nil
}

// operationResult answers the Location address: 202 while under way, then what the request itself would have answered.
func (s *Server) operationResult(q *request, id string) (*response, error) {
	op, err := s.operation(q, id)
	switch {
	case err != nil:
		return nil, err
	case !op.State.Terminal():
		return &response{status: http.StatusAccepted, header: map[string]string{"Location": q.base + q.URL.RequestURI(), "Retry-After": "1"}}, nil
	case op.Err != nil:
		return nil, op.Err
	case op.Verb.Removes():
		return &response{status: http.StatusNoContent}, nil
	}
	k := kindOf(op.ResourceID.Type())
	return s.get(q, k, op.ResourceID)
}

// action answers POST …/{resource}/{action}.
func (s *Server) action(q *request, k *kind, id berth.ID, name string) (*response, error) {
	for word, do := range k.actions {
		if strings.EqualFold(word, name) {
			r, err := s.load(q, id)
			if err != nil {
				return nil, err
			}
			return do(s, q, r)
		}
	}
	return nil, berth.Errorf(berth.CodeInvalidResourceType, "'%s' has no action '%.60s'.", k.typ, name)
}

// settled refuses credential actions on what has none yet.
func settled(r *berth.Resource) error {
	if r.State == berth.StateSucceeded || r.State == berth.StateUpdating {
		return nil
	}
	return berth.Errorf(berth.CodeConflict, "'%s' is %s; it has credentials once it is Succeeded.", r.ID.Name(), r.State)
}
