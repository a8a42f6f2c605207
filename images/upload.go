package images

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"

	"cuelabs.dev/go/oci/ociregistry"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// maxUploads bounds those that are begun and not ended. Those that nobody continues go after a day.
const maxUploads = 1000

// PushBlob stores a blob that comes in one request.
func (r registry) PushBlob(_ context.Context, _ string, want ocispec.Descriptor, from io.Reader) (ocispec.Descriptor, error) {
	if !usable(want.Digest) {
		return want, ociregistry.ErrDigestInvalid
	}
	d, err := r.store.put(from, want.Digest)
	if err == nil {
		d.MediaType = blobType
	}
	return d, pushFailed(err)
}

// upload is a blob on its way: a file to whose end is written.
type upload struct {
	store *Store
	file  *os.File
	size  int64
	start int64 // where the client believes that it goes on; negative: where it ended
	ended bool
}

// uploadID is the name of the file of an upload.
var uploadID = regexp.MustCompile(`^[0-9a-f]{32}$`)

// PushBlobChunked begins an upload.
func (r registry) PushBlobChunked(context.Context, string, int) (ociregistry.BlobWriter, error) {
	begun, err := os.ReadDir(r.store.uploads())
	if err != nil {
		return nil, err
	}
	if len(begun) >= maxUploads {
		return nil, refused(ociregistry.ErrTooManyRequests, errors.New("too many uploads were begun and not ended; try again tomorrow, "+
			"when those that nobody continues are gone"))
	}
	id := make([]byte, 16)
	rand.Read(id) // never fails: it ends the program instead
	return r.open(hex.EncodeToString(id), os.O_CREATE|os.O_EXCL, -1)
}

// PushBlobChunkedResume goes on with an upload.
func (r registry) PushBlobChunkedResume(_ context.Context, _, id string, offset int64, _ int) (ociregistry.BlobWriter, error) {
	if !uploadID.MatchString(id) {
		return nil, ociregistry.ErrBlobUploadUnknown
	}
	return r.open(id, 0, offset)
}

// open takes an upload, which is one request's at a time: what was verified must not grow afterwards.
func (r registry) open(id string, flags int, offset int64) (ociregistry.BlobWriter, error) {
	if _, taken := r.store.taken.LoadOrStore(id, true); taken {
		return nil, refused(ociregistry.ErrBlobUploadInvalid, errors.New("another request is writing to this upload"))
	}
	u, err := r.opened(id, flags, offset)
	if err != nil {
		r.store.taken.Delete(id)
		return nil, err
	}
	return u, nil
}

func (r registry) opened(id string, flags int, offset int64) (*upload, error) {
	f, err := os.OpenFile(filepath.Join(r.store.uploads(), id), flags|os.O_RDWR|os.O_APPEND, 0o600) // #nosec: id is hexadecimal
	if err != nil {
		return nil, unknown(err, ociregistry.ErrBlobUploadUnknown)
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &upload{r.store, f, info.Size(), offset, false}, nil
}

// Write adds to the end. The protocol lets no client skip or repeat bytes.
func (u *upload) Write(p []byte) (int, error) {
	if u.start >= 0 && u.start != u.size {
		return 0, fmt.Errorf("%w: %d bytes are here", ociregistry.ErrRangeInvalid, u.size)
	}
	if u.size+int64(len(p)) > maxBlob {
		return 0, refused(ociregistry.ErrSizeInvalid, errTooLarge)
	}
	u.start = -1
	n, err := roomy{u.file, u.store}.Write(p)
	u.size += int64(n)
	return n, pushFailed(err)
}

// Close leaves the upload to be continued.
func (u *upload) Close() error {
	if u.ended {
		return nil
	}
	u.ended = true
	defer u.store.taken.Delete(u.ID())
	return u.file.Close()
}

// Size is how many bytes have come.
func (u *upload) Size() int64 { return u.size }

// ChunkSize is how much a client should send at a time: any amount.
func (u *upload) ChunkSize() int { return 1 }

// ID is how a client goes on.
func (u *upload) ID() string { return filepath.Base(u.file.Name()) }

// Commit makes a blob of what has come, if it is what the client says. Else it is gone.
func (u *upload) Commit(want digest.Digest) (ocispec.Descriptor, error) {
	defer func() { _ = u.Close() }() // read to its end, or gone
	if !usable(want) {
		return ocispec.Descriptor{}, ociregistry.ErrDigestInvalid
	}
	if _, err := u.file.Seek(0, io.SeekStart); err != nil {
		return ocispec.Descriptor{}, err
	}
	sum := digest.SHA256.Digester()
	n, err := io.Copy(sum.Hash(), u.file)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	d, err := u.store.keep(u.file.Name(), ocispec.Descriptor{MediaType: blobType, Digest: sum.Digest(), Size: n}, want)
	if err != nil {
		return d, errors.Join(pushFailed(err), os.Remove(u.file.Name()))
	}
	return d, nil
}

// Cancel ends the upload.
func (u *upload) Cancel() error { return errors.Join(u.Close(), os.Remove(u.file.Name())) }
