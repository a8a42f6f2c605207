package arm

import (
	"encoding/json"
	"net/http"
	"sync"

	"berth.dev/berth/wire"
)

const (
	// maxAnswers limits the memory of all stored answers together, in bytes.
	maxAnswers = 16 << 20
	// maxAnswer is the maximum size of a stored answer, in bytes. Larger ones are rare, and a few of them would displace all others.
	maxAnswer = 256 << 10
	// answerOverhead is the approximate cost of an entry besides its texts, in bytes.
	answerOverhead = 1 << 10
)

// answers stores resources as they were last sent, until anything changes in the store. Clients poll: most GETs read a resource that
// has not changed, and are answered without the database and an encoder.
//
// One count of changes for all answers is coarse, but needs no list of dependencies that could be wrong. When the memory is used up,
// all answers are dropped at once: the next requests store them again.
type answers struct {
	mu      sync.RWMutex
	changes uint64 // the store's count of changes for which all entries are valid
	kept    map[answerKey]answer
	size    int // bytes of kept
}

// answerKey is all that an encoded resource depends on besides the store: its path, and the address of the server that the client
// used. It does not depend on the api-version, nor on anything else in the query.
type answerKey struct{ base, path string }

func keyOf(q *request) answerKey { return answerKey{q.base, q.path} }

// answer is an encoded resource, with the target to which its path was parsed.
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
		return // two requests encoded the same resource at once
	}
	a.kept[k] = x
	a.size += size
}

// fromMemory finds the stored answer to GET of one resource, if nothing has changed in the store since.
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

// encoded reads and encodes a resource, and stores the result if nothing has changed meanwhile.
func (s *Server) encoded(q *request, t target) (answer, error) {
	changes, settled := s.Store.Revision()
	r, err := s.load(q, t.id)
	if err != nil {
		return answer{}, err
	}
	body, err := json.Marshal(t.kind.encode(s, q, r))
	a := answer{target: t, etag: wire.ETag(r.Generation), body: body}
	if now, _ := s.Store.Revision(); err == nil && settled && now == changes {
		s.answers.put(changes, keyOf(q), a)
	}
	return a, err
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
