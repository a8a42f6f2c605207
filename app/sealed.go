package app

import (
	"context"
	"fmt"
	"path/filepath"

	"berth.dev/berth/seal"
	"berth.dev/berth/store"
)

// openStore opens the database and the box that its secrets are sealed with. A rotation of the box's key that was broken off
// is brought to its end, and so are the secrets of a data folder from before there was a box.
func (s *server) openStore(ctx context.Context) error {
	var err error
	if s.box, err = seal.LoadOrMake(s.config.DataDir); err != nil {
		return err
	}
	options := store.Options{Clock: s.clock, Sealer: s.box, Log: s.log}
	if s.store, err = store.Open(ctx, filepath.Join(s.config.DataDir, "berth.db"), options); err != nil {
		return err
	}
	s.onStop(s.store.Close)
	return s.reseal(ctx)
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
	if s.box.Rotating() && lost == 0 { // what an older key might open after a repair is not given up
		return s.box.DropOldKeys()
	}
	return nil
}

// rotateSecretKey gives the secrets a new key.
func (s *server) rotateSecretKey(ctx context.Context) error {
	if err := s.box.AddKey(); err != nil {
		return err
	}
	return s.reseal(ctx)
}
