package router

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"berth.dev/berth/router/route"
)

// Headers that the router sets or reads, besides the usual ones.
const (
	HeaderReason     = "X-Berth-Reason" // why a request failed, in plain words
	HeaderRequestID  = "X-Request-Id"
	HeaderMSRequest  = "X-Ms-Request-Id"
	HeaderMSClient   = "X-Ms-Client-Request-Id"
	HeaderDeployment = "Azureml-Model-Deployment" // which version; in the request and in the answer
	headerRunFailed  = "X-Ms-Run-Function-Failed" // of the scoring server of Azure ML: run() raised an exception
)

// codeGone is what metrics say of a request whose client did not wait for the answer.
const codeGone = 499

// failure is an answer that the router gives itself: the text is the one of azureml-fe, because clients look for it.
type failure struct {
	code   int
	text   string
	reason string
	after  time.Duration // for Retry-After; 0 for none
}

func (f *failure) Error() string { return f.text + ": " + f.reason }

func (f *failure) write(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Length", strconv.Itoa(len(f.text)))
	h.Set(HeaderReason, ascii(f.reason))
	if f.after > 0 {
		h.Set("Retry-After", strconv.Itoa(int((f.after+time.Second-1)/time.Second)))
	}
	if f.code == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", "Bearer")
	}
	w.WriteHeader(f.code)
	_, _ = w.Write([]byte(f.text))
}

// ascii makes a text fit for a header.
func ascii(s string) string {
	const most = 500
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || r == '\r':
			return ' '
		case r < ' ' || r > '~':
			return '?'
		}
		return r
	}, s)
	return s[:min(len(s), most)]
}

func notFound(reason string, args ...any) *failure {
	return &failure{http.StatusNotFound, "Not found", fmt.Sprintf(reason, args...), 0}
}

func unauthorized(err error) *failure {
	return &failure{http.StatusUnauthorized, "Unauthorized", err.Error(), 0}
}

func tooLarge(most int64) *failure {
	reason := fmt.Sprintf("the body of a request may have at most %d MB", most>>20)
	return &failure{http.StatusRequestEntityTooLarge, "Request body too large", reason, 0}
}

// Why a request was given up while a replica worked on it.
var (
	errTimeout = errors.New("timeout")
	errUpload  = errors.New("the client stopped sending the body")
	errClosing = errors.New("the router is shutting down")
	errLost    = errors.New("another router of the cluster, which had taken the request over, does not answer any more")
)

// explain turns an error of an exchange into an answer.
func (x *exchange) explain(err error) *failure {
	var tooMany *http.MaxBytesError
	cause := context.Cause(x.Context)
	name, v := x.service.Name.Name, x.what()
	switch {
	case errors.As(err, &tooMany):
		return tooLarge(tooMany.Limit)
	case errors.Is(cause, errTimeout):
		return &failure{http.StatusGatewayTimeout, "Request timed out", fmt.Sprintf("the replica did not answer within %s, the scoring timeout "+
			"of %s; raise scoring_timeout_ms (v1) or request_timeout_ms (v2)", x.version.Timeout(), v), 0}
	case errors.Is(cause, errUpload) || errors.Is(err, errUpload):
		return &failure{http.StatusRequestTimeout, "Request body not received", errUpload.Error(), 0}
	case errors.Is(cause, errClosing):
		return &failure{http.StatusServiceUnavailable, "No ready replicas for service " + name, errClosing.Error(), time.Second}
	case errors.Is(cause, errLost):
		return &failure{http.StatusBadGateway, "Replica closed connection before replying", errLost.Error(), 0}
	case x.in.Context().Err() != nil:
		return &failure{codeGone, "Client closed request", "the client went away", 0}
	case errors.Is(err, errNoReplicas):
		return &failure{http.StatusServiceUnavailable, "No ready replicas for service " + name, x.missing(), time.Second}
	case errors.Is(err, errQueueFull):
		return overloaded(name, fmt.Sprintf("%d requests wait for %s already, the most there may be", maxQueue, v))
	case errors.Is(err, errOverloaded):
		return overloaded(name, x.crowded())
	case errors.As(err, new(*dialError)):
		return &failure{http.StatusServiceUnavailable, "No ready replicas for service " + name,
			fmt.Sprintf("the replicas of %s do not accept connections", v), time.Second}
	}
	return &failure{http.StatusBadGateway, "Replica closed connection before replying", fmt.Sprintf("a replica of %s ended the "+
		"connection before it answered; it may have crashed or run out of memory: see the logs. The request is not sent again, because "+
		"the replica may have worked on it", v), 0}
}

// what is what answers, as its user names it: a service of version 1 has no versions.
func (x *exchange) what() string {
	if x.service.Kind == route.Service {
		return "the service " + x.service.Name.Name
	}
	return "the deployment " + x.version.Name + " of the endpoint " + x.service.Name.Name
}

func overloaded(name, reason string) *failure {
	return &failure{http.StatusServiceUnavailable, "Too many requests for service " + name + " (overloaded)", reason, time.Second}
}

func (x *exchange) missing() string {
	if x.version.pool.load().Busy > 0 {
		return fmt.Sprintf("the replicas of %s are being replaced and none is ready", x.what())
	}
	return fmt.Sprintf("no replica of %s is ready: it is starting, has failed its probe, or has no node; see the logs and the "+
		"state of the service", x.what())
}

func (x *exchange) crowded() string {
	l := x.version.pool.load()
	return fmt.Sprintf("all replicas of %s were busy (%d ready, %d request(s) each at a time) and the request waited longer than "+
		"the %s allowed; add replicas, or raise max_request_wait_time (v1) or max_queue_wait_ms (v2)",
		x.what(), l.Ready, x.version.Concurrency, x.version.QueueWait())
}
