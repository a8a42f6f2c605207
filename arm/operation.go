package arm

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"berth.dev/berth"
	"berth.dev/berth/store"
	"berth.dev/berth/wire"
)

// operationURL is the address of an operation: at the scope of the subscription, so that it remains when the resource is deleted.
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
		return nil, berth.Errorf(berth.CodeOperationNotFound,
			"There is no operation '%.60s'. Operations can be read until %d days after they ended.",
			id, int(berth.OperationRetention.Hours()/24))
	}
	if err == nil && !q.mayRead(op.ResourceID) {
		return nil, q.denied(readOf(op.ResourceID), op.ResourceID.String())
	}
	return op, err
}

// completed is the name of the operation of a change that is complete. It is not stored: operationStatus answers it from its name.
func completed(at time.Time) string { return wire.Settled + strconv.FormatInt(at.UnixMicro(), 36) }

// completedAt is the time in such a name.
func completedAt(name string) (time.Time, bool) {
	micros, err := strconv.ParseInt(strings.TrimPrefix(name, wire.Settled), 36, 64)
	return time.UnixMicro(micros), err == nil && strings.HasPrefix(name, wire.Settled)
}

// operationStatus answers the Azure-AsyncOperation address: always 200 while it can be read.
func (s *Server) operationStatus(q *request, t target) (*response, error) {
	if at, isCompleted := completedAt(t.words[2]); isCompleted {
		return ok(wire.SettledOperation(cleanPath(q.URL.Path), at)), nil
	}
	op, err := s.operation(q, t.words[2])
	if err != nil {
		return nil, err
	}
	res := ok(wire.Operation(op, cleanPath(q.URL.Path), faultStatus(op.Err)))
	if !op.State.Terminal() {
		res.header = map[string]string{"Retry-After": "1"}
	}
	return res, nil
}

// operationResult answers the Location address: 202 while the operation is in progress, then the final answer of the request.
func (s *Server) operationResult(q *request, t target) (*response, error) {
	op, err := s.operation(q, t.words[2])
	switch {
	case err != nil:
		return nil, err
	case !op.State.Terminal():
		header := map[string]string{"Location": q.base + q.URL.RequestURI(), "Retry-After": "1"}
		return &response{status: http.StatusAccepted, header: header}, nil
	case op.Err != nil:
		return nil, op.Err
	case op.Verb.Removes():
		return &response{status: http.StatusNoContent}, nil
	}
	return s.get(q, target{kind: kindOf(op.ResourceID.Type()), id: op.ResourceID})
}

// manyOperations is the maximum number of operations in a list.
const manyOperations = 200

// listOperations answers the latest operations of the subscription: of one resource with ?resourceId=, those in progress with
// ?active=true. In Azure this is the activity log.
func (s *Server) listOperations(q *request, _ target) (*response, error) {
	var of berth.ID
	if text := q.param("resourceId"); text != "" {
		var err error
		if of, err = berth.ParseID(text); err != nil {
			return nil, berth.Errorf(berth.CodeInvalidID, "%v.", err)
		}
	}
	limit, err := top(q)
	if err != nil {
		return nil, err
	}
	if limit == 0 || limit > manyOperations {
		limit = manyOperations
	}
	all, err := s.Store.Operations(q.Context(), of, strings.EqualFold(q.param("active"), "true"), limit)
	if err != nil {
		return nil, err
	}
	value := []any{}
	for _, op := range all {
		if !q.mayRead(op.ResourceID) {
			continue
		}
		id := s.root() + "/operations/" + op.ID
		one := wire.Operation(op, id, faultStatus(op.Err))
		properties := one["properties"].(wire.Object)
		properties["steps"], properties["caller"] = wire.Steps(op.Steps), op.Caller
		value = append(value, one)
	}
	return ok(wire.Object{"value": value}), nil
}
