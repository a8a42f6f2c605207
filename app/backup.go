package app

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/jonboulle/clockwork"

	"berth.dev/berth"
	"berth.dev/berth/disk"
	"berth.dev/berth/identity"
	"berth.dev/berth/rules"
	"berth.dev/berth/seal"
	"berth.dev/berth/store"
)

const database = "berth.db"

// keyFiles are the files without which a database is useless: the key of its secrets, those of the tokens and the certificates, and
// the first caller. A server with a certificate of its own has no authority.
var keyFiles = []string{"secrets-key.txt", "signing-key.pem", "credentials.json", "ca.pem", "ca-key.pem", filesKey, identity.ScoringKeyFile}

// errPostgres: the database is not in the data folder.
var errPostgres = errors.New("this data folder has no database file: its server uses PostgreSQL, which is backed up with pg_dump or with " +
	"continuous archiving; keep a copy of secrets-key.txt separate from it (docs/017-postgresql.md)")

// usesPostgres reports whether the server of a data folder has its database elsewhere.
func usesPostgres(dir string) bool {
	_, noFile := os.Stat(filepath.Join(dir, database))
	_, noServer := os.Stat(filepath.Join(dir, serverFile))
	return errors.Is(noFile, fs.ErrNotExist) && noServer == nil
}

// Backup writes the database of a data folder and its key files into one new archive, readable by its owner only. A server may
// work with the folder meanwhile, and goes before. The archive is verified before it gets its name.
func Backup(ctx context.Context, dataDir, file string) error {
	return politely(func() error { return backup(ctx, dataDir, file) })
}

func backup(ctx context.Context, dataDir, file string) (err error) {
	if _, err := os.Stat(file); err == nil {
		return fmt.Errorf("%s exists already; choose another name for the backup", file)
	}
	if usesPostgres(dataDir) {
		return errPostgres
	}
	work, err := os.MkdirTemp(filepath.Dir(file), ".berth-backup-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	if err := snapshot(ctx, dataDir, work); err != nil {
		return err
	}
	if err := verifyFolder(ctx, work); err != nil {
		return fmt.Errorf("the data folder is damaged, so no backup was made: %w", err)
	}
	packed := filepath.Join(work, "packed")
	if err := pack(work, packed); err != nil {
		return err
	}
	return os.Rename(packed, file)
}

// snapshot copies database and key files so that they fit each other: a key that is changed meanwhile begins it anew.
func snapshot(ctx context.Context, from, to string) error {
	for range 5 {
		before, err := readKeys(from)
		if err != nil {
			return err
		}
		if err := store.Backup(ctx, filepath.Join(from, database), filepath.Join(to, database)); err != nil {
			return explained(err)
		}
		after, err := readKeys(from)
		if err != nil {
			return err
		}
		if !maps.EqualFunc(before, after, bytes.Equal) {
			if err := os.Remove(filepath.Join(to, database)); err != nil {
				return err
			}
			continue
		}
		for name, text := range after {
			if err := disk.Write(filepath.Join(to, name), text, disk.Secret); err != nil {
				return err
			}
		}
		return nil
	}
	return errors.New("the keys of the server changed during every attempt; try again")
}

// explained turns an error about the file into a message for a user.
func explained(err error) error {
	if fact, ok := errors.AsType[*berth.FileError](err); ok {
		return rules.Explain(fact)
	}
	return err
}

func readKeys(dir string) (map[string][]byte, error) {
	all := map[string][]byte{}
	for _, name := range keyFiles {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		all[name] = text
	}
	return all, nil
}

// pack writes the files of a backup into an archive.
func pack(dir, to string) (err error) {
	f, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, disk.Secret)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	w := tar.NewWriter(f)
	for _, name := range append([]string{database}, keyFiles...) {
		if err := packOne(w, filepath.Join(dir, name), f.Sync); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return errors.Join(w.Close(), f.Sync())
}

