package reconcile

import (
	"context"
	"sync"

	"berth.dev/berth"
	"berth.dev/berth/serving"
)

// resolved has the files of what is being worked on, as they are served: each step needs them, and finding them takes a look at each. The
// zero value is ready.
type resolved struct {
	mu sync.Mutex
	of map[string]servedFiles // by the key of the resource
}

// servedFiles are the files of one generation, and where they are read.
type servedFiles struct {
	generation int64
	files      []serving.File
	open       serving.Source
	dockerfile *serving.Dockerfile // with the files of its folder; nil for none
}

func (r *resolved) find(key string, generation int64) (servedFiles, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f, there := r.of[key]
	return f, there && f.generation == generation
}

func (r *resolved) keep(key string, f servedFiles) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.of == nil {
		r.of = map[string]servedFiles{}
	}
	r.of[key] = f
}

func (r *resolved) drop(key string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.of, key)
}

// resolve finds the files that the pods fetch, once for each claim.
func (s *scope) resolve(ctx context.Context, spec *berth.PodSpec) (f servedFiles, err error) {
	key, generation := s.id().Key(), s.claim.Resource.Generation
	if f, there := s.resolved.find(key, generation); there {
		return f, nil
	}
	f.generation = generation
	if f.files, err = s.filesToServe(ctx, spec); err != nil {
		return f, err
	}
	if f.open = s.content; spec.NoCode == nil { // a model without a script is described by files of its own
		if f.files, f.open, err = serving.Pack(ctx, f.files, s.content); err != nil {
			return f, err
		}
	}
	if build := spec.Environment.Build; build != nil {
		if f.dockerfile, f.open, err = s.dockerfile(ctx, build, f.open); err != nil {
			return f, err
		}
	}
	s.resolved.keep(key, f)
	return f, nil
}
