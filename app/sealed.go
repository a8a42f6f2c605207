package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"berth.dev/berth"
	"berth.dev/berth/rules"
	"berth.dev/berth/seal"
	"berth.dev/berth/store"
)

// openStore opens the database and the box that its secrets are sealed with. A rotation of the box's key that was broken off
// is brought to its end, and so are the secrets of a data folder from before there was a box.
func (s *server) openStore(ctx context.Context) error {
	err := s.databaseLost()
	if err != nil {
		return err
	}
	if s.box, err = seal.LoadOrMake(s.config.DataDir); err != nil {
		return err
	}
	options := store.Options{Clock: s.clock, Sealer: s.box, Log: s.log, Explain: rules.Explain, Spans: s.spans}
	if s.store, err = s.openDatabase(ctx, options); err != nil {
		return err
	}
	s.onStop(s.store.Close)
	if err := cmp.Or(s.shareKeys(ctx), errors.Join(s.store.FreeLeases(ctx), s.reseal(ctx))); err != nil {
		return err
	}
	s.verifyStore(ctx)
	return nil
}

// databaseLost refuses a data folder that a server has used and whose database is missing or empty: a new one would have none of the
// resources, and nobody would be told. A first start that was killed passes: it makes the database before these files.
func (s *server) databaseLost() error {
	if s.config.Database != "" {
		return nil
	}
	dir := s.config.DataDir
	info, err := os.Stat(filepath.Join(dir, database))
	if err == nil && info.Size() > 0 {
		return nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, name := range []string{credentialFile, signingFile} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			return nil //nolint:nilerr // without both files no server has used the folder to the end of its first start
		}
	}
	return fmt.Errorf("the data folder %s has the keys of a server, and its database %s is missing or empty: restore it (berth admin restore "+
		"FILE), or name the one in use with --database. To begin anew without its resources, choose another --data-dir", dir, database)
}

// verifyEvery is how often the database is read as a whole while the server runs: 8 s of one core for 100,000 resources.
const verifyEvery = 6 * time.Hour

// verifyStore verifies the database beside everything else: now and then again. The store logs what it finds.
func (s *server) verifyStore(ctx context.Context) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			if err := s.store.Verify(ctx); err != nil && ctx.Err() == nil {
				s.log.Error("the database was verified", "error", err)
			}
			select {
			case <-ctx.Done():
			case <-s.clock.After(verifyEvery):
			}
		}
	}()
	s.onStop(func() error { cancel(); <-done; return nil })
}

// reseal seals everything with the newest key, and forgets the others.
func (s *server) reseal(ctx context.Context) error {
	n, lost, err := s.store.Reseal(ctx)
	if err != nil {
		return fmt.Errorf("the secrets cannot be sealed: %w", err)
	}
	if n > 0 {
		s.log.Info("sealed secrets", "count", n)
	}
	if s.box.Rotating() && lost == 0 { // an older key may open a record after a repair: it is kept
		return s.box.DropOldKeys()
	}
	return nil
}

// rotateSecretKey encrypts the secrets with a new key.
func (s *server) rotateSecretKey(ctx context.Context) error {
	others, err := s.store.Others(ctx)
	if err != nil {
		return err
	}
	for _, o := range others {
		if o.GoneAt.IsZero() {
			return berth.Errorf(berth.CodeConflict, "The server on '%s' uses the same database and would not know the new key. Stop all servers "+
				"but this one, change the key, and copy secrets-key.txt to the others before they start again.", o.Name)
		}
	}
	if err := s.box.AddKey(); err != nil {
		return err
	}
	return s.reseal(ctx)
}
