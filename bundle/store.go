package bundle

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jonboulle/clockwork"
)

// Store keeps files in a folder, each under its digest. A file that is still coming is beside them, under another name.
type Store struct {
	dir, token string
	now        func() time.Time

	mu   sync.Mutex
	busy map[string]bool // digests of files that are being written
}

const (
	arriving  = ".part" // the ending of a file that has not come whole
	maxDigest = 80      // bytes of JSON for one of a list
	unused    = time.Hour
)

// OpenStore opens a store. Who has the token may write.
func OpenStore(dir, token string, clock clockwork.Clock) (*Store, error) {
	if len(token) < 16 {
		return nil, errors.New("the token has less than 16 characters")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	return &Store{dir: dir, token: token, now: clock.Now, busy: map[string]bool{}}, nil
}

// Handler serves the store:
//
//	POST   /missing          which of these files have not come whole, and how far they have; with the token
//	POST   /keep             these files are used; others are removed when they are an hour old; with the token
//	PUT    /files/{digest}   ?offset=&size= the next bytes of a file; with the token
//	GET    /files/{digest}   who knows the digest may have the file
func (s *Store) Handler() http.Handler {
	m := http.NewServeMux()
	m.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok\n") })
	m.HandleFunc("GET /files/{digest}", s.get)
	m.HandleFunc("POST /missing", s.writers(s.missing))
	m.HandleFunc("POST /keep", s.writers(s.keep))
	m.HandleFunc("PUT /files/{digest}", s.writers(s.put))
	return m
}

func (s *Store) writers(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if subtle.ConstantTimeCompare([]byte(r.Header.Get(HeaderToken)), []byte(s.token)) != 1 {
			http.Error(w, "the token is wrong", http.StatusForbidden)
			return
		}
		next(w, r)
	}
}

func (s *Store) path(digest string) string { return filepath.Join(s.dir, digest) }

// take reserves a digest for one writer.
func (s *Store) take(digest string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy[digest] {
		return false
	}
	s.busy[digest] = true
	return true
}

func (s *Store) give(digest string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.busy, digest)
}

func (s *Store) get(w http.ResponseWriter, r *http.Request) {
	digest := r.PathValue("digest")
	if !isDigest(digest) {
		http.Error(w, "that is no digest", http.StatusBadRequest)
		return
	}
	f, err := os.Open(s.path(digest))
	if err != nil {
		http.Error(w, "the file is not here", http.StatusNotFound)
		return
	}
	defer func() { _ = f.Close() }()
	w.Header().Set("Content-Type", "application/octet-stream")
	http.ServeContent(w, r, "", time.Time{}, f)
}

func (s *Store) missing(w http.ResponseWriter, r *http.Request) {
	out := []Part{}
	for _, digest := range digests(w, r) {
		if _, err := os.Stat(s.path(digest)); err == nil {
			now := s.now()
			_ = os.Chtimes(s.path(digest), now, now) // about to be used
			continue
		}
		p := Part{Digest: digest}
		if info, err := os.Stat(s.path(digest) + arriving); err == nil {
			p.Offset = info.Size()
		}
		out = append(out, p)
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(out)
}

// put takes the next bytes of a file. They go to the end of what has come; the last ones make the file whole, when the digest is right.
func (s *Store) put(w http.ResponseWriter, r *http.Request) {
	digest := r.PathValue("digest")
	offset, errOffset := strconv.ParseInt(r.URL.Query().Get("offset"), 10, 64)
	size, errSize := strconv.ParseInt(r.URL.Query().Get("size"), 10, 64)
	if !isDigest(digest) || errOffset != nil || errSize != nil || offset < 0 || size < offset || size > MaxSize {
		http.Error(w, "digest, offset or size is wrong", http.StatusBadRequest)
		return
	}
	if !s.take(digest) {
		http.Error(w, "the file is being written", http.StatusConflict)
		return
	}
	defer s.give(digest)
	if _, err := os.Stat(s.path(digest)); err == nil { // it came meanwhile
		return
	}
	err := s.add(r.Context(), digest, Part{Offset: offset}, size, http.MaxBytesReader(w, r.Body, size-offset))
	status := http.StatusInternalServerError
	switch {
	case err == nil:
		return
	case errors.Is(err, errOtherOffset):
		status = http.StatusConflict
	case errors.Is(err, errOtherDigest):
		status = http.StatusUnprocessableEntity
	case errors.Is(err, syscall.ENOSPC):
		status = http.StatusInsufficientStorage
	}
	http.Error(w, err.Error(), status)
}

var (
	errOtherOffset = errors.New("the file has not come that far, or farther")
	errOtherDigest = errors.New("the bytes do not have this digest")
)

func (s *Store) add(ctx context.Context, digest string, at Part, size int64, body io.Reader) error {
	path := s.path(digest) + arriving
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	there, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	if there != at.Offset {
		return fmt.Errorf("%w: %d bytes are here", errOtherOffset, there)
	}
	n, err := io.Copy(f, body)
	if err != nil {
		return err
	}
	if there+n < size {
		return nil
	}
	if err := verify(ctx, f, digest); err != nil {
		if errors.Is(err, errOtherDigest) {
			_ = os.Remove(path)
		}
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return os.Rename(path, s.path(digest))
}

func verify(ctx context.Context, f *os.File, digest string) error {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, while{ctx, f}); err != nil {
		return err
	}
	if hex.EncodeToString(sum.Sum(nil)) != digest {
		return errOtherDigest
	}
	return nil
}

// while reads until a context ends.
type while struct {
	ctx context.Context
	io.Reader
}

func (w while) Read(b []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	return w.Reader.Read(b)
}

// digests reads the list in a request; nil after an answer that refuses it.
func digests(w http.ResponseWriter, r *http.Request) []string {
	var asked []string
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 10*MaxFiles*maxDigest)).Decode(&asked)
	if err != nil || !allDigests(asked) {
		http.Error(w, "the body is not a list of digests", http.StatusBadRequest)
		return nil
	}
	return asked
}

func allDigests(all []string) bool {
	for _, d := range all {
		if !isDigest(d) {
			return false
		}
	}
	return true
}

// keep removes what is not in a list. What has come lately stays: its deployment may not be there yet.
func (s *Store) keep(w http.ResponseWriter, r *http.Request) {
	asked := digests(w, r)
	if asked == nil {
		return
	}
	used := map[string]bool{}
	for _, d := range asked {
		used[d] = true
	}
	all, err := os.ReadDir(s.dir)
	if err != nil {
		http.Error(w, "the files cannot be listed", http.StatusInternalServerError)
		return
	}
	removed := 0
	for _, f := range all {
		digest := strings.TrimSuffix(f.Name(), arriving)
		info, err := f.Info()
		if err != nil || !isDigest(digest) || used[digest] || s.now().Sub(info.ModTime()) < unused || !s.take(digest) {
			continue
		}
		if os.Remove(filepath.Join(s.dir, f.Name())) == nil {
			removed++
		}
		s.give(digest)
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]int{"removed": removed})
}
