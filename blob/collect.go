package blob

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"time"

	cloud "gocloud.dev/blob"
)

// Sweep says what [Store.Collect] may remove.
type Sweep struct {
	// Rest is how long names stay at least after they were written, read or listed, and content after it was written. It must be longer
	// than a request takes that reads a name and then refers to it where Keep finds that.
	Rest time.Duration
	// Uploads is how long the blocks of a file stay after the last one came.
	Uploads time.Duration
	// Keep is asked for each name in a container that is there; empty keeps all names. It must know what referred to them when Collect
	// was called.
	Keep func(At, Info) bool
}

// Swept counts what was removed.
type Swept struct{ Names, Contents, Blocks int }

// Collect removes names that nothing holds, then content that no name uses, and blocks that became no file. It may run while files
// are written and read: what is read at that moment stays readable in a folder.
func (s *Store) Collect(ctx context.Context, sweep Sweep) (Swept, error) {
	s.sweeping.Lock()
	defer s.sweeping.Unlock()
	s.watch()
	defer s.unwatch()
	var swept Swept
	now := s.clock.Now()
	before := now.Add(-sweep.Rest)
	used, err := s.sweepNames(ctx, before, sweep.Keep, &swept)
	if err == nil {
		err = s.sweepContents(ctx, before, used, &swept)
	}
	s.forget(before)
	return swept, errors.Join(err, s.sweepBlocks(now.Add(-sweep.Uploads), &swept))
}

// use notes that a name was read. The caller has its lock.
func (s *Store) use(at At) {
	now := s.clock.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used[at] = now
}

// usedSince reports whether a name was read since then.
func (s *Store) usedSince(at At, then time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.used[at].Before(then)
}

// forget forgets which names were read before.
func (s *Store) forget(before time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.used, func(_ At, t time.Time) bool { return t.Before(before) })
}

// watch notes from here on which content gets a name.
func (s *Store) watch() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.placed = map[string]bool{}
	for digest := range s.placing {
		s.placed[digest] = true
	}
}

func (s *Store) unwatch() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.placed = nil
}

// sweepNames returns the digests that the remaining names use.
func (s *Store) sweepNames(ctx context.Context, before time.Time, keep func(At, Info) bool, swept *Swept) (map[string]bool, error) {
	containers, err := s.Containers(ctx)
	if err != nil {
		return nil, err
	}
	there := map[string]bool{}
	for _, c := range containers {
		there[c.Name] = true
	}
	used := map[string]bool{}
	return used, s.each(ctx, nameKey, func(object *cloud.ListObject) error {
		container, _, _ := strings.Cut(strings.TrimPrefix(object.Key, nameKey), "/")
		name, ok := nameOf(container, object.Key)
		if !ok {
			return nil
		}
		at := At{container, name}
		info, err := s.record(ctx, at)
		if errors.Is(err, ErrNotFound) {
			return nil // deleted since
		}
		if err != nil {
			return err // without this digest the sweep could remove what is used
		}
		kept := there[container] && (keep == nil || keep(at, *info))
		if !kept && info.Modified.Before(before) {
			gone, err := s.removeIf(ctx, at, info.ETag, before)
			if gone {
				swept.Names++
			}
			if gone || err != nil {
				return err
			}
		}
		used[info.Digest] = true // or a newer one, which is in placed
		return nil
	})
}

// removeIf removes a name unless it has changed, or was read since then.
func (s *Store) removeIf(ctx context.Context, at At, etag string, then time.Time) (bool, error) {
	defer s.lock(at)()
	if s.usedSince(at, then) {
		return false, nil
	}
	info, err := s.record(ctx, at)
	if err != nil || info.ETag != etag {
		if errors.Is(err, ErrNotFound) {
			err = nil
		}
		return false, err
	}
	return true, s.remove(ctx, recordKey(at))
}

func (s *Store) sweepContents(ctx context.Context, before time.Time, used map[string]bool, swept *Swept) error {
	return s.each(ctx, contentKey, func(object *cloud.ListObject) error {
		digest := object.Key[strings.LastIndex(object.Key, "/")+1:]
		if !digestPattern.MatchString(digest) || used[digest] || !object.ModTime.Before(before) {
			return nil
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.placed[digest] {
			return nil
		}
		if err := s.remove(ctx, object.Key); err != nil {
			return err
		}
		swept.Contents++
		s.room.give(object.Size)
		return nil
	})
}

// sweepBlocks removes the blocks of files that got no new one for long.
func (s *Store) sweepBlocks(before time.Time, swept *Swept) error {
	folders, err := os.ReadDir(s.blocks)
	if err != nil {
		return err
	}
	for _, folder := range folders {
		info, err := folder.Info()
		if err != nil || !info.ModTime().Before(before) {
			continue // gone since, or in use
		}
		n, err := s.dropBlocks(filepath.Join(s.blocks, folder.Name()))
		if err != nil {
			return err
		}
		swept.Blocks += n
	}
	return nil
}

// each calls a function for all objects whose keys have a prefix.
func (s *Store) each(ctx context.Context, prefix string, do func(*cloud.ListObject) error) error {
	for token := cloud.FirstPageToken; len(token) > 0; {
		objects, next, err := s.objects(ctx, token, MaxPage, &cloud.ListOptions{Prefix: prefix})
		if err != nil {
			return err
		}
		for _, object := range objects {
			if err := do(object); err != nil {
				return err
			}
		}
		token = next
	}
	return nil
}

// DeleteContainer removes a container and all its names.
func (s *Store) DeleteContainer(ctx context.Context, name string) error {
	if _, err := s.Container(ctx, name); err != nil {
		return err
	}
	if err := s.remove(ctx, containerKey+name); err != nil {
		return err
	}
	return s.clear(ctx, name)
}

// clear removes all names of a container.
func (s *Store) clear(ctx context.Context, container string) error {
	return s.each(ctx, nameKey+container+"/", func(object *cloud.ListObject) error {
		if err := s.remove(ctx, object.Key); !errors.Is(err, ErrNotFound) {
			return err
		}
		return nil
	})
}
