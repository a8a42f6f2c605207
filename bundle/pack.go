package bundle

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"time"
)

// Open opens a file by its digest, from an offset on.
type Open func(ctx context.Context, digest string, offset int64) (io.ReadCloser, error)

// Many small files travel as archives: one by one, each would take a request on the way in, another one on the way into each pod, and a
// line in a list that Kubernetes keeps. An archive is stored nowhere: whenever it is read, its bytes are made of those of its files.
const (
	packFrom  = 500      // files; fewer stay as they are
	packSmall = 1 << 20  // bytes of a file that is packed
	packSize  = 64 << 20 // of an archive, about
)

// Packs are archives by their digest.
type Packs map[string]*pack

// pack is an archive of files, in the order of their paths.
type pack struct {
	files []File
	size  int64
}

// PackSmall replaces many small files of a list by archives, which unpack themselves to the same paths. It reads each file once.
func PackSmall(ctx context.Context, files []File, open Open) (rest []File, packs Packs, err error) {
	var small []File
	for _, f := range files {
		if f.Unpack || f.Size > packSmall {
			rest = append(rest, f)
		} else {
			small = append(small, f)
		}
	}
	if len(small) < packFrom {
		return files, nil, nil
	}
	slices.SortStableFunc(small, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	packs = Packs{}
	for len(small) > 0 {
		p := &pack{}
		for len(small) > 0 && (len(p.files) == 0 || p.size < packSize) {
			header, err := headerOf(small[0])
			if err != nil {
				return nil, nil, err
			}
			p.files, p.size = append(p.files, small[0]), p.size+int64(len(header))+padded(small[0].Size)
			small = small[1:]
		}
		p.size += int64(len(packHead())) + packEnd
		f, err := p.file(ctx, open)
		if err != nil {
			return nil, nil, err
		}
		packs[f.Digest], rest = p, append(rest, f)
	}
	return rest, packs, nil
}

// Open opens an archive, or with open a file that is none.
func (p Packs) Open(open Open) Open {
	return func(ctx context.Context, digest string, offset int64) (io.ReadCloser, error) {
		if one := p[digest]; one != nil {
			return &packReader{ctx: ctx, open: open, skip: offset, left: one.files, now: bytes.NewReader(packHead())}, nil
		}
		return open(ctx, digest, offset)
	}
}

// file is the archive as a file of a list.
func (p *pack) file(ctx context.Context, open Open) (File, error) {
	sum := sha256.New()
	n, err := io.Copy(sum, &packReader{ctx: ctx, open: open, left: p.files, now: bytes.NewReader(packHead())})
	if err == nil && n != p.size {
		err = fmt.Errorf("an archive of %d files has %d bytes and should have %d", len(p.files), n, p.size)
	}
	return File{Path: ".", Digest: hex.EncodeToString(sum.Sum(nil)), Size: n, Unpack: true}, err
}

const (
	tarBlock = 512
	packEnd  = 2 * tarBlock // zeros
)

func padded(n int64) int64 { return (n + tarBlock - 1) / tarBlock * tarBlock }

// headerOf is what stands before a file in an archive. It is the same whenever it is made.
func headerOf(f File) ([]byte, error) {
	clean, err := local(f.Path)
	if err != nil {
		return nil, err
	}
	return tarHeader(&tar.Header{Typeflag: tar.TypeReg, Name: path.Clean(clean), Size: f.Size, Mode: 0o644, ModTime: time.Unix(0, 0)})
}

func tarHeader(h *tar.Header) ([]byte, error) {
	var out bytes.Buffer
	err := tar.NewWriter(&out).WriteHeader(h)
	return out.Bytes(), err
}

// packHead begins an archive: with a folder, because the name of a first file could look like the beginning of another kind of archive.
func packHead() []byte {
	head, _ := tarHeader(&tar.Header{Typeflag: tar.TypeDir, Name: "./", Mode: 0o755, ModTime: time.Unix(0, 0)}) // it has no way to fail
	return head
}

// packReader makes the bytes of an archive.
type packReader struct {
	ctx   context.Context
	open  Open
	skip  int64  // bytes that are not wanted
	left  []File // whose headers are not yet read
	now   io.Reader
	file  File // whose content comes after now
	body  io.ReadCloser
	stage int // what now is
}

// What packReader.now is.
const (
	isHeader = iota
	isContent
	isPadding
	isEnd
)

func (r *packReader) Read(b []byte) (int, error) {
	for {
		if r.skip > 0 {
			if err := r.pass(); err != nil {
				return 0, err
			}
		}
		if r.now != nil {
			n, err := r.now.Read(b)
			if n > 0 || err != nil && err != io.EOF { //nolint:errorlint // a reader returns it bare
				return n, err
			}
		}
		if err := r.next(); err != nil {
			return 0, err
		}
	}
}

// pass skips within what is now. The content of a file is not opened for it.
func (r *packReader) pass() error {
	if r.now == nil {
		return nil
	}
	if whole, is := r.now.(interface{ Len() int }); is && int64(whole.Len()) <= r.skip {
		r.skip -= int64(whole.Len())
		r.now = nil
		return nil
	}
	n, err := io.CopyN(io.Discard, r.now, r.skip)
	if r.skip -= n; err == io.EOF { //nolint:errorlint // a reader returns it bare
		r.now, err = nil, nil
	}
	return err
}

// next goes on to the next part.
func (r *packReader) next() error {
	switch {
	case r.stage == isHeader && r.file.Digest != "":
		r.stage = isContent
		return r.content()
	case r.stage == isContent:
		if err := r.contentEnds(); err != nil {
			return err
		}
		r.now, r.stage = bytes.NewReader(make([]byte, padded(r.file.Size)-r.file.Size)), isPadding
		return nil
	case r.stage == isEnd:
		return io.EOF
	case len(r.left) == 0:
		r.now, r.stage = bytes.NewReader(make([]byte, packEnd)), isEnd
		return nil
	}
	r.file, r.left = r.left[0], r.left[1:]
	header, err := headerOf(r.file)
	r.now, r.stage = bytes.NewReader(header), isHeader
	return err
}

func (r *packReader) content() (err error) {
	if r.skip >= r.file.Size {
		r.skip -= r.file.Size
		r.now = nil
		return nil
	}
	if r.body, err = r.open(r.ctx, r.file.Digest, r.skip); err != nil {
		return err
	}
	r.now = &exact{r.body, r.file.Size - r.skip}
	r.skip = 0
	return nil
}

func (r *packReader) contentEnds() error {
	if r.body == nil {
		return nil
	}
	body := r.body
	r.body = nil
	return body.Close()
}

// Close ends reading.
func (r *packReader) Close() error { return r.contentEnds() }

// exact reads as many bytes as there must be, and fails when there are fewer.
type exact struct {
	r    io.Reader
	left int64
}

func (e *exact) Read(b []byte) (int, error) {
	if e.left == 0 {
		return 0, io.EOF
	}
	n, err := e.r.Read(b[:min(int64(len(b)), e.left)])
	if e.left -= int64(n); err == io.EOF && e.left > 0 { //nolint:errorlint // a reader returns it bare
		err = io.ErrUnexpectedEOF
	}
	return n, err
}
