package arm

import (
	"encoding/json"
	"sync"

	"berth.dev/berth"
	"berth.dev/berth/wire"
)

// maxAnswers bounds how many encoded resources are kept: at 2 kB each, about 8 MB.
const maxAnswers = 4096

// answers keeps resources as they were last sent, until anything at all changes in the store. Clients poll: most GETs ask
// again for what has not changed, and then neither the database nor an encoder has anything to add.
//
// One count for all of them is coarse and cannot be wrong: there is no list of what depends on what to keep in step.
type answers struct {
	mu      sync.RWMutex
	changes uint64 // the store's count under which everything here is true
	kept    map[answerKey]answer
}

// answerKey is everything that an encoded resource depends on besides the store.
type answerKey struct{ base, version, id string }

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
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.changes != changes || len(a.kept) >= maxAnswers || a.kept == nil {
		a.changes, a.kept = changes, map[answerKey]answer{}
	}
	a.kept[k] = x
}

// answer is a resource as it is sent, from memory while nothing has changed.
func (s *Server) answer(q *request, k *kind, id berth.ID) (answer, error) {
	key := answerKey{base: q.base, version: q.version, id: id.Key()}
	changes, settled := s.Store.Changes()
	if settled {
		if got, found := s.answers.get(changes, key); found {
			return got, nil
		}
	}
	r, err := s.load(q, id)
	if err != nil {
		return answer{}, err
	}
	body, err := json.Marshal(k.encode(s, q, r))
	made := answer{etag: wire.ETag(r.Generation), body: body}
	if now, still := s.Store.Changes(); err == nil && settled && still && now == changes {
		s.answers.put(changes, key, made)
	}
	return made, err
}
