package router

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/google/uuid"

	"berth.dev/berth/router/route"
)

// Bounds of what waits to be fetched.
const (
	maxSegments = 20_000   // files
	maxHeld     = 32 << 20 // bytes in memory, of exchanges under way and of those that are not written yet
	maxRecords  = 4096     // that are not written yet
	// DefaultSpool is how many bytes of events wait on the disk.
	DefaultSpool = 256 << 20

	segmentEnd = ".events"
)

// Spool keeps events on the disk until Berth fetches them. It is bounded, and what does not fit is dropped: scoring does not wait for it.
type Spool struct {
	dir   string
	max   int64
	log   *slog.Logger
	queue chan *record
	held  atomic.Int64
	done  chan struct{}

	mu       sync.Mutex
	segments map[string]*segment
	open     map[string]*segment // by folder
	size     int64
	dropped  int64 // since the last time that Berth was told
	said     bool  // in the log, until there is room again
	closed   bool
}

// segment is one file of events: a line about it, and a line for each.
type segment struct {
	route.Segment
	head int64 // bytes of the first line
	file *os.File
}

// OpenSpool opens the spool in a folder, with what an earlier process has left there.
func OpenSpool(dir string, most int64, log *slog.Logger) (*Spool, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("the folder for collected data cannot be made: %w", err)
	}
	s := &Spool{dir: dir, max: most, log: log, queue: make(chan *record, maxRecords), done: make(chan struct{}),
		segments: map[string]*segment{}, open: map[string]*segment{}}
	left, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("the folder for collected data cannot be read: %w", err)
	}
	for _, f := range left {
		id, is := strings.CutSuffix(f.Name(), segmentEnd)
		if !is {
			continue
		}
		if err := s.adopt(id); err != nil {
			log.Warn("collected data of an earlier process cannot be read and is removed", "error", err)
			_ = os.Remove(s.path(id))
		}
	}
	go s.write()
	return s, nil
}

func (s *Spool) path(id string) string { return filepath.Join(s.dir, id+segmentEnd) }

// adopt takes over a file of an earlier process, which may have ended in the middle of a line.
func (s *Spool) adopt(id string) error {
	text, err := os.ReadFile(s.path(id))
	if err != nil {
		return err
	}
	head := bytes.IndexByte(text, '\n') + 1
	last := bytes.LastIndexByte(text, '\n') + 1
	g := &segment{head: int64(head)}
	if err := json.Unmarshal(text[:head], &g.Segment); err != nil {
		return err
	}
	if last == head {
		return errors.New("it has no events")
	}
	if g.ID, g.Size = id, int64(last-head); last < len(text) {
		if err := os.Truncate(s.path(id), int64(last)); err != nil {
			return err
		}
	}
	s.segments[id] = g
	s.size += g.Size
	return nil
}

// Close writes what has come, and ends.
func (s *Spool) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		<-s.done
		return nil
	}
	s.closed = true
	close(s.queue)
	s.mu.Unlock()
	<-s.done
	return nil
}

// hold takes room in memory.
func (s *Spool) hold(n int) bool {
	if s.held.Add(int64(n)) > maxHeld {
		s.held.Add(-int64(n))
		return false
	}
	return true
}

func (s *Spool) free(n int) { s.held.Add(-int64(n)) }

// take takes over a record. It never waits.
func (s *Spool) take(r *record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		select {
		case s.queue <- r:
			return
		default:
		}
	}
	r.drop()
	s.count(r, false, "more requests come than can be written")
}

// count counts the events of a record. The caller holds the lock.
func (s *Spool) count(r *record, isKept bool, why string) {
	n := 0
	for _, p := range []*part{&r.request, &r.answer} {
		if p.in != nil {
			n++
		}
	}
	s.counted(r.count, n, isKept, why)
}

func (s *Spool) counted(c *counts, n int, isKept bool, why string) {
	if isKept {
		c.kept.Add(float64(n))
		return
	}
	c.dropped.Add(float64(n))
	s.dropped += int64(n)
	if !s.said {
		s.said = true
		s.log.Warn("data of requests is not collected", "why", why)
	}
}

// write writes records to the disk, one after the other.
func (s *Spool) write() {
	defer close(s.done)
	for r := range s.queue {
		for _, p := range []*part{&r.request, &r.answer} {
			if p.in != nil {
				s.keep(r, p)
			}
		}
		r.drop()
	}
	s.Seal()
}

