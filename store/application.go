package store

import (
	"context"
	"encoding/json"
	"errors"

	"berth.dev/berth"
)

// Applications are all that may sign in, in the order of their ids. One whose record cannot be read has nothing to sign in
// with, and a name that says so: it can be deleted, or be given a new credential.
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
			err = errors.New("its id is not that of its key")
		}
		if err != nil {
			s.setAside("applications", string(id), err)
			a = berth.Application{ID: string(id), ObjectID: string(id), RegistrationID: string(id), Name: "unreadable record " + string(id)}
		}
		all = append(all, a)
	}
	return all, rows.Err()
}

// PutApplication keeps an application, in the place of the one with its id.
func (s *Store) PutApplication(ctx context.Context, a berth.Application) error {
	return s.tx(ctx, func(tx *txn) error {
		body := toJSON(a)
		_, err := tx.ExecContext(ctx, `INSERT INTO applications (id, body, checksum) VALUES (?, ?, ?)
			ON CONFLICT (id) DO UPDATE SET body = excluded.body, checksum = excluded.checksum`, a.ID, body, checksumOf(a.ID, body))
		return err
	})
}

// DeleteApplication forgets an application. One that is not there is no error.
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
