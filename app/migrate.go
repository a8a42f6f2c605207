package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/jonboulle/clockwork"

	"berth.dev/berth/rules"
	"berth.dev/berth/seal"
	"berth.dev/berth/store"
)

// MigrateDatabase copies the database file of a data folder into an empty PostgreSQL database, with the keys that the servers there
// share, and compares the two. The file stays as it is. It refuses a folder that a server works with.
func MigrateDatabase(ctx context.Context, dataDir, address string) (done []store.Copied, err error) {
	c := DefaultConfig()
	c.DataDir, c.Database = dataDir, address
	if err := c.checkDatabase(); err != nil {
		return nil, err
	}
	s := &server{config: c, clock: clockwork.NewRealClock(), log: slog.New(slog.DiscardHandler)}
	if err := s.lockDataDir(); err != nil {
		return nil, errors.Join(err, s.stop())
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	file := filepath.Join(s.config.DataDir, database)
	if _, err := os.Stat(file); err != nil {
		return nil, fmt.Errorf("there is no database file to copy: %w", err)
	}
	if s.box, err = seal.LoadOrMake(s.config.DataDir); err != nil {
		return nil, err
	}
	options := store.Options{Clock: s.clock, Sealer: s.box, Explain: rules.Explain}
	from, err := store.Open(ctx, file, options)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	if err := errors.Join(from.Verify(ctx), from.VerifySecrets(ctx)); err != nil {
		return nil, fmt.Errorf("the database file is damaged, so nothing was copied: %w", err)
	}
	self, err := s.self()
	if err != nil {
		return nil, err
	}
	if s.store, err = store.OpenPostgres(ctx, address, self, options); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.store.Close()) }()
	if done, err = from.CopyTo(ctx, s.store); err != nil {
		return done, err
	}
	return done, errors.Join(s.store.Verify(ctx), s.shareKeys(ctx))
}
