package arm

import (
	"context"
	"errors"
	"net/http"

	"berth.dev/berth"
	"berth.dev/berth/identity"
	"berth.dev/berth/store"
)

// statuses is the one map from error code to HTTP status. All other codes are a 400: the fault is in the request.
var statuses = map[berth.Code]int{
	berth.CodeInternal:                http.StatusInternalServerError,
	berth.CodeServerCrashed:           http.StatusInternalServerError,
	berth.CodeServiceUnavailable:      http.StatusServiceUnavailable,
	berth.CodeProviderUnavailable:     http.StatusServiceUnavailable,
	berth.CodeAuthenticationFailed:    http.StatusUnauthorized,
	berth.CodeInvalidToken:            http.StatusUnauthorized,
	berth.CodeExpiredToken:            http.StatusUnauthorized,
	codeLinkedNotAuthorized:           http.StatusForbidden,
	berth.CodeForbidden:               http.StatusForbidden,
	berth.CodeDisallowedByPolicy:      http.StatusForbidden,
	berth.CodeInvalidResourceType:     http.StatusNotFound,
	berth.CodeInvalidNamespace:        http.StatusNotFound,
	berth.CodeSubscriptionNotFound:    http.StatusNotFound,
	berth.CodeGroupNotFound:           http.StatusNotFound,
	berth.CodeNotFound:                http.StatusNotFound,
	berth.CodeParentNotFound:          http.StatusNotFound,
	berth.CodeOperationNotFound:       http.StatusNotFound,
	berth.CodeInvalidLocation:         http.StatusConflict,
	codeInvalidGroupLocation:          http.StatusConflict,
	codeAssignmentExists:              http.StatusConflict,
	codeNoDeletedVault:                http.StatusNotFound,
	berth.CodeTooLarge:                http.StatusRequestEntityTooLarge,
	berth.CodeUnsupportedMedia:        http.StatusUnsupportedMediaType,
	berth.CodeMethodNotAllowed:        http.StatusMethodNotAllowed,
	berth.CodeConflict:                http.StatusConflict,
	berth.CodeVersionExists:           http.StatusConflict,
	berth.CodeBusy:                    http.StatusConflict,
	berth.CodeAlreadyAttached:         http.StatusConflict,
	berth.CodeAttachedCannotBeDeleted: http.StatusConflict,
	berth.CodePreconditionFailed:      http.StatusPreconditionFailed,
	berth.CodeStorageFull:             http.StatusInsufficientStorage,
	berth.CodeUnreadable:              http.StatusConflict,
}

func statusOf(c berth.Code) int {
	if status, ok := statuses[c]; ok {
		return status
	}
	return http.StatusBadRequest
}

// faultStatus is the status that a stored fault would have had as a direct answer; 0 when there is none.
func faultStatus(e *berth.Error) int {
	if e == nil {
		return 0
	}
	return statusOf(e.Code)
}

// told is an error as it is answered. Any error but a *berth.Error becomes a 500 with an id that is also in the log.
func (s *Server) told(q *request, err error) *berth.Error {
	e, isOurs := errors.AsType[*berth.Error](err)
	switch {
	case isOurs && (e.Code != berth.CodeInternal || q.unexpected == e):
		return e
	case errors.Is(err, store.ErrMoved):
		return berth.Errorf(berth.CodePreconditionFailed,
			"Another request has changed the resource in the meantime. Read it again and repeat the request.")
	}
	mark := shortID()
	s.Log.Error("unexpected error", "id", mark, "request", q.id, "method", q.Method, "path", q.URL.Path, "error", err)
	q.unexpected = berth.Errorf(berth.CodeInternal, "Berth met an unexpected error. The server's log has the reason under the id %s.", mark)
	return q.unexpected
}

// fail is the one place that writes an error.
func (s *Server) fail(w http.ResponseWriter, q *request, err error) {
	if errors.Is(err, context.Canceled) && q.Context().Err() != nil {
		q.answered = 499 // the client has disconnected
		return
	}
	e := s.told(q, err)
	res := &response{status: statusOf(e.Code), header: map[string]string{}, body: map[string]any{"error": e}}
	switch res.status {
	case http.StatusUnauthorized:
		res.header["WWW-Authenticate"] = identity.Challenge(q.base, s.Authority.TenantID(), e)
	case http.StatusMethodNotAllowed:
		res.header["Allow"] = q.allow
	case http.StatusConflict:
		if e.Code != berth.CodeVersionExists { // Azure's libraries repeat a request that has this header
			res.header["Retry-After"] = "1"
		}
	}
	res.header["x-ms-error-code"] = string(e.Code)
	s.write(w, q, res)
}
