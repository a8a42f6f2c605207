package arm

import (
	"errors"
	"net/http"

	"berth.dev/berth"
	"berth.dev/berth/models"
)

// answer handles every request whose caller is known, from the network (ServeHTTP) and from inside the process (Do). What the activity
// log must have is in it before the answer goes out.
func (s *Server) answer(q *request, path string) (*response, error) {
	if !models.Serves(path) || s.Models == nil {
		res, err := s.route(q, path)
		if err = s.log(q, res, err); err != nil {
			return nil, err
		}
		return res, nil
	}
	res, err := s.ofModels(q, path)
	err = s.log(q, res, err)
	if e, isOurs := errors.AsType[*berth.Error](err); isOurs && e.Code != berth.CodeInternal {
		return besideFault(e, statusOf(e.Code)), nil
	}
	if err != nil {
		return nil, err
	}
	return res, nil
}

// route parses the address, authorizes the caller, and returns the answer from memory if there is one, else that of the handler of the
// row. An answer in memory has its target, so that its path is not parsed again.
func (s *Server) route(q *request, path string) (*response, error) {
	if res := unserved(path); res != nil {
		return res, nil
	}
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
	if err := s.authorize(q, t.right(q.Method), s.scope(t, path), t.lists()); err != nil {
		return nil, err
	}
	if found {
		return kept.response(q), nil
	}
	return s.dispatch(q, t)
}

// dispatch calls the handler of the row, or refuses the method.
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
