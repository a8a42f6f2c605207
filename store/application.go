package store

import (
	"context"
	"encoding/json"
	"errors"

	"berth.dev/berth"
)

// Applications are all applications that may sign in, sorted by id. One whose record cannot be read has no credential, and its
// name says so. Delete it, or give it a new credential.
func (s *Store) Applications(ctx context.Context) (all []berth.Application, err error) {
	rows, err := s.read.QueryContext(ctx, "SELECT id, body, checksum FROM applications ORDER BY id")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var id, body text
		var sum checksum
		if err := rows.Scan(&id, &body, &sum); err != nil {
			return nil, err
		}
		var a berth.Application
		err := json.Unmarshal([]byte(body), &a)
		switch {
		case sum.differs(checksumOf(id, body)) != 0:
			err = errChecksum
		case err == nil && a.ID != string(id):
			err = errors.New("its id differs from its key")
		}
		if err != nil {
			s.setAside("applications", string(id), err)
			a = berth.Application{ID: string(id), ObjectID: string(id), RegistrationID: string(id), Name: "unreadable record " + string(id)}
		}
		all = append(all, a)
	}
	return all, rows.Err()
}

// PutApplication stores an application. It replaces the one with the same id.
func (s *Store) PutApplication(ctx context.Context, a berth.Application) error {
	return s.tx(ctx, func(tx *txn) error {
		body := toJSON(a)
		_, err := tx.ExecContext(ctx, `INSERT INTO applications (id, body, checksum) VALUES (?, ?, ?)
			ON CONFLICT (id) DO UPDATE SET body = excluded.body, checksum = excluded.checksum`, a.ID, body, checksumOf(a.ID, body))
		return err
	})
}

// DeleteApplication deletes an application. It is no error when there is none with this id.
func (s *Store) DeleteApplication(ctx context.Context, id string) error {
	err := s.tx(ctx, func(tx *txn) error {
		_, err := tx.ExecContext(ctx, "DELETE FROM applications WHERE id = ?", id)
		return err
	})
	if err == nil {
		s.unreadable.forget("applications", id)
	}
	return err
}
