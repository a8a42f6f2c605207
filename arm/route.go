package arm

import (
	"net/http"

	"berth.dev/berth"
)

// answer is the way of every request whose caller is known, from outside (ServeHTTP) and from inside (Do): what its address
// names, whether the caller may do that, the answer from memory if there is one, else the handler of the row. An answer in
// memory stands beside its target, so that its path is not parsed again.
func (s *Server) answer(q *request, path string) (*response, error) {
	if err := q.checkVersion(); err != nil {
		return nil, err
	}
	q.path = path
	kept, found := s.fromMemory(q)
	t := kept.target
	if !found {
		var err error
		if t, err = parse(q.Method, path, s.Subscription); err != nil {
			return nil, err
		}
	}
	q.kindName = t.typ()
	if err := authorize(q, t); err != nil {
		return nil, err
	}
	if found {
		return kept.response(q), nil
	}
	return s.dispatch(q, t)
}

// authorize decides whether the caller may do what is asked. Today every caller who has signed in may do everything; roles
// will be judged here, by caller, t.id and t.right.
func authorize(q *request, t target) error {
	if q.caller.AppID == "" {
		return berth.Errorf(berth.CodeAuthenticationFailed, "Authentication failed. Sign in: the request needs the right '%s'.",
			t.right(q.Method))
	}
	return nil
}

// dispatch lets the handler of the row answer, or refuses the method.
func (s *Server) dispatch(q *request, t target) (*response, error) {
	method := q.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	h := t.methods()[method]
	if h == nil {
		return nil, q.notAllowed(t.allowed()...)
	}
	return h(s, q, t)
}
