package bundle

import (
	"archive/tar"
	"archive/zip"
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Bounds of an archive. Ordinary files shrink to a twentieth at most; one that grows a hundredfold is made to fill a disk.
const (
	maxEntries = 100_000
	maxGrowth  = 100
	smallest   = 64 << 20 // may come out of any archive
)

// unpacking is an archive that is being unpacked.
type unpacking struct {
	ctx     context.Context
	root    *os.Root
	dir     string
	left    int64
	entries int
	made    map[string]bool // folders
}

// unpack unpacks an archive into its folder. Nothing leaves the folder, and links are refused.
func unpack(ctx context.Context, root *os.Root, archive string, f File) error {
	dir, err := local(f.Path)
	if err != nil {
		return err
	}
	in, err := root.Open(archive)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	u := &unpacking{ctx: ctx, root: root, dir: dir, made: map[string]bool{}, left: min(max(f.Size*maxGrowth, smallest), MaxSize)}
	buffered := bufio.NewReader(in)
	start, err := buffered.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	switch {
	case bytes.HasPrefix(start, []byte("PK")):
		z, err := zip.NewReader(in, f.Size)
		if err != nil {
			return fmt.Errorf("it is not a whole zip archive: %w", err)
		}
		return u.zip(z)
	case bytes.HasPrefix(start, []byte{0x1f, 0x8b}):
		z, err := gzip.NewReader(buffered)
		if err != nil {
			return fmt.Errorf("it is not a whole tar.gz archive: %w", err)
		}
		return u.tar(tar.NewReader(z))
	}
	return u.tar(tar.NewReader(buffered))
}

func (u *unpacking) zip(z *zip.Reader) error {
	for _, e := range z.File {
		mode := e.Mode()
		if !mode.IsRegular() && !mode.IsDir() {
			return fmt.Errorf("the archive has %q, which is neither a file nor a folder", e.Name)
		}
		r, err := e.Open()
		if err != nil {
			return err
		}
		err = u.entry(e.Name, mode.IsDir(), mode, r)
		_ = r.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

func (u *unpacking) tar(t *tar.Reader) error {
	for {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("it is not a whole tar archive: %w", err)
		}
		switch h.Typeflag {
		case tar.TypeReg, tar.TypeDir:
		case tar.TypeXGlobalHeader:
			continue
		default:
			return fmt.Errorf("the archive has %q, which is neither a file nor a folder", h.Name)
		}
		if err := u.entry(h.Name, h.Typeflag == tar.TypeDir, h.FileInfo().Mode(), t); err != nil {
			return err
		}
	}
}

func (u *unpacking) entry(name string, isDir bool, mode os.FileMode, content io.Reader) error {
	if u.entries++; u.entries > maxEntries {
		return fmt.Errorf("the archive has more than %d entries", maxEntries)
	}
	clean, err := local(name)
	if err != nil {
		return err
	}
	path := filepath.Join(u.dir, clean)
	if isDir {
		return u.root.MkdirAll(path, 0o755)
	}
	if folder := filepath.Dir(path); !u.made[folder] {
		if err := u.root.MkdirAll(folder, 0o755); err != nil {
			return err
		}
		u.made[folder] = true
	}
	to, err := u.root.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644|mode&0o111)
	if err != nil {
		return err
	}
	n, err := io.Copy(to, io.LimitReader(while{u.ctx, content}, u.left+1))
	if err := errors.Join(err, to.Close()); err != nil {
		return fmt.Errorf("%q of the archive: %w", name, err)
	}
	if u.left -= n; u.left < 0 {
		return errors.New("the archive holds more than its size allows; it looks made to fill the disk")
	}
	return nil
}
