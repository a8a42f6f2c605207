// Package disk writes and reads the small files beside the database: keys, certificates, credentials.
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

// The permissions of a file.
const (
	Secret = fs.FileMode(0o600) // its owner only
	Public = fs.FileMode(0o644) // everybody
)

const (
	// maxFile, in bytes, is far above the size of these files; it limits what is read of a wrong file.
	maxFile = 1 << 20
)

// Write replaces a file so that a kill at any moment leaves either the old or the new file complete. The temporary file has a fixed
// name, so that the next call overwrites what a kill has left.
func Write(path string, data []byte, mode fs.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	tmp := path + ".tmp"
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, Secret)
	if err != nil {
		return err
	}
	// Chmod comes before the first byte: neither the umask nor an old temporary file determines the permissions.
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

// Read reads a file written by Write, at most 1 MiB. It refuses a secret that other users of the machine can read: they may have
// read it already, and continuing would hide that.
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
