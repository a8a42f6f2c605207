package blob

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"berth.dev/berth/disk"
)

// Block is a part of a file that is uploaded in parts, as long as it has not become one.
type Block struct {
	ID   []byte
	Size int64
}

// MaxBlockID is the number of bytes in the id of a block.
const MaxBlockID = 64

// Stage keeps what arrives as a block of a file; a block with the same id is replaced.
func (s *Store) Stage(ctx context.Context, at At, id []byte, r io.Reader) error {
	if err := s.check(at); err != nil {
		return err
	}
	if len(id) == 0 || len(id) > MaxBlockID {
		return fmt.Errorf("%w: the id of a block has 1 to %d bytes", ErrName, MaxBlockID)
	}
	if err := s.hasContainer(ctx, at.Container); err != nil {
		return err
	}
	taking := &counted{Reader: r, room: &s.room}
	path, _, err := s.arrive(taking, false)
	if err != nil {
		taking.giveBack()
		return err
	}
	dir := s.blocksOf(at)
	to := filepath.Join(dir, hex.EncodeToString(id))
	before := sizeOf(to)
	err = os.MkdirAll(dir, 0o700)
	if err == nil {
		err = os.Rename(path, to)
	}
	if err != nil {
		_ = os.Remove(path) // the first error is the one that matters
		taking.giveBack()
		return err
	}
	s.room.give(before)
	return nil
}

// dropBlocks removes the blocks in a folder, and counts them.
func (s *Store) dropBlocks(dir string) (n int, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, err
	}
	size := int64(0)
	for _, e := range entries {
		if info, err := e.Info(); err == nil { // else removed since
			size += info.Size()
		}
	}
	if err := os.RemoveAll(dir); err != nil {
		return 0, err
	}
	s.room.give(size)
	return len(entries), nil
}

// openBlocks prepares the folder for blocks. A block is not written to the disk before it is acknowledged: it is soon a part of a file,
// and then all of it would be written twice. So blocks survive the end of the process but not that of the machine, after which a block
// may have any content; those of another run of the machine are removed.
func (s *Store) openBlocks(mark string) error {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		boot = nil // not Linux: the machine may have started again
	}
	if was, err := os.ReadFile(mark); err != nil || boot == nil || !bytes.Equal(was, boot) {
		if err := os.RemoveAll(s.blocks); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(s.blocks, 0o700); err != nil {
		return err
	}
	return disk.Write(mark, boot, disk.Secret)
}

// Blocks lists the blocks that were staged for a file, by id.
func (s *Store) Blocks(at At) (all []Block, err error) {
	if err := s.check(at); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(s.blocksOf(at))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, e := range entries {
		id, err := hex.DecodeString(e.Name())
		if err != nil {
			continue
		}
		if info, err := e.Info(); err == nil { // else removed since
			all = append(all, Block{id, info.Size()})
		}
	}
	return all, nil
}

// Assemble puts staged blocks together, in this order, and makes a file of them. The blocks are gone then, also those that were not
// in the list. If it is the list that the file was made of the last time, the content stays: the answer was lost.
func (s *Store) Assemble(ctx context.Context, at At, ids [][]byte, change Change) (Info, error) {
	if err := s.check(at); err != nil {
		return Info{}, err
	}
	order := sha256.New()
	for _, id := range ids {
		_, _ = fmt.Fprintf(order, "%x\n", id) // never fails
	}
	blocks := &chain{dir: s.blocksOf(at), ids: ids}
	u, err := s.receive(blocks)
	blocks.close()
	if errors.Is(err, ErrNoBlock) {
		return s.assembled(ctx, at, hex.EncodeToString(order.Sum(nil)), change)
	}
	if err != nil {
		return Info{}, err
	}
	defer s.discard(u)
	u.order = hex.EncodeToString(order.Sum(nil))
	info, err := s.name(ctx, at, u, change)
	if err == nil {
		_, err = s.dropBlocks(s.blocksOf(at))
	}
	return info, err
}

// assembled is for a list of blocks that are not there.
func (s *Store) assembled(ctx context.Context, at At, order string, change Change) (Info, error) {
	if err := s.hasContainer(ctx, at.Container); err != nil {
		return Info{}, err
	}
	info, err := s.Update(ctx, at, func(now *Info) error {
		if now.Blocks != order {
			return ErrNoBlock
		}
		if change.Allow != nil {
			if err := change.Allow(now); err != nil {
				return err
			}
		}
		now.Properties = change.Properties
		return nil
	})
	if errors.Is(err, ErrNotFound) {
		err = ErrNoBlock
	}
	return info, err
}

// blocksOf is the folder with the blocks of one file.
func (s *Store) blocksOf(at At) string {
	sum := sha256.Sum256([]byte(at.Container + "/" + at.Name))
	return filepath.Join(s.blocks, hex.EncodeToString(sum[:]))
}

// chain reads blocks one after the other.
type chain struct {
	dir  string
	ids  [][]byte
	open *os.File
}

func (c *chain) Read(p []byte) (int, error) {
	for {
		if c.open == nil {
			if len(c.ids) == 0 {
				return 0, io.EOF
			}
			f, err := os.Open(filepath.Join(c.dir, hex.EncodeToString(c.ids[0])))
			if errors.Is(err, fs.ErrNotExist) {
				return 0, ErrNoBlock
			}
			if err != nil {
				return 0, err
			}
			c.open, c.ids = f, c.ids[1:]
		}
		n, err := c.open.Read(p)
		if n > 0 || err != nil && !errors.Is(err, io.EOF) {
			return n, err
		}
		c.close()
	}
}

func (c *chain) close() {
	if c.open != nil {
		_ = c.open.Close() // only read
		c.open = nil
	}
}
