package store

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"berth.dev/berth"
)

// Verify reads the whole database. It checks that tables and indexes agree, and that every row is as it was written. It uses a
// reading connection, so that neither readers nor writers wait. Damage of the file is reported by Ping and Damaged from then on;
// a damaged row is set aside. Verify returns an error for either.
func (s *Store) Verify(ctx context.Context) error {
	if err := s.agree(ctx); err != nil {
		return err
	}
	before := s.unreadable.mark()
	for _, t := range tables {
		if err := s.checkRows(ctx, t); err != nil {
			return s.damagedBy(err)
		}
	}
	if err := s.decodeAll(ctx); err != nil {
		return s.damagedBy(err)
	}
	s.unreadable.sweep(before)
	if all := s.unreadable.names(); len(all) > 0 {
		return fmt.Errorf("%d stored record(s) cannot be read: %s", len(all), strings.Join(all[:min(len(all), 10)], ", "))
	}
	return nil
}

// Damaged reports whether the last Verify found the file itself damaged.
func (s *Store) Damaged() bool { return s.damage.Load() != nil }

// agree compares tables and indexes, which quick_check leaves out.
func (s *Store) agree(ctx context.Context) error {
	found, err := s.engine.integrity(ctx, s.read)
	if err != nil {
		return s.damagedBy(err)
	}
	if found != "" {
		return s.damagedBy(errors.New(found))
	}
	s.damage.Store(nil)
	return nil
}

// damagedBy notes that the file is damaged, and logs it at every Verify.
func (s *Store) damagedBy(why error) error {
	if errors.Is(why, context.Canceled) || errors.Is(why, context.DeadlineExceeded) {
		return why
	}
	text := strings.ReplaceAll(why.Error(), "\n", " ")
	why = s.explain(&berth.FileError{Fault: berth.FileDamaged, Path: s.path, Why: text})
	s.damage.Store(&why)
	s.log.Error("the database is damaged; restore a backup", "why", text)
	return why
}

// decodeAll decodes every record.
func (s *Store) decodeAll(ctx context.Context) error {
	for q := (Query{}); ; {
		_, next, err := s.List(ctx, q)
		if err != nil {
			return err
		}
		if next == "" {
			break
		}
		q.After = next
	}
	_, err := s.AllCleanups(ctx)
	if err == nil {
		_, err = s.Applications(ctx)
	}
	if err == nil {
		_, err = s.People(ctx)
	}
	if err == nil {
		_, err = s.Groups(ctx)
	}
	return err
}
