package berth

import (
	"errors"
	"fmt"
	"strings"
)

// Code is an ARM error code. arm holds the one map from Code to HTTP status.
type Code string

// The codes that Berth answers with. Texts and meanings follow Azure Resource Manager.
const (
	CodeInternal                Code = "InternalServerError"
	CodeServiceUnavailable      Code = "ServiceUnavailable"
	CodeAuthenticationFailed    Code = "AuthenticationFailed"
	CodeInvalidToken            Code = "InvalidAuthenticationToken"
	CodeExpiredToken            Code = "ExpiredAuthenticationToken"
	CodeForbidden               Code = "AuthorizationFailed"
	CodeMissingAPIVersion       Code = "MissingApiVersionParameter"
	CodeInvalidAPIVersion       Code = "InvalidApiVersionParameter"
	CodeInvalidResourceType     Code = "InvalidResourceType"
	CodeInvalidNamespace        Code = "InvalidResourceNamespace"
	CodeInvalidSubscription     Code = "InvalidSubscriptionId"
	CodeSubscriptionNotFound    Code = "SubscriptionNotFound"
	CodeGroupNotFound           Code = "ResourceGroupNotFound"
	CodeNotFound                Code = "ResourceNotFound"
	CodeParentNotFound          Code = "ParentResourceNotFound"
	CodeOperationNotFound       Code = "OperationNotFound"
	CodeInvalidRequest          Code = "InvalidRequestContent"
	CodeInvalidID               Code = "InvalidResourceId"
	CodeInvalidName             Code = "InvalidResourceName"
	CodeInvalidFilter           Code = "InvalidFilterInQueryString"
	CodeLocationRequired        Code = "LocationRequired"
	CodeInvalidLocation         Code = "InvalidResourceLocation"
	CodeLocationUnavailable     Code = "LocationNotAvailableForResourceType"
	CodeTooLarge                Code = "RequestEntityTooLarge"
	CodeUnsupportedMedia        Code = "UnsupportedMediaType"
	CodeMethodNotAllowed        Code = "MethodNotAllowed"
	CodeBadRequest              Code = "BadRequest"
	CodeDisallowedByPolicy      Code = "RequestDisallowedByPolicy"
	CodeWarning                 Code = "Warning" // reported, and no reason to refuse
	CodeConflict                Code = "Conflict"
	CodeVersionExists           Code = "VersionExists" // Berth's own: it stays so, however often the request is repeated
	CodeBusy                    Code = "OperationNotAllowed"
	CodeAlreadyAttached         Code = "ClusterAlreadyAttached"
	CodeExistsDifferently       Code = "ResourceExistsWithDifferentShape"
	CodePreconditionFailed      Code = "PreconditionFailed"
	CodeClusterUnreachable      Code = "ClusterNotReachable"
	CodeProviderUnavailable     Code = "ProviderUnavailable"
	CodeDeadlineExceeded        Code = "OperationTimedOut"
	CodeServerCrashed           Code = "ServerCrashed" // Berth's own process ended, again and again, while it worked on this
	CodeCanceled                Code = "OperationCanceled"
	CodeStorageFull             Code = "InsufficientStorage"
	CodeUnreadable              Code = "StoredRecordUnreadable" // Berth's own: what the database holds is damaged
	CodeAttachedCannotBeDeleted Code = "AttachedComputeCannotBeDeleted"
)

// Error is the one error type that users see. Any other error that reaches the HTTP layer becomes CodeInternal with an id.
type Error struct {
	Code    Code    `json:"code"`
	Message string  `json:"message"`           // whole sentences: what is wrong and what to do
	Target  string  `json:"target,omitempty"`  // the JSON path of the field at fault, or "name"
	Details []Error `json:"details,omitempty"` // one for each fault when there are several
}

// Errorf creates an Error without a target.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Error implements error.
func (e *Error) Error() string {
	s := e.Message
	for _, d := range e.Details {
		s += "; " + d.Message
	}
	return s
}

// ErrorCode is the code of err: CodeInternal for an error that is no *Error, empty for nil.
func ErrorCode(err error) Code {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return CodeInternal
}

// Sentence is the text of an error that users may see: of an *Error its whole message, of any other error the first line of the
// plain text (Plain), cut to 300 bytes.
func Sentence(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Error()
	}
	text, _, _ := strings.Cut(Plain(err), "\n")
	for i := range text { // at the beginning of a character
		if i > 300 {
			return text[:i]
		}
	}
	return text
}
