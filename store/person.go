package store

import (
	"context"
	"encoding/json"
	"errors"

	"berth.dev/berth"
)

// People are all persons. One whose record cannot be read is disabled, and its name says so: delete it, or repair the record.
func (s *Store) People(ctx context.Context) ([]berth.Person, error) {
	return bodies(ctx, s, "people", func(id string) []berth.Person {
		return []berth.Person{{ID: id, Subject: "-" + id, UPN: "unreadable-" + id, Name: "unreadable record " + id, Disabled: true}}
	})
}

// Groups are all groups of outside providers. One that cannot be read is left out: the next sign-in of somebody in it writes it again.
func (s *Store) Groups(ctx context.Context) ([]berth.UserGroup, error) {
	return bodies(ctx, s, "people_groups", func(string) []berth.UserGroup { return nil })
}

// bodies reads a table of records with ids. What cannot be read is set aside, and instead stands for it.
func bodies[T any](ctx context.Context, s *Store, table string, instead func(id string) []T) (all []T, err error) {
	rows, err := s.read.QueryContext(ctx, "SELECT id, body, checksum FROM "+table+" ORDER BY id") // #nosec G202 -- constants of this file
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
		var one T
		err := json.Unmarshal([]byte(body), &one)
		if sum.differs(checksumOf(id, body)) != 0 {
			err = errChecksum
		}
		if err != nil {
			s.setAside(table, string(id), err)
			all = append(all, instead(string(id))...)
			continue
		}
		all = append(all, one)
	}
	return all, rows.Err()
}

const putPerson = `INSERT INTO people (id, body, checksum) VALUES (?, ?, ?)
	ON CONFLICT (id) DO UPDATE SET body = excluded.body, checksum = excluded.checksum`

const putGroup = `INSERT INTO people_groups (id, body, checksum) VALUES (?, ?, ?)
	ON CONFLICT (id) DO UPDATE SET body = excluded.body, checksum = excluded.checksum`

// PutPerson stores a person, and groups, in one commit. They replace those with the same ids.
func (s *Store) PutPerson(ctx context.Context, p berth.Person, groups []berth.UserGroup) error {
	return s.tx(ctx, func(tx *txn) error {
		tx.tell(Event{Key: PeopleChanged})
		for _, g := range groups {
			body := toJSON(g)
			if _, err := tx.ExecContext(ctx, putGroup, g.ID, body, checksumOf(g.ID, body)); err != nil {
				return err
			}
		}
		body := toJSON(p)
		_, err := tx.ExecContext(ctx, putPerson, p.ID, body, checksumOf(p.ID, body))
		return err
	})
}

// DeletePerson deletes a person and its refresh tokens. It is no error when there is none with this id.
func (s *Store) DeletePerson(ctx context.Context, id string) error {
	err := s.tx(ctx, func(tx *txn) error {
		tx.tell(Event{Key: PeopleChanged})
		if _, err := tx.ExecContext(ctx, "DELETE FROM refresh_tokens WHERE person = ?", id); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, "DELETE FROM people WHERE id = ?", id)
		return err
	})
	if err == nil {
		s.unreadable.forget("people", id)
	}
	return err
}
