package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"

	cloud "gocloud.dev/blob"

	"berth.dev/berth/disk"
)

// FullError refuses what would take more than the store may have. All are bytes.
type FullError struct {
	More int64 // that do not fit
	Used int64 // by all files, and by what is arriving
	Max  int64 // that files may take; 0 for no bound
	Free int64 // of the disk
	Left int64 // that must stay free of it
}

func (e *FullError) Error() string {
	if e.Max > 0 && e.Used+e.More > e.Max {
		return fmt.Sprintf("there is no room for %s more: the files of this server take %s, and may take %s (--files-max). Delete models and "+
			"services that are not needed; their files go within the hour. Or start the server with a larger bound",
			disk.Size(e.More), disk.Size(e.Used), disk.Size(e.Max))
	}
	return fmt.Sprintf("there is no room for %s more: the disk of this server has %s left, of which uploads leave %s free. Free some space, "+
		"or delete models and services that are not needed; their files go within the hour",
		disk.Size(e.More), disk.Size(e.Free), disk.Size(e.Left))
}

// room counts what a store takes: content, blocks, and what is arriving. Records, which are small, are not counted.
type room struct {
	used atomic.Int64
	max  int64
	left int64
	dir  string
}

// fits returns an error when there is no room for so many bytes more.
func (r *room) fits(more int64) error {
	e := &FullError{More: more, Used: r.used.Load(), Max: r.max, Left: r.left}
	if r.max > 0 && e.Used+more > r.max {
		return e
	}
	var fits bool
	if e.Free, fits = disk.Fits(r.dir, more, r.left); !fits {
		return e
	}
	return nil
}

func (r *room) give(n int64) { r.used.Add(-n) }

// Fits returns a *FullError when the store has no room for so many bytes. Whoever announces a size is refused before it is sent.
func (s *Store) Fits(more int64) error { return s.room.fits(max(more, 0)) }

// Used is how many bytes the files take, with what is arriving.
func (s *Store) Used() int64 { return s.room.used.Load() }

// counted is content on its way: it takes room as it comes.
type counted struct {
	io.Reader
	room *room
	n    int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	if n == 0 {
		return n, err
	}
	if full := c.room.fits(int64(n)); full != nil {
		return 0, full
	}
	c.room.used.Add(int64(n))
	c.n += int64(n)
	return n, err
}

// giveBack is for content that did not arrive.
func (c *counted) giveBack() {
	c.room.give(c.n)
	c.n = 0
}

// takes counts what an earlier process left.
func (s *Store) takes(ctx context.Context) error {
	total := int64(0)
	err := s.each(ctx, contentKey, func(object *cloud.ListObject) error {
		total += object.Size
		return nil
	})
	blocks := filepath.WalkDir(s.blocks, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			total += info.Size()
		}
		return err
	})
	s.room.used.Store(total)
	return errors.Join(err, blocks)
}

// sizeOf is the size of a file, 0 when it is not there.
func sizeOf(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}
