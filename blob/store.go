// Package blob keeps files of any size: models, code, logs. Content is kept once, under its SHA-256; a name in a container is a
// small record that points to it. Both are objects in a folder, or in a bucket.
//
// Nothing is held in memory. Content arrives in a temporary file and is moved to its place when it is complete and on the disk, and
// its name is written after that: a process that ends in between leaves nothing that can be seen. [Store.Collect] removes what
// nothing refers to.
package blob

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/jonboulle/clockwork"
	cloud "gocloud.dev/blob"
	"gocloud.dev/blob/fileblob"

	"berth.dev/berth/disk"
)

// Errors of a store. Others come from the disk, the bucket or the reader that was given.
var (
	ErrNotFound    = errors.New("there is no such file")
	ErrNoContainer = errors.New("there is no such container")
	ErrName        = errors.New("the name cannot be used")
	ErrMD5         = errors.New("the content does not have the MD5 that was given: send it again")
	ErrNoBlock     = errors.New("a block in the list was not uploaded")
)

// Settings say where a store keeps its files.
type Settings struct {
	// Folder holds what is arriving, blocks that are not yet a file, and, without a bucket, everything else. It belongs to one process.
	Folder string
	// Bucket is the URL of a bucket, as gocloud.dev/blob reads it; empty for the folder.
	Bucket string
	// Clock is what dates names and decides what is old; empty for the real one.
	Clock clockwork.Clock
	// Max is how many bytes files may take, with what is arriving; no bound when 0. Spare is how many bytes of the disk of Folder stay
	// free: an upload that would take them is refused with a FullError.
	Max, Spare int64
}

// Store is a set of containers with files.
type Store struct {
	bucket  *cloud.Bucket
	files   string // where the bucket is a folder of ours; else empty
	arrival string // content and records on their way
	blocks  string // blocks that no file contains yet
	clock   clockwork.Clock
	longest int // bytes of a name

	names [64]sync.Mutex // one change of a name at a time, by the hash of the name

	sweeping sync.Mutex // one sweep at a time
	mu       sync.Mutex // guards what follows, and each removal of content
	// placing counts for each digest the names that are about to use it.
	placing map[string]int
	// placed holds, during a sweep, the digests that were in placing since it began: it has perhaps not seen their names.
	placed map[string]bool
	// used is when names were last read, so that a sweep leaves what a request is about to refer to.
	used map[At]time.Time
	room room
}

// The folders inside Settings.Folder, and the longest names: the path of a record has two bytes for each of its name, and a path has
// at most 4,096 bytes, a key of S3 1,024.
const (
	filesFolder   = "files"
	arrivalFolder = "arriving"
	blocksFolder  = "blocks"
	bootMark      = "boot" // which run of the machine the blocks are of

	longestInFolder = 1024
	longestInBucket = 450
)

// Open opens a store and removes what an earlier process left unfinished.
func Open(ctx context.Context, settings Settings) (*Store, error) {
	s := &Store{
		arrival: filepath.Join(settings.Folder, arrivalFolder),
		blocks:  filepath.Join(settings.Folder, blocksFolder),
		clock:   settings.Clock,
		longest: longestInBucket,
		placing: map[string]int{},
		used:    map[At]time.Time{},
		room:    room{max: settings.Max, left: settings.Spare, dir: settings.Folder},
	}
	if s.clock == nil {
		s.clock = clockwork.NewRealClock()
	}
	if err := os.RemoveAll(s.arrival); err != nil {
		return nil, err
	}
	err := os.MkdirAll(s.arrival, 0o700)
	if err == nil {
		err = s.openBlocks(filepath.Join(settings.Folder, bootMark))
	}
	if err != nil {
		return nil, err
	}
	if settings.Bucket != "" {
		if s.bucket, err = cloud.OpenBucket(ctx, settings.Bucket); err != nil {
			return nil, fmt.Errorf("the bucket for files cannot be opened: %w", err)
		}
		return s, s.takes(ctx)
	}
	s.files, s.longest = filepath.Join(settings.Folder, filesFolder), longestInFolder
	s.bucket, err = fileblob.OpenBucket(s.files, &fileblob.Options{
		CreateDir: true, DirFileMode: 0o700, NoTempDir: true, Metadata: fileblob.MetadataDontWrite,
	})
	if err != nil {
		return nil, err
	}
	return s, s.takes(ctx)
}

// Close releases the bucket.
func (s *Store) Close() error { return s.bucket.Close() }

// lock holds a name until the function that it returns is called.
func (s *Store) lock(at At) (unlock func()) {
	h := fnv.New32a()
	_, _ = h.Write([]byte(at.Container + "/" + at.Name)) // never fails
	m := &s.names[h.Sum32()%uint32(len(s.names))]
	m.Lock()
	return m.Unlock
}

// move makes a complete file of the folder arriving an object. When it returns, the object survives a power failure.
func (s *Store) move(ctx context.Context, file, key string) error {
	if s.files == "" {
		return s.send(ctx, file, key)
	}
	path := filepath.Join(s.files, filepath.FromSlash(key))
	made, err := makeFolders(filepath.Dir(path))
	if err != nil {
		return err
	}
	if err := os.Rename(file, path); err != nil {
		return err
	}
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		if err := disk.Sync(dir); err != nil || made == 0 {
			return err
		}
		made--
	}
}

// makeFolders makes a folder and those above it, and says how many it made.
func makeFolders(dir string) (made int, err error) {
	for d := dir; ; d = filepath.Dir(d) {
		if _, err := os.Stat(d); err == nil {
			return made, os.MkdirAll(dir, 0o700)
		} else if !errors.Is(err, os.ErrNotExist) {
			return 0, err
		}
		made++
	}
}

func (s *Store) send(ctx context.Context, file, key string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	err = s.bucket.Upload(ctx, key, f, &cloud.WriterOptions{ContentType: "application/octet-stream"})
	return errors.Join(err, f.Close(), os.Remove(file))
}
