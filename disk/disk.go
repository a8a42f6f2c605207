// Package disk writes and reads the small files that Berth keeps beside its database: keys, certificates, credentials.
package disk

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// What a file may be read by.
const (
	Secret = fs.FileMode(0o600) // its owner only
	Public = fs.FileMode(0o644) // everybody
)

const (
	// maxFile is far above anything kept here; it bounds what a wrong file can make us read.
	maxFile = 1 << 20
)

// Write replaces a file so that a kill at any moment leaves the old one or the new one, whole. The temporary file has
// a fixed name: what a kill left behind is overwritten next time and never piles up.
func Write(path string, data []byte, mode fs.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	tmp := path + ".tmp"
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, Secret)
	if err != nil {
		return err
	}
	// Chmod comes before the first byte: neither the umask nor a left-over file decides who can read it.
	err = f.Chmod(mode)
	if err == nil {
		_, err = f.Write(data)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(tmp))
	}
	if err := os.Rename(tmp, path); err != nil {
		return err
	}
	return Sync(filepath.Dir(path))
}

// Sync makes the renames in a folder survive a power cut. Windows cannot sync a directory and does not need to.
func Sync(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Read reads a file written by Write. A secret that other users of the machine can read is refused: it may be
// known to them already, and going on would hide that.
func Read(path string, mode fs.FileMode) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // only read
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	if mode == Secret && runtime.GOOS != "windows" && info.Mode()&0o077 != 0 {
		return nil, fmt.Errorf("%s holds a secret and other users can use it (mode %04o): run chmod 600 %s and start again",
			path, info.Mode().Perm(), path)
	}
	return io.ReadAll(io.LimitReader(f, maxFile))
}
