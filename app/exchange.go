package app

import (
	"errors"
	"os"
	"path/filepath"
	"strings"

	"berth.dev/berth/disk"
)

// A restore takes effect by renames alone, and each state of the folder between them shows what is still to be done:
//
//	restore.tmp               being unpacked: nothing has happened yet
//	restore-STAMP.ready       decided: what is in the folder moves to before-restore-STAMP
//	restore-STAMP.install     all of that has moved: what was unpacked moves into its place
const (
	asidePrefix = "before-restore-"
	unpacked    = "restore.tmp"
	ready       = ".ready"
	install     = ".install"
)

// rename is os.Rename; a test lets it fail, as a kill would.
var rename = os.Rename

// exchange puts what is in work in the place of what is in dir.
func exchange(dir, work, stamp string) error {
	if err := os.Mkdir(filepath.Join(dir, asidePrefix+stamp), 0o700); err != nil {
		return err
	}
	if err := errors.Join(disk.Sync(work), rename(work, filepath.Join(dir, "restore-"+stamp+ready))); err != nil {
		return err
	}
	return finishRestore(dir)
}

// finishRestore brings a restore to its end that was broken off. It is for the holder of the folder's lock, before anything
// opens the database.
func finishRestore(dir string) error {
	if err := os.RemoveAll(filepath.Join(dir, unpacked)); err != nil {
		return err
	}
	for _, path := range found(dir, ready) {
		stamp := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(path), "restore-"), ready)
		// The log of the database goes first: without it the file is an old one, and beside another file it would damage it.
		for _, name := range append([]string{database + "-wal", database + "-shm", database}, keyFiles...) {
			err := rename(filepath.Join(dir, name), filepath.Join(dir, asidePrefix+stamp, name))
			if err != nil && !errors.Is(err, os.ErrNotExist) {
				return err
			}
		}
		if err := errors.Join(disk.Sync(filepath.Join(dir, asidePrefix+stamp)), disk.Sync(dir)); err != nil {
			return err
		}
		if err := rename(path, strings.TrimSuffix(path, ready)+install); err != nil {
			return err
		}
	}
	for _, path := range found(dir, install) {
		files, err := os.ReadDir(path)
		if err != nil {
			return err
		}
		for _, f := range files {
			if err := rename(filepath.Join(path, f.Name()), filepath.Join(dir, f.Name())); err != nil {
				return err
			}
		}
		if err := errors.Join(disk.Sync(dir), os.Remove(path), disk.Sync(dir)); err != nil {
			return err
		}
	}
	return nil
}

func found(dir, suffix string) []string {
	all, _ := filepath.Glob(filepath.Join(globSafe(dir), "restore-*"+suffix)) // the pattern is sound
	return all
}

// globSafe takes a folder's name as it is.
func globSafe(dir string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(dir)
}
