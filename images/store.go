// Package images keeps the images of real nodes: those that were imported from an archive, built, or pushed. They lie in one folder, in
// the layout of OCI (index.json and blobs/sha256/): each blob once, under the digest of its content. Nodes read the folder, and the
// registry (registry.go) answers from it. Several processes may use the folder at the same time.
package images

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/gofrs/flock"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"berth.dev/berth"
	"berth.dev/berth/disk"
)

const (
	// maxManifest bounds what describes an image. Registries commonly accept 4 MiB.
	maxManifest = 4 << 20
	// maxBlob bounds a layer, in bytes.
	maxBlob = 64 << 30
	// maxNames bounds the index, which every change writes anew.
	maxNames = 5000
	// uploadLife is how long an upload that nobody continues, and a blob that belongs to no image, are kept.
	uploadLife = 24 * time.Hour
)

// importedAnnotation says in the index when an image came, in RFC 3339.
const importedAnnotation = "berth.dev/imported"

// Store is a folder of images.
type Store struct {
	dir  string
	mu   sync.Mutex // within this process; lock between processes
	lock *flock.Flock
	// Unpack is called before images get their names, with what they are, and with none after one went. Nodes then find their layers
	// unpacked. It may fail: they unpack them themselves then.
	Unpack func(soon []ocispec.Descriptor)
	// Spare is how many bytes of the disk images leave free: the database needs room too. 0 leaves it to the disk.
	Spare int64
	// taken are the uploads that a request writes to, by their id.
	taken sync.Map
}

// Open makes the folder if there is none.
func Open(dir string) (*Store, error) {
	s := &Store{dir: dir, lock: flock.New(filepath.Join(dir, "lock"), flock.SetPermissions(0o600)),
		Unpack: func([]ocispec.Descriptor) {}}
	for _, folder := range []string{dir, s.blobs()} {
		if err := os.MkdirAll(folder, 0o755); err != nil { // #nosec: in a data folder that only its owner may enter; nodes have ids of their own
			return nil, err
		}
	}
	if err := os.MkdirAll(s.uploads(), 0o700); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *Store) blobs() string   { return filepath.Join(s.dir, "blobs", "sha256") }
func (s *Store) uploads() string { return filepath.Join(s.dir, "uploads") }

// pulled has the blobs that came from other registries (pull.go).
func (s *Store) pulled() string { return filepath.Join(s.dir, "pulled") }

// blob is the path of a blob. d is valid.
func (s *Store) blob(d digest.Digest) string { return filepath.Join(s.blobs(), d.Encoded()) }

// usable reports whether a blob can have this digest.
func usable(d digest.Digest) bool { return d.Validate() == nil && d.Algorithm() == digest.SHA256 }

