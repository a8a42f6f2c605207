package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

const (
	unfinishedPrefix = ".new-"
	lockPatience     = 3 * time.Second
	lockPoll         = 20 * time.Millisecond
)

// openDir makes the folder, goes into it and locks it. Into it: socket paths may be about 100 bytes long, so they must
// be relative. Locked: a second process would remove the sockets of the first.
func openDir(s *settings) (*os.File, error) {
	dir, err := filepath.Abs(s.dir)
	if err != nil {
		return nil, err
	}
	s.dir = dir
	for _, d := range []string{dir, filepath.Join(dir, "pki")} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return nil, err
		}
		if err := os.Chmod(d, 0o700); err != nil { // it may have been there, open to others
			return nil, err
		}
	}
	if err := os.Chdir(dir); err != nil {
		return nil, err
	}
	lock, err := lockFile("lock", lockPatience)
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	if err := removeUnfinished(dir, filepath.Join(dir, "pki")); err != nil {
		_ = lock.Close()
		return nil, err
	}
	return lock, nil
}

// lockFile waits a little: a process that was killed holds its locks until the kernel is done with it.
func lockFile(path string, patience time.Duration) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(lockPoll) {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return f, nil
		}
		if errors.Is(err, syscall.EWOULDBLOCK) {
			if time.Now().Before(deadline) {
				continue
			}
			err = fault{errors.New("in use by another berth-kube"), exitBusy}
		}
		_ = f.Close()
		return nil, err
	}
}

// removeUnfinished removes what a killed process left behind in writeFile: it may hold keys.
func removeUnfinished(dirs ...string) error {
	for _, dir := range dirs {
		left, err := filepath.Glob(filepath.Join(dir, unfinishedPrefix+"*"))
		if err != nil {
			return err
		}
		for _, path := range left {
			if err := os.Remove(path); err != nil {
				return err
			}
		}
	}
	return nil
}

// writeFile writes a file whole or not at all: for the owner's eyes only.
func writeFile(path string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), unfinishedPrefix+"*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }() // gone already when all went well
	_, err = f.Write(text)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// syncDir makes a change of names in a folder last.
func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func exists(path string) (bool, error) {
	_, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}
