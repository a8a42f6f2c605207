package store

import (
	"context"
	"encoding/json"
	"errors"

	"berth.dev/berth"
)

// People are all persons. One whose record cannot be read is disabled, and its name says so: delete it, or repair the record.
func (s *Store) People(ctx context.Context) ([]berth.Person, error) {
	return records(ctx, s, "people", func(id, body text, sum checksum) (berth.Person, bool) {
		one, ok := bodyOf[berth.Person](s, "people", id, body, sum)
		if !ok {
			one = berth.Person{ID: string(id), Subject: "-" + string(id), UPN: "unreadable-" + string(id),
				Name: "unreadable record " + string(id), Disabled: true}
		}
		return one, true
	})
}

// Groups are all groups of outside providers. One that cannot be read is left out: the next sign-in of somebody in it writes it again.
func (s *Store) Groups(ctx context.Context) ([]berth.UserGroup, error) {
	return records(ctx, s, "people_groups", func(id, body text, sum checksum) (berth.UserGroup, bool) {
		return bodyOf[berth.UserGroup](s, "people_groups", id, body, sum)
	})
}

// records reads a table of records with ids, in their order, each by read, which may leave it out.
func records[T any](ctx context.Context, s *Store, table string, read func(id, body text, sum checksum) (T, bool)) (all []T, err error) {
	rows, err := s.read.QueryContext(ctx, "SELECT id, body, checksum FROM "+table+" ORDER BY id") // #nosec G202 -- constants of this package
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
		if one, ok := read(id, body, sum); ok {
			all = append(all, one)
		}
	}
	return all, rows.Err()
}

// bodyOf reads one record. One that cannot be read is set aside. (Five parameters: a row and where it stands.)
func bodyOf[T any](s *Store, table string, id, body text, sum checksum) (one T, ok bool) {
	err := json.Unmarshal([]byte(body), &one)
	if sum.differs(checksumOf(id, body)) != 0 {
		err = errChecksum
	}
	if err != nil {
		s.setAside(table, string(id), err)
	}
	return one, err == nil
}

const putPerson = `INSERT INTO people (id, body, checksum) VALUES (?, ?, ?)
	ON CONFLICT (id) DO UPDATE SET body = excluded.body, checksum = excluded.checksum`

const putGroup = `INSERT INTO people_groups (id, body, checksum) VALUES (?, ?, ?)
	ON CONFLICT (id) DO UPDATE SET body = excluded.body, checksum = excluded.checksum`

// PutPerson stores a person, and groups, in one commit. They replace those with the same ids.
func (s *Store) PutPerson(ctx context.Context, p berth.Person, groups []berth.UserGroup) error {
	return s.logged(ctx, func(tx *txn) error {
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
	err := s.logged(ctx, func(tx *txn) error {
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