// size is that of a blob. The error is fs.ErrNotExist for one that is not there.
func (s *Store) size(d digest.Digest) (int64, error) {
	if !usable(d) {
		return 0, fs.ErrNotExist
	}
	info, err := os.Stat(s.blob(d))
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// read is a small blob: what describes an image.
func (s *Store) read(d digest.Digest) ([]byte, error) {
	n, err := s.size(d)
	if err != nil {
		return nil, err
	}
	if n > maxManifest {
		return nil, fmt.Errorf("%s has %d bytes and is no manifest", d, n)
	}
	text, err := os.ReadFile(s.blob(d))
	if err == nil && digest.FromBytes(text) != d {
		err = fmt.Errorf("the file of %s has other content", d)
	}
	return text, err
}

// put stores what r has as one blob, which is complete once it can be seen. want is its digest; empty when it is not known.
func (s *Store) put(r io.Reader, want digest.Digest) (ocispec.Descriptor, error) {
	f, err := os.CreateTemp(s.uploads(), "put-*")
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	defer func() { _ = os.Remove(f.Name()) }() // gone already when all went well
	sum := digest.SHA256.Digester()
	n, err := io.Copy(io.MultiWriter(roomy{f, s}, sum.Hash()), io.LimitReader(r, maxBlob+1))
	if err = errors.Join(err, f.Close()); err != nil {
		return ocispec.Descriptor{}, err
	}
	return s.keep(f.Name(), ocispec.Descriptor{Digest: sum.Digest(), Size: n}, want)
}

// keep makes a complete file a blob.
func (s *Store) keep(file string, is ocispec.Descriptor, want digest.Digest) (ocispec.Descriptor, error) {
	if want != "" && is.Digest != want {
		return is, fmt.Errorf("%w: it is %s and should be %s", errOtherContent, is.Digest, want)
	}
	if is.Size > maxBlob {
		return is, fmt.Errorf("%w: at most %d bytes", errTooLarge, int64(maxBlob))
	}
	f, err := os.Open(file)
	if err != nil {
		return is, err
	}
	if err := errors.Join(f.Chmod(0o644), f.Sync(), f.Close()); err != nil { // #nosec: as the folder
		return is, err
	}
	if err := os.Rename(file, s.blob(is.Digest)); err != nil {
		return is, err
	}
	return is, disk.Sync(s.blobs())
}

// roomy writes to a file as long as the disk has room.
type roomy struct {
	to    io.Writer
	store *Store
}

// Write implements io.Writer.
func (r roomy) Write(p []byte) (int, error) {
	if err := r.store.fits(len(p)); err != nil {
		return 0, err
	}
	return r.to.Write(p)
}

// fits returns an error when there is no room for so many bytes more.
func (s *Store) fits(more int) error {
	free, fits := disk.Fits(s.dir, int64(more), s.Spare)
	if fits {
		return nil
	}
	return berth.Errorf(berth.CodeConflict, "The disk of the server has %s left, of which images leave %s free. Remove images that are not "+
		"needed ('berth image remove NAME'), or free some space.", disk.Size(free), disk.Size(s.Spare))
}

var (
	errOtherContent = errors.New("the content has another digest")
	errTooLarge     = errors.New("the content is too large")
)

// index reads which images there are, by name.
func (s *Store) index() (ocispec.Index, error) {
	index := ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex}
	text, err := os.ReadFile(filepath.Join(s.dir, ocispec.ImageIndexFile))
	if errors.Is(err, fs.ErrNotExist) {
		return index, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &index)
	}
	return index, err
}

// nameOf is the whole name of an image in the index.
func nameOf(d ocispec.Descriptor) string { return d.Annotations[ocispec.AnnotationRefName] }

// find is the image of a name.
func (s *Store) find(name string) (ocispec.Descriptor, error) {
	index, err := s.index()
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	for _, d := range index.Manifests {
		if nameOf(d) == name {
			return d, nil
		}
	}
	return ocispec.Descriptor{}, fs.ErrNotExist
}

// hold keeps others from changing the index meanwhile.
func (s *Store) hold(fn func() error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.lock.Lock(); err != nil {
		return err
	}
	return errors.Join(fn(), s.lock.Unlock())
}

// change writes a new index. What belongs to no image afterwards and did before is removed.
func (s *Store) change(fn func(*ocispec.Index) error) error {
	return s.hold(func() error { return s.changeHeld(fn) })
}

func (s *Store) changeHeld(fn func(*ocispec.Index) error) error {
	index, err := s.index()
	if err != nil {
		return err
	}
	before := s.reachable(index)
	if err := fn(&index); err != nil {
		return err
	}
	if len(index.Manifests) > maxNames {
		return berth.Errorf(berth.CodeConflict, "There are %d names of images already. Remove one first ('berth image remove NAME').", maxNames)
	}
	text, err := json.Marshal(index)
	if err != nil {
		return err
	}
	layout, err := json.Marshal(ocispec.ImageLayout{Version: ocispec.ImageLayoutVersion})
	if err != nil {
		return err
	}
	for _, file := range []struct {
		name string
		text []byte
	}{{ocispec.ImageLayoutFile, layout}, {ocispec.ImageIndexFile, text}} {
		if err := disk.Write(filepath.Join(s.dir, file.name), file.text, disk.Public); err != nil {
			return err
		}
	}
	after := s.reachable(index)
	for d := range before {
		if !after[d] {
			err = errors.Join(err, os.Remove(s.blob(d)))
		}
	}
	return err
}

