package store

import (
	"context"
	"errors"
	"fmt"
)

// sharedKey is where the files that all servers share stand among the secrets: they are sealed, resealed and verified like these.
const sharedKey = "shared"

// Shared are the files that all servers on the database share, by name: their keys. The error says so when the key of this server does
// not open them.
func (s *Store) Shared(ctx context.Context) (files map[string][]byte, err error) {
	rows, err := s.read.QueryContext(ctx, "SELECT name, value FROM secrets WHERE resource_key = ?", sharedKey)
	if err != nil {
		return nil, s.storageError(err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	files = map[string][]byte{}
	for rows.Next() {
		var name string
		var sealed []byte
		if err := rows.Scan(&name, &sealed); err != nil {
			return nil, err
		}
		if files[name], err = s.sealer.Open(label(sharedKey, name), sealed); err != nil {
			return nil, fmt.Errorf("%w: %s: %w", ErrOtherKey, name, err)
		}
	}
	return files, rows.Err()
}

// ErrOtherKey means that what the servers share was sealed with the secrets' key of another installation.
var ErrOtherKey = errors.New("the secrets' key of this server does not open what the servers share")

// Share adds files to those that all servers share, in one step. Those that are there already stay as they are.
func (s *Store) Share(ctx context.Context, files map[string][]byte) error {
	return s.share(ctx, files, "INSERT INTO secrets (resource_key, name, value, checksum) VALUES (?, ?, ?, ?) "+
		"ON CONFLICT (resource_key, name) DO NOTHING")
}

// PutShared replaces a file that all servers share. The others hear of it (KeysChanged).
func (s *Store) PutShared(ctx context.Context, name string, text []byte) error {
	return s.share(ctx, map[string][]byte{name: text}, "INSERT INTO secrets (resource_key, name, value, checksum) VALUES (?, ?, ?, ?) "+
		"ON CONFLICT (resource_key, name) DO UPDATE SET value = excluded.value, checksum = excluded.checksum")
}

func (s *Store) share(ctx context.Context, files map[string][]byte, insert string) error {
	sealed, release, err := s.seal(sharedKey, files)
	defer release()
	if err != nil {
		return err
	}
	return s.tx(ctx, func(tx *txn) error {
		tx.tell(Event{Key: KeysChanged})
		for name, value := range sealed {
			if _, err := tx.ExecContext(ctx, insert, sharedKey, name, value, checksumOf(sharedKey, name, value)); err != nil {
				return err
			}
		}
		return nil
	})
}

// Others are the servers on the same database beside this one, running or not; none where there can be no other.
func (s *Store) Others(ctx context.Context) (all []ServerState, err error) {
	if s.others == nil {
		return nil, nil
	}
	every, err := s.servers(ctx)
	for _, one := range every {
		if one.ID != s.others.self.ID {
			all = append(all, one)
		}
	}
	return all, s.storageError(err)
}
