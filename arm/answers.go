package arm

import (
	"encoding/json"
	"net/http"
	"sync"

	"berth.dev/berth"
	"berth.dev/berth/wire"
)

const (
	// maxAnswers bounds how many encoded resources are kept: at 2 kB each, about 8 MB.
	maxAnswers = 4096
	// maxAnswerKey keeps strangers' endless addresses out of memory.
	maxAnswerKey = 1024
)

// answers keeps resources as they were last sent, until anything at all changes in the store. Clients poll: most GETs ask
// again for what has not changed, and then neither the router, the database nor an encoder has anything to add.
//
// One count for all of them is coarse and cannot be wrong: there is no list of what depends on what to keep in step.
type answers struct {
	mu      sync.RWMutex
	changes uint64 // the store's count under which everything here is true
	kept    map[answerKey]answer
}

// answerKey is everything that an encoded resource depends on besides the store: the address as it was asked.
type answerKey struct{ base, path, query string }

func keyOf(q *request) answerKey { return answerKey{q.base, q.URL.Path, q.URL.RawQuery} }

type answer struct {
	kind, etag string
	body       []byte
}

func (a *answers) get(changes uint64, k answerKey) (answer, bool) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	if a.changes != changes {
		return answer{}, false
	}
	got, found := a.kept[k]
	return got, found
}

func (a *answers) put(changes uint64, k answerKey, x answer) {
	if len(k.path)+len(k.query) > maxAnswerKey {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.changes != changes || len(a.kept) >= maxAnswers || a.kept == nil {
		a.changes, a.kept = changes, map[answerKey]answer{}
	}
	a.kept[k] = x
}

// remembered answers a GET from memory when nothing has changed since the last one like it; nil when it has to be routed.
func (s *Server) remembered(q *request) *response {
	if q.Method != http.MethodGet && q.Method != http.MethodHead {
		return nil
	}
	changes, settled := s.Store.Revision()
	if !settled {
		return nil
	}
	a, found := s.answers.get(changes, keyOf(q))
	if !found {
		return nil
	}
	q.kindName = a.kind
	return a.response(q)
}

// answer reads and encodes a resource, and keeps the result if nothing has changed meanwhile.
func (s *Server) answer(q *request, k *kind, id berth.ID) (answer, error) {
	changes, settled := s.Store.Revision()
	r, err := s.load(q, id)
	if err != nil {
		return answer{}, err
	}
	body, err := json.Marshal(k.encode(s, q, r))
	made := answer{kind: k.typ, etag: wire.ETag(r.Generation), body: body}
	if now, _ := s.Store.Revision(); err == nil && settled && now == changes {
		s.answers.put(changes, keyOf(q), made)
	}
	return made, err
}

func (a answer) response(q *request) *response {
	if q.Method == http.MethodHead {
		return &response{status: http.StatusNoContent}
	}
	if etagIn(q.Header.Get("If-None-Match"), a.etag) {
		return &response{status: http.StatusNotModified}
	}
	return &response{status: http.StatusOK, body: a.body, header: map[string]string{"ETag": a.etag}}
}