// set gives images their names. What they consist of must be there. A manifest that was pushed by its digest needs no name of its own once
// an index in the same repository has it.
func (s *Store) set(all ...ocispec.Descriptor) error {
	for _, d := range all {
		if err := s.complete(d); err != nil {
			return err
		}
	}
	s.Unpack(all)
	return s.change(func(index *ocispec.Index) error {
		for _, d := range all {
			if err := s.complete(d); err != nil {
				return err
			}
			d.Annotations = map[string]string{ocispec.AnnotationRefName: nameOf(d), importedAnnotation: time.Now().UTC().Format(time.RFC3339Nano)}
			parts := s.reachable(ocispec.Index{Manifests: []ocispec.Descriptor{d}})
			drop := func(old ocispec.Descriptor) bool {
				part := old.Digest != d.Digest && parts[old.Digest] && nameOf(old) == repositoryOf(nameOf(d))+"@"+old.Digest.String()
				return part || nameOf(old) == nameOf(d)
			}
			index.Manifests = append(without(index.Manifests, drop), d)
		}
		return nil
	})
}

// drop takes names away. The error is fs.ErrNotExist when there is none.
func (s *Store) drop(which func(ocispec.Descriptor) bool) error {
	err := s.change(func(index *ocispec.Index) error {
		left := without(index.Manifests, which)
		if len(left) == len(index.Manifests) {
			return fs.ErrNotExist
		}
		index.Manifests = left
		return nil
	})
	if err == nil {
		s.Unpack(nil)
	}
	return err
}

// The index says which hosts, in the names of images, mean the registry of this server, and for which it asks mirrors. Nodes read that.
const (
	hostsAnnotation   = "berth.dev/hosts"
	mirrorsAnnotation = "berth.dev/mirrors"
)

// SetHosts notes under which hosts, with their ports, the registry of this server is known, and which have mirrors.
func (s *Store) SetHosts(hosts []string, mirrors []Mirror) error {
	var mirrored []string
	for _, m := range mirrors {
		mirrored = append(mirrored, m.Host)
	}
	return s.change(func(index *ocispec.Index) error {
		index.Annotations = map[string]string{hostsAnnotation: strings.Join(hosts, " "), mirrorsAnnotation: strings.Join(mirrored, " ")}
		return nil
	})
}

func without(all []ocispec.Descriptor, drop func(ocispec.Descriptor) bool) []ocispec.Descriptor {
	out := make([]ocispec.Descriptor, 0, len(all)+1)
	for _, d := range all {
		if !drop(d) {
			out = append(out, d)
		}
	}
	return out
}

// Sweep removes uploads that nobody continues, and blobs that have belonged to no image for a day.
func (s *Store) Sweep() error { return s.hold(s.sweep) }

func (s *Store) sweep() error {
	index, err := s.index()
	if err != nil {
		return err
	}
	used := s.reachable(index)
	var errs []error
	for _, dir := range []string{s.uploads(), s.blobs()} {
		entries, err := os.ReadDir(dir)
		errs = append(errs, err)
		for _, e := range entries {
			info, err := e.Info()
			if err != nil || used[digest.NewDigestFromEncoded(digest.SHA256, e.Name())] || time.Since(info.ModTime()) < uploadLife {
				continue
			}
			errs = append(errs, os.Remove(filepath.Join(dir, e.Name())))
		}
	}
	return errors.Join(errs...)
}

// TakeArchives imports the archives that earlier versions kept as they were, and removes them. One that is no image any more stays aside.
func (s *Store) TakeArchives() error {
	all, err := filepath.Glob(filepath.Join(s.dir, "*.tar"))
	if err != nil {
		return err
	}
	var errs []error
	for _, path := range all {
		if _, err := s.Import(path); err != nil {
			err = fmt.Errorf("the archive %s of an earlier version: %w", strings.TrimSuffix(filepath.Base(path), ".tar"), err)
			errs = append(errs, err, os.Rename(path, path+".refused"))
			continue
		}
		errs = append(errs, os.Remove(path))
	}
	return errors.Join(errs...)
}