// keep writes one event.
func (s *Spool) keep(r *record, p *part) {
	p.mu.Lock()
	failed := p.failed
	line, err := []byte(nil), error(nil)
	if !failed {
		line, err = r.line(p)
	}
	p.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case failed:
		s.counted(r.count, 1, false, "there is no room in memory")
	case err != nil:
		s.counted(r.count, 1, false, err.Error())
	default:
		err := s.append(r, p.in.Folder, line)
		why := ""
		if err != nil {
			why = err.Error()
		}
		s.counted(r.count, 1, err == nil, why)
	}
}

var errFull = errors.New("the room for collected data is full, because Berth has not fetched it")

// append adds a line to the file that is open for the folder and the time, or to a new one.
func (s *Spool) append(r *record, folder string, line []byte) error {
	if s.size+int64(len(line)) > s.max {
		return errFull
	}
	period := r.at.UTC().Format(r.collect.Rolling.Layout())
	g := s.open[folder]
	if g != nil && (!strings.HasPrefix(g.Path, folder+"/"+period+"/") || g.Workspace != r.collect.Workspace ||
		g.Size+int64(len(line)) > route.MaxSegment) {
		s.seal(folder)
		g = nil
	}
	if g == nil {
		if len(s.segments) >= maxSegments {
			return errFull
		}
		var err error
		if g, err = s.begin(r.collect, folder, period); err != nil {
			return err
		}
	}
	n, err := g.file.Write(line)
	if err != nil { // a part of a line must not stay before the next one
		_ = g.file.Truncate(g.head + g.Size)
		_, _ = g.file.Seek(g.head+g.Size, io.SeekStart)
		return fmt.Errorf("collected data cannot be written: %w", err)
	}
	g.Size += int64(n)
	s.size += int64(n)
	return nil
}

// begin makes a file.
func (s *Spool) begin(c *route.Collect, folder, period string) (*segment, error) {
	id := uuid.NewString()
	g := &segment{Segment: route.Segment{ID: id, Workspace: c.Workspace, Path: folder + "/" + period + "/" + id + ".jsonl"}}
	head, err := json.Marshal(g.Segment)
	if err != nil {
		return nil, err
	}
	g.file, err = os.OpenFile(s.path(id), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("collected data cannot be written: %w", err)
	}
	if n, err := g.file.Write(append(head, '\n')); err != nil {
		return nil, errors.Join(fmt.Errorf("collected data cannot be written: %w", err), g.file.Close(), os.Remove(s.path(id)))
	} else {
		g.head = int64(n)
	}
	s.segments[id], s.open[folder] = g, g
	return g, nil
}

// seal ends the file that is open for a folder. The caller holds the lock.
func (s *Spool) seal(folder string) {
	g := s.open[folder]
	delete(s.open, folder)
	_ = g.file.Close()
	if g.file = nil; g.Size == 0 {
		s.remove(g)
	}
}

// Seal ends all files that are written to, and lists what is there to be fetched.
func (s *Spool) Seal() []route.Segment {
	s.mu.Lock()
	defer s.mu.Unlock()
	for folder := range s.open {
		s.seal(folder)
	}
	out := make([]route.Segment, 0, len(s.segments))
	for _, g := range s.segments {
		out = append(out, g.Segment)
	}
	slices.SortFunc(out, func(a, b route.Segment) int { return strings.Compare(a.Path, b.Path) })
	return out
}

// Read opens the events of a file.
func (s *Spool) Read(id string) (io.ReadCloser, error) {
	s.mu.Lock()
	g := s.segments[id]
	ready := g != nil && g.file == nil
	s.mu.Unlock()
	if !ready {
		return nil, os.ErrNotExist
	}
	f, err := os.Open(s.path(id))
	if err != nil {
		return nil, err
	}
	if _, err := f.Seek(g.head, io.SeekStart); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return struct {
		io.Reader
		io.Closer
	}{bufio.NewReader(f), f}, nil
}

// Remove removes a file that was fetched.
func (s *Spool) Remove(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if g := s.segments[id]; g != nil && g.file == nil {
		s.remove(g)
		s.said = false
	}
}

func (s *Spool) remove(g *segment) {
	_ = os.Remove(s.path(g.ID))
	delete(s.segments, g.ID)
	s.size -= g.Size
}

// waits reports whether there is something that was not fetched.
func (s *Spool) waits() bool {
	if s == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.size > 0 || s.held.Load() > 0
}

// usage is how many bytes wait, and how many events were dropped since the last time that it was asked for with reset.
func (s *Spool) usage(reset bool) (bytes, dropped int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	bytes, dropped = s.size, s.dropped
	if reset {
		s.dropped = 0
	}
	return bytes, dropped
}
