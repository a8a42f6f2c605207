package arm

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"path"
	"strings"

	"github.com/google/uuid"

	"berth.dev/berth"
	"berth.dev/berth/wire"
)

// Call is a request from inside the process: a template deployment creates its resources under the same rules as any caller.
type Call struct {
	Caller  string // application id of the caller of the template deployment
	Method  string
	Path    string // of the resource
	Version string // api-version
	Body    any    // nil for none
	Query   url.Values
}

// Answer is the answer to a Call.
type Answer struct {
	Operation string         // id of the operation in progress; empty when the change is complete
	Body      map[string]any // nil when there is none
}

// Do answers a call like a request over the network from a caller that has signed in. Its errors are those that a client gets.
func (s *Server) Do(ctx context.Context, c Call) (Answer, error) {
	query := url.Values{"api-version": {c.Version}}
	address := s.Endpoint + (&url.URL{Path: c.Path, RawQuery: query.Encode()}).String()
	r, err := http.NewRequestWithContext(ctx, c.Method, address, http.NoBody)
	if err != nil {
		return Answer{}, err
	}
	caller, known := s.Authority.Known(c.Caller)
	if !known && c.Caller != "" {
		return Answer{}, berth.Errorf(berth.CodeForbidden, "The client '%s', with whose rights this was requested, no longer exists.", c.Caller)
	}
	q := &request{Request: r, id: uuid.NewString(), base: s.Endpoint, caller: caller, inside: true}
	if c.Body != nil {
		if q.body, err = json.Marshal(c.Body); err != nil {
			return Answer{}, err
		}
	}
	res, err := s.answer(q, cleanPath(r.URL.Path))
	if err != nil {
		return Answer{}, err
	}
	return answerOf(res)
}

func answerOf(res *response) (a Answer, err error) {
	at, err := url.Parse(res.header["Azure-AsyncOperation"])
	if err == nil && at.Path != "" && !strings.HasPrefix(path.Base(at.Path), wire.Settled) {
		a.Operation = path.Base(at.Path)
	}
	text, done := res.body.([]byte)
	if !done {
		if text, err = json.Marshal(res.body); err != nil {
			return a, err
		}
	}
	if strings.HasPrefix(string(text), "{") {
		err = json.Unmarshal(text, &a.Body)
	}
	return a, err
}
