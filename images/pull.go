package images

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"cuelabs.dev/go/oci/ociregistry"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// pulledRoom is how many bytes the blobs of other registries may take. Those that were not asked for the longest go first.
const pulledRoom = 16 << 30

// pulls are the blobs that came from other registries, and those that are on their way. They belong to no image of the store.
type pulls struct {
	store *Store
	room  int64
	mu    sync.Mutex
	all   map[digest.Digest]*pull // on their way
}

// pull is a blob on its way into a file. Whoever asks for it meanwhile reads the file as it grows.
type pull struct {
	digest digest.Digest
	cancel context.CancelFunc
	users  int // who fetches and who read; pulls.mu guards it

	mu    sync.Mutex
	moved chan struct{} // closed, and made anew, when something below has changed
	is    ocispec.Descriptor
	file  *os.File
	have  int64
	err   error // io.EOF when all is there
}

func (s *pulls) path(d digest.Digest) string { return filepath.Join(s.store.pulled(), d.Encoded()) }

// open reads a blob, or a part of it. What is not here is fetched once, however many ask for it, as long as somebody reads it.
func (s *pulls) open(ctx context.Context, d digest.Digest, part [2]int64, from func(context.Context) (ociregistry.BlobReader, error)) (
	ociregistry.BlobReader, error) {
	s.mu.Lock()
	if f, err := os.Open(s.path(d)); err == nil {
		s.mu.Unlock()
		return s.whole(f, d, part)
	}
	p := s.all[d]
	if p == nil {
		run, cancel := context.WithCancel(context.WithoutCancel(ctx))
		p = &pull{digest: d, cancel: cancel, users: 1, moved: make(chan struct{})}
		s.all[d] = p
		go s.fetch(run, p, from)
	}
	p.users++
	s.mu.Unlock()
	if err := p.await(ctx, func() bool { return p.file != nil }); err != nil {
		s.leave(p)
		return nil, err
	}
	r := &pullReader{pulls: s, pull: p, ctx: ctx, at: part[0], end: part[1]}
	if r.end < 0 || r.end > p.is.Size {
		r.end = p.is.Size
	}
	if r.at > r.end {
		return nil, errors.Join(ociregistry.ErrRangeInvalid, r.Close())
	}
	return r, nil
}

// whole reads one that is here.
func (s *pulls) whole(f *os.File, d digest.Digest, part [2]int64) (ociregistry.BlobReader, error) {
	now := time.Now()
	_ = os.Chtimes(f.Name(), now, now) // it goes sooner then than it should
	info, err := f.Stat()
	if err == nil && part[0] > info.Size() {
		err = ociregistry.ErrRangeInvalid
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if part[1] < 0 || part[1] > info.Size() {
		part[1] = info.Size()
	}
	is := ocispec.Descriptor{MediaType: blobType, Digest: d, Size: info.Size()}
	return blobReader{io.NewSectionReader(f, part[0], part[1]-part[0]), f, is}, nil
}

// fetch brings a blob, and keeps it when it has its digest.
func (s *pulls) fetch(ctx context.Context, p *pull, from func(context.Context) (ociregistry.BlobReader, error)) {
	err := s.bring(ctx, p, from)
	s.mu.Lock()
	if s.all[p.digest] == p {
		delete(s.all, p.digest)
	}
	s.mu.Unlock()
	p.change(func() { p.err = err })
	s.leave(p)
}

func (s *pulls) bring(ctx context.Context, p *pull, from func(context.Context) (ociregistry.BlobReader, error)) error {
	r, err := from(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }()
	f, err := os.CreateTemp(s.store.uploads(), "pull-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }() // gone already when all went well
	is := r.Descriptor()
	if is.Size > maxBlob {
		return errors.Join(errTooLarge, f.Close())
	}
	p.change(func() { p.file, p.is = f, ocispec.Descriptor{MediaType: blobType, Digest: p.digest, Size: is.Size} })
	sum := digest.SHA256.Digester()
	n, err := io.Copy(io.MultiWriter(roomy{p, s.store}, sum.Hash()), io.LimitReader(r, is.Size))
	switch {
	case err != nil:
		return err
	case n < is.Size:
		return io.ErrUnexpectedEOF
	case sum.Digest() != p.digest:
		return errOtherContent
	}
	if err := errors.Join(f.Chmod(0o600), os.MkdirAll(s.store.pulled(), 0o700), os.Rename(f.Name(), s.path(p.digest))); err != nil {
		return err
	}
	s.trim()
	return io.EOF
}

// trim removes what was not asked for the longest, when there is too much. What is being read stays readable.
func (s *pulls) trim() {
	entries, err := os.ReadDir(s.store.pulled())
	if err != nil {
		return
	}
	var all []os.FileInfo
	var sum int64
	for _, e := range entries {
		if info, err := e.Info(); err == nil {
			all = append(all, info)
			sum += info.Size()
		}
	}
	slices.SortFunc(all, func(a, b os.FileInfo) int { return a.ModTime().Compare(b.ModTime()) })
	for _, info := range all {
		if sum <= s.room {
			return
		}
		sum -= info.Size()
		_ = os.Remove(filepath.Join(s.store.pulled(), info.Name())) // it is tried again with the next one
	}
}

// leave is called by each who has used a pull. One that nobody reads any more ends.
func (s *pulls) leave(p *pull) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p.users--
	if p.users == 1 && s.all[p.digest] == p {
		delete(s.all, p.digest)
		p.cancel()
	}
	if p.users == 0 {
		p.cancel()
		if p.file != nil {
			_ = p.file.Close() // it was only read since
		}
	}
}

// change lets those who wait see what fn changes.
func (p *pull) change(fn func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fn()
	close(p.moved)
	p.moved = make(chan struct{})
}

// Write implements io.Writer for the one who fetches.
func (p *pull) Write(data []byte) (int, error) {
	n, err := p.file.Write(data)
	p.change(func() { p.have += int64(n) })
	return n, err
}

// await returns once ready says so, or why it never will.
func (p *pull) await(ctx context.Context, ready func() bool) error {
	for {
		p.mu.Lock()
		is, moved := ready(), p.moved
		err := p.err
		p.mu.Unlock()
		if is {
			return nil
		}
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-moved:
		}
	}
}

// pullReader reads a pull from somewhere on.
type pullReader struct {
	*pulls
	pull    *pull
	ctx     context.Context //nolint:containedctx // of the request that reads
	at, end int64
}

// Descriptor says what is read.
func (r *pullReader) Descriptor() ocispec.Descriptor { return r.pull.is }

// Read waits for what has not come yet.
func (r *pullReader) Read(data []byte) (int, error) {
	if r.at == r.end {
		return 0, io.EOF
	}
	var have int64
	if err := r.pull.await(r.ctx, func() bool { have = r.pull.have; return have > r.at }); err != nil {
		return 0, err
	}
	n, err := r.pull.file.ReadAt(data[:min(int64(len(data)), r.end-r.at, have-r.at)], r.at)
	r.at += int64(n)
	return n, err
}

// Close ends the reading.
func (r *pullReader) Close() error {
	r.leave(r.pull)
	return nil
}
