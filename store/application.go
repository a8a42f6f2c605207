package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"

	"berth.dev/berth"
)

// Applications are all applications that may sign in, sorted by id. One whose record cannot be read has no credential, and its
// name says so. Delete it, or give it a new credential.
func (s *Store) Applications(ctx context.Context) ([]berth.Application, error) {
	return records(ctx, s, "applications", func(id, body text, sum checksum) (berth.Application, bool) {
		return s.application(id, body, sum), true
	})
}

func (s *Store) application(id, body text, sum checksum) berth.Application {
	var a berth.Application
	err := json.Unmarshal([]byte(body), &a)
	switch {
	case sum.differs(checksumOf(id, body)) != 0:
		err = errChecksum
	case err == nil && a.ID != string(id):
		err = errors.New("its id differs from its key")
	}
	if err == nil {
		return a
	}
	s.setAside("applications", string(id), err)
	return berth.Application{ID: string(id), ObjectID: string(id), RegistrationID: string(id), Name: "unreadable record " + string(id)}
}

// AlterApplication changes an application in one step, and returns it as it is then; the zero Application when there is none.
// An error of change is returned as it is, and nothing is written. change must not use the store.
func (s *Store) AlterApplication(ctx context.Context, id string, change func(*berth.Application) error) (a berth.Application, err error) {
	err = s.logged(ctx, func(tx *txn) error {
		var body text
		var sum checksum
		err := tx.QueryRowContext(ctx, "SELECT body, checksum FROM applications WHERE id = ?", id).Scan(&body, &sum)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		a = s.application(text(id), body, sum)
		if err := change(&a); err != nil {
			return err
		}
		return putApplication(ctx, tx, a)
	})
	return a, err
}

// PutApplication stores an application. It replaces the one with the same id.
func (s *Store) PutApplication(ctx context.Context, a berth.Application) error {
	return s.logged(ctx, func(tx *txn) error { return putApplication(ctx, tx, a) })
}

func putApplication(ctx context.Context, tx *txn, a berth.Application) error {
	tx.tell(Event{Key: ApplicationsChanged})
	body := toJSON(a)
	_, err := tx.ExecContext(ctx, `INSERT INTO applications (id, body, checksum) VALUES (?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET body = excluded.body, checksum = excluded.checksum`, a.ID, body, checksumOf(a.ID, body))
	return err
}

// DeleteApplication deletes an application. It is no error when there is none with this id.
func (s *Store) DeleteApplication(ctx context.Context, id string) error {
	err := s.logged(ctx, func(tx *txn) error {
		tx.tell(Event{Key: ApplicationsChanged})
		_, err := tx.ExecContext(ctx, "DELETE FROM applications WHERE id = ?", id)
		return err
	})
	if err == nil {
		s.unreadable.forget("applications", id)
	}
	return err
}