func packOne(w *tar.Writer, path string, through func() error) (err error) {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	head := &tar.Header{Name: filepath.Base(path), Mode: int64(disk.Secret), Size: info.Size(), ModTime: info.ModTime()}
	if err := w.WriteHeader(head); err != nil {
		return err
	}
	for err == nil {
		// Written through bit by bit: the commits of a server on the same disk would all wait for one great flush.
		if _, err = io.CopyN(w, f, writtenThrough); err == nil {
			err = through()
		}
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// writtenThrough is how many bytes of a backup are written before the disk must have them.
const writtenThrough = 1 << 20

// unpack reads an archive that Backup has written into an empty folder, and writes it through to the disk.
func unpack(file, to string) (err error) {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	found := 0
	for r := tar.NewReader(f); ; found++ {
		head, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("%s is not a backup, or only a part of one: %w", file, err)
		}
		if head.Name != database && !slices.Contains(keyFiles, head.Name) || head.Typeflag != tar.TypeReg {
			return fmt.Errorf("%s is not a backup of Berth: it contains %q", file, head.Name)
		}
		if err := unpackOne(r, filepath.Join(to, head.Name)); err != nil { // #nosec G305 -- the name is one of the list above
			return fmt.Errorf("%s cannot be unpacked: %w", file, err)
		}
	}
	if found == 0 {
		return fmt.Errorf("%s is not a backup: it is empty", file)
	}
	return nil
}

func unpackOne(r io.Reader, path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, disk.Secret)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)               // #nosec G110 -- a tar is as long as the file that it is in
	if filepath.Base(path) == "ca.pem" { // clients of other users read it
		err = errors.Join(err, f.Chmod(disk.Public))
	}
	return errors.Join(err, f.Sync(), f.Close())
}

// Verify reports what is wrong with a data folder, whose server may be running, or with a backup file. It changes neither.
func Verify(ctx context.Context, path string) (err error) {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.IsDir() && usesPostgres(path) {
		return errPostgres
	}
	work, err := os.MkdirTemp("", "berth-verify-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	if !info.IsDir() {
		err = unpack(path, work)
	} else if err = explained(store.CheckFile(ctx, filepath.Join(path, database))); err == nil {
		err = snapshot(ctx, path, work)
	}
	if err != nil {
		return err
	}
	return verifyFolder(ctx, work)
}

// verifyFolder opens a copy as a server would, reads all of it and opens every secret.
func verifyFolder(ctx context.Context, dir string) (err error) {
	for _, name := range []string{database, "secrets-key.txt"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			return fmt.Errorf("%s is missing", name)
		}
	}
	box, err := seal.LoadOrMake(dir)
	if err != nil {
		return err
	}
	options := store.Options{Clock: clockwork.NewRealClock(), Sealer: box, Explain: rules.Explain}
	s, err := store.Open(ctx, filepath.Join(dir, database), options)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	return errors.Join(s.Verify(ctx), s.VerifySecrets(ctx))
}

// Restored is the result of a restore.
type Restored struct {
	Aside string // the folder with the files that were there before
}

// Restore puts a backup in the place of the database and the key files of a data folder. The files that were there are moved aside, never
// deleted; the clusters stay as they are. It refuses a folder that a server works with. A restore that is broken off, by a kill
// too, has changed nothing, or is brought to its end by the next start of the server or the next restore.
func Restore(ctx context.Context, dataDir, file string) (done Restored, err error) {
	s := &server{config: Config{DataDir: dataDir}, clock: clockwork.NewRealClock()}
	if err := s.lockDataDir(); err != nil {
		return done, errors.Join(err, s.stop())
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	dir := s.config.DataDir
	work := filepath.Join(dir, unpacked)
	if err := os.Mkdir(work, 0o700); err != nil {
		return done, err
	}
	err = unpack(file, work)
	if err == nil {
		err = verifyFolder(ctx, work)
	}
	if err != nil {
		return done, errors.Join(fmt.Errorf("nothing was restored: %w", err), os.RemoveAll(work))
	}
	stamp := s.clock.Now().UTC().Format("20060102-150405.000")
	return Restored{Aside: filepath.Join(dir, asidePrefix+stamp)}, exchange(dir, work, stamp)
}
