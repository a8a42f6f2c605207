package blob

import (
	"bytes"
	"context"
	"crypto/md5" // #nosec G501 -- the protocol's check of transport; content is known by its SHA-256
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/google/uuid"
)

// Change is what a file shall become besides its content.
type Change struct {
	Properties
	// Allow, if not empty, sees the file that has the name now, or nil, and returns an error to leave it. No other change of this name
	// comes in between.
	Allow func(now *Info) error
}

// Put writes a file, new or over an old one. If the properties have an MD5, the content must have it.
func (s *Store) Put(ctx context.Context, at At, r io.Reader, change Change) (Info, error) {
	if err := s.check(at); err != nil {
		return Info{}, err
	}
	sum := md5.New() // #nosec G401 -- see the import
	u, err := s.receive(io.TeeReader(r, sum))
	if err != nil {
		return Info{}, err
	}
	defer s.discard(u)
	if len(change.MD5) > 0 && !bytes.Equal(change.MD5, sum.Sum(nil)) {
		return Info{}, ErrMD5
	}
	change.MD5 = sum.Sum(nil)
	return s.name(ctx, at, u, change)
}

// upload is content that has arrived completely and that no name uses yet.
type upload struct {
	digest string
	size   int64
	path   string
	order  string // which blocks these were, if it was put together
}

// discard removes content that was not used; after name it does nothing.
func (s *Store) discard(u *upload) {
	if os.Remove(u.path) == nil {
		s.room.give(u.size)
	}
}

// receive writes content to the disk.
func (s *Store) receive(r io.Reader) (*upload, error) {
	sum := sha256.New()
	taking := &counted{Reader: r, room: &s.room}
	path, size, err := s.arrive(io.TeeReader(taking, sum), true)
	if err != nil {
		taking.giveBack()
	}
	return &upload{digest: hex.EncodeToString(sum.Sum(nil)), size: size, path: path}, err
}

// arrive writes a file in the folder of what is on its way. If it is to last, it survives a power failure when this returns.
func (s *Store) arrive(r io.Reader, lasting bool) (path string, size int64, err error) {
	f, err := os.CreateTemp(s.arrival, "")
	if err != nil {
		return "", 0, err
	}
	size, err = io.CopyBuffer(struct{ io.Writer }{f}, r, make([]byte, 256<<10))
	if err == nil && lasting {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		_ = os.Remove(f.Name()) // the first error is the one that matters
	}
	return f.Name(), size, err
}

// name gives content that has arrived a name, new or over an old one.
func (s *Store) name(ctx context.Context, at At, u *upload, change Change) (Info, error) {
	defer s.lock(at)()
	if err := s.hasContainer(ctx, at.Container); err != nil {
		return Info{}, err
	}
	old, err := s.record(ctx, at)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return Info{}, err
	}
	if change.Allow != nil {
		if err := change.Allow(old); err != nil {
			return Info{}, err
		}
	}
	defer s.using(u.digest)()
	if err := s.place(ctx, u); err != nil {
		return Info{}, err
	}
	info := Info{Name: at.Name, Digest: u.digest, Size: u.size, Properties: change.Properties, Blocks: u.order}
	info.Created = s.clock.Now().UTC()
	if old != nil {
		info.Created = old.Created
	}
	return s.write(ctx, at, info)
}

// using keeps the sweep from content until the function that it returns is called. Then a name must use it.
func (s *Store) using(digest string) (done func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.placing[digest]++
	if s.placed != nil {
		s.placed[digest] = true
	}
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.placing[digest]--; s.placing[digest] == 0 {
			delete(s.placing, digest)
		}
	}
}

// place makes content that has arrived findable by its digest.
func (s *Store) place(ctx context.Context, u *upload) error {
	key := contentOf(u.digest)
	there, err := s.bucket.Exists(ctx, key)
	if err != nil || there && s.files == "" {
		return err // a large upload less; in a folder, moving the file costs nothing
	}
	if err := s.move(ctx, u.path, key); err != nil {
		return err
	}
	if there { // the file that it replaces
		s.room.give(u.size)
	}
	return nil
}

// Update changes the properties of a file. The function may return an error to leave the file as it is.
func (s *Store) Update(ctx context.Context, at At, change func(*Info) error) (Info, error) {
	if err := s.check(at); err != nil {
		return Info{}, err
	}
	defer s.lock(at)()
	info, err := s.record(ctx, at)
	if err != nil {
		return Info{}, err
	}
	if err := change(info); err != nil {
		return Info{}, err
	}
	return s.write(ctx, at, *info)
}

// Delete removes a name; the content goes with the next sweep, if no other name uses it. Allow, if not empty, may return an error to
// leave the file.
func (s *Store) Delete(ctx context.Context, at At, allow func(now *Info) error) error {
	if err := s.check(at); err != nil {
		return err
	}
	defer s.lock(at)()
	info, err := s.record(ctx, at)
	if err != nil {
		return err
	}
	if allow != nil {
		if err := allow(info); err != nil {
			return err
		}
	}
	return s.remove(ctx, recordKey(at))
}

// write stores the record of a name whose content is in its place, with a new ETag and time.
func (s *Store) write(ctx context.Context, at At, info Info) (Info, error) {
	id := uuid.New()
	info.Modified, info.ETag = s.clock.Now().UTC(), fmt.Sprintf("0x%X", id[:8])
	return info, s.writeJSON(ctx, recordKey(at), info)
}

func (s *Store) writeJSON(ctx context.Context, key string, value any) error {
	data, err := json.Marshal(value)
	if err != nil {
		return err
	}
	path, _, err := s.arrive(bytes.NewReader(data), true)
	if err != nil {
		return err
	}
	if err := s.move(ctx, path, key); err != nil {
		_ = os.Remove(path) // the first error is the one that matters
		return err
	}
	return nil
}
