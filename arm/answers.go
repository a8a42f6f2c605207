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
	// answerOverhead is about what a map entry costs besides its texts.
	answerOverhead = 256
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
type answerKey struct{ base, id string }

func keyOf(q *request, t target) answerKey { return answerKey{q.base, t.id.Key()} }

type answer struct {
	etag string
	body []byte
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
	size := len(k.base) + len(k.id) + len(x.etag) + len(x.body) + answerOverhead
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

// fromMemory answers GET of one resource when nothing has changed since it was last sent; nil when it must be read.
func (s *Server) fromMemory(q *request, t target) *response {
	if t.kind == nil || t.part != nil || t.collection || q.Method != http.MethodGet && q.Method != http.MethodHead {
		return nil
	}
	changes, settled := s.Store.Revision()
	if !settled {
		return nil
	}
	a, found := s.answers.get(changes, keyOf(q, t))
	if !found {
		return nil
	}
	return a.response(q)
}

// encoded reads and encodes a resource, and keeps the result if nothing has changed meanwhile.
func (s *Server) encoded(q *request, t target) (answer, error) {
	changes, settled := s.Store.Revision()
	r, err := s.load(q, t.id)
	if err != nil {
		return answer{}, err
	}
	body, err := json.Marshal(t.kind.encode(s, q, r))
	made := answer{etag: wire.ETag(r.Generation), body: body}
	if now, _ := s.Store.Revision(); err == nil && settled && now == changes {
		s.answers.put(changes, keyOf(q, t), made)
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
