package apptest

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"time"
)

// Object is a JSON object.
type Object = map[string]any

// Request is one request in full. An empty field is sent as a good client would send it.
type Request struct {
	Method string
	Path   string            // or a whole address of this server; api-version is added unless one is there
	Body   any               // a string or bytes are sent as they are, anything else as JSON
	Header map[string]string // written over what would be sent; an empty value removes
	Raw    bool              // send Path as it is, without adding an api-version
}

// Response is one answer.
type Response struct {
	Status int
	Header http.Header
	Body   Object // nil when it was not a JSON object
	Text   string
}

// Do sends a request and reads the answer.
func (s *Server) Do(method, path string, body any) *Response {
	s.t.Helper()
	return s.Send(Request{Method: method, Path: path, Body: body})
}

// Send sends a request.
func (s *Server) Send(q Request) *Response {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), q.Method, s.address(q), body(q.Body))
	s.must(err)
	if q.Body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Authorization", "Bearer "+s.Token)
	for k, v := range q.Header {
		req.Header.Set(k, v)
		if v == "" {
			req.Header.Del(k)
		}
	}
	return s.read(req)
}

// SendRaw sends a request that a test has made itself; only the token is added.
func (s *Server) SendRaw(req *http.Request) *Response {
	s.t.Helper()
	req.Header.Set("Authorization", "Bearer "+s.Token)
	return s.read(req)
}

func (s *Server) read(req *http.Request) *Response {
	s.t.Helper()
	resp, err := s.http.Do(req)
	s.must(err)
	text, err := io.ReadAll(resp.Body)
	s.must(err)
	s.must(resp.Body.Close())
	out := &Response{Status: resp.StatusCode, Header: resp.Header, Text: string(text)}
	_ = json.Unmarshal(text, &out.Body) // not every answer has an object
	return out
}

func (s *Server) address(q Request) string {
	path := strings.TrimPrefix(q.Path, s.Endpoint)
	if !q.Raw && !strings.Contains(path, "api-version=") {
		mark := "?"
		if strings.Contains(path, "?") {
			mark = "&"
		}
		path += mark + "api-version=" + Version
	}
	return s.Endpoint + path
}

func body(b any) io.Reader {
	switch b := b.(type) {
	case nil:
		return nil
	case string:
		return strings.NewReader(b)
	case []byte:
		return strings.NewReader(string(b))
	}
	text, err := json.Marshal(b)
	if err != nil {
		panic(err) // a mistake in a test
	}
	return strings.NewReader(string(text))
}

// Want fails the test unless the answer has this status.
func (s *Server) Want(status int, r *Response) *Response {
	s.t.Helper()
	if r.Status != status {
		s.t.Fatalf("answered %d, want %d: %s", r.Status, status, r.Text)
	}
	return r
}

// Refused fails the test unless the answer is an error with this status and code, whose text holds all words, and which has
// Korean.
func (s *Server) Refused(r *Response, status int, code string, words ...string) {
	s.t.Helper()
	e, _ := r.Body["error"].(Object)
	if r.Status != status || e["code"] != code {
		s.t.Fatalf("answered %d %v, want %d %s: %s", r.Status, e["code"], status, code, r.Text)
	}
	for _, w := range words {
		if !strings.Contains(r.Text, w) {
			s.t.Errorf("the error does not say %q: %s", w, r.Text)
		}
	}
	message, _ := e["message"].(string)
	s.translates(message)
	details, _ := e["details"].([]any)
	for _, d := range details {
		message, _ := At(d, "message").(string)
		s.translates(message)
	}
}

// Until asks again and again until done, and fails the test when that takes too long.
func (s *Server) Until(what string, done func() bool) {
	s.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(Patience); !done(); <-tick.C {
		if time.Now().After(deadline) {
			s.t.Fatalf("waited in vain: %s\n%s", what, s.Log)
		}
	}
}

// WaitOperation follows the operation that an answer began to its end, and returns its last status. An answer that began
// none fails the test.
func (s *Server) WaitOperation(r *Response) Object {
	s.t.Helper()
	where := r.Header.Get("Azure-AsyncOperation")
	if where == "" {
		s.t.Fatalf("no operation began: %d %s", r.Status, r.Text)
	}
	var last *Response
	s.Until("the end of "+where, func() bool {
		last = s.Want(http.StatusOK, s.Do(http.MethodGet, where, nil))
		status := last.Body["status"]
		return status == "Succeeded" || status == "Failed" || status == "Canceled"
	})
	return last.Body
}

// Fails follows an operation that must fail with a code, in words that hold these.
func (s *Server) Fails(r *Response, code string, words ...string) {
	s.t.Helper()
	op := s.WaitOperation(r)
	e, _ := op["error"].(Object)
	message, _ := e["message"].(string)
	if op["status"] != "Failed" || e["code"] != code {
		s.t.Errorf("the operation ended so: %v", op)
	}
	for _, w := range words {
		if !strings.Contains(message, w) {
			s.t.Errorf("the failure does not say %q: %s", w, message)
		}
	}
}

// Succeed follows an operation that must succeed.
func (s *Server) Succeed(r *Response) Object {
	s.t.Helper()
	op := s.WaitOperation(r)
	if op["status"] != "Succeeded" {
		s.t.Fatalf("the operation ended badly: %v\n%s", op, s.Log)
	}
	return op
}
