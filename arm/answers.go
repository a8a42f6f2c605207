package arm

import (
	"encoding/json"
	"net/http"
	"sync"

	"berth.dev/berth/wire"
)

const (
	// maxAnswers bounds the memory of all kept answers together, in bytes.
	maxAnswers = 16 << 20
	// maxAnswer is the size up to which an answer is kept. Larger ones are rare, and few of them would push out all others.
	maxAnswer = 256 << 10
	// answerOverhead is about what an entry costs besides its texts.
	answerOverhead = 1 << 10
)

// answers keeps resources as they were last sent, until anything at all changes in the store. Clients poll: most GETs ask
// again for what has not changed, and then neither the database nor an encoder has anything to add.
//
// One count for all of them is coarse and cannot be wrong: there is no list of what depends on what to keep in step. When the
// room is used up, all are dropped at once: what is asked for again comes back with the next request.
type answers struct {
	mu      sync.RWMutex
	changes uint64 // the store's count under which everything here is true
	kept    map[answerKey]answer
	size    int // bytes of kept
}

// answerKey is everything that an encoded resource depends on besides the store: which one it is, and the address of the
// server that the client used. It does not depend on the api-version, nor on anything else in the query.
type answerKey struct{ base, path string }

func keyOf(q *request) answerKey { return answerKey{q.base, q.path} }

// answer is an encoded resource, with the target that its path was parsed into.
type answer struct {
	target target
	etag   string
	body   []byte
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
	size := len(k.base) + len(k.path) + len(x.body) + answerOverhead
	if size > maxAnswer {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.changes != changes || a.size+size > maxAnswers || a.kept == nil {
		a.changes, a.kept = changes, map[answerKey]answer{}
		a.size = 0
	}
	if _, there := a.kept[k]; there {
		return // two requests encoded the same at once
	}
	a.kept[k] = x
	a.size += size
}

// fromMemory finds the answer to GET of one resource when nothing has changed since it was last sent.
func (s *Server) fromMemory(q *request) (a answer, found bool) {
	if q.Method != http.MethodGet && q.Method != http.MethodHead {
		return answer{}, false
	}
	changes, settled := s.Store.Revision()
	if !settled {
		return answer{}, false
	}
	return s.answers.get(changes, keyOf(q))
}

// encoded reads and encodes a resource, and keeps the result if nothing has changed meanwhile.
func (s *Server) encoded(q *request, t target) (answer, error) {
	changes, settled := s.Store.Revision()
	r, err := s.load(q, t.id)
	if err != nil {
		return answer{}, err
	}
	body, err := json.Marshal(t.kind.encode(s, q, r))
	made := answer{target: t, etag: wire.ETag(r.Generation), body: body}
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
