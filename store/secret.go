package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"berth.dev/berth"
)

// label binds a secret to its resource and name, so that it does not open in another row.
func label(key, name string) string { return key + "#" + name }

// seal encrypts secrets. Call it before the transaction, which all writers wait for, and release after it, so that Reseal does
// not drop the key in between.
func (s *Store) seal(key string, secrets map[string][]byte) (sealed map[string][]byte, release func(), err error) {
	if len(secrets) == 0 {
		return nil, func() {}, nil
	}
	s.sealing.RLock()
	sealed = make(map[string][]byte, len(secrets))
	for name, value := range secrets {
		if sealed[name], err = s.sealer.Seal(label(key, name), value); err != nil {
			break
		}
	}
	return sealed, s.sealing.RUnlock, err
}

// Secret reads and opens one secret of a resource. ErrNotFound when it has none by that name, CodeUnreadable when no key opens it.
func (s *Store) Secret(ctx context.Context, id berth.ID, name string) ([]byte, error) {
	var v []byte
	err := s.read.QueryRowContext(ctx, "SELECT value FROM secrets WHERE resource_key = ? AND name = ?", id.Key(), name).Scan(&v)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	value, err := s.sealer.Open(label(id.Key(), name), v)
	if err != nil {
		s.setAside("secrets", label(id.Key(), name), err)
		return nil, s.explain(&berth.UnreadableError{Kind: berth.StoredSecret, Name: id.Name(), Part: name, Why: err})
	}
	s.unreadable.forget("secrets", label(id.Key(), name))
	return value, nil
}

// Reseal seals all secrets with the newest key, so that no older key is needed any more. It may be interrupted and repeated. A
// secret that no key opens stays as it is and is counted in lost; when no secret opens, the keys belong to another database, and
// nothing is written.
func (s *Store) Reseal(ctx context.Context) (count, lost int, err error) {
	s.sealing.Lock()
	defer s.sealing.Unlock()
	old, current, err := s.outdated(ctx)
	if err != nil {
		return 0, 0, err
	}
	var why error
	for _, o := range old {
		value, err := s.sealer.Open(label(o.key, o.name), o.value)
		if err != nil {
			s.setAside("secrets", label(o.key, o.name), err)
			lost, why = lost+1, err
			continue
		}
		if err := s.reseal(ctx, o, value); err != nil {
			return count, lost, err
		}
		count++
	}
	if lost > 0 && count+current == 0 {
		return 0, lost, why
	}
	if count > 0 { // the file keeps deleted and overwritten values until it is rewritten
		err = s.engine.compact(ctx, s.write)
	}
	return count, lost, s.storageError(err)
}

func (s *Store) reseal(ctx context.Context, o keptSecret, value []byte) error {
	sealed, err := s.sealer.Seal(label(o.key, o.name), value)
	if err != nil {
		return err
	}
	return s.tx(ctx, func(tx *txn) error {
		_, err := tx.ExecContext(ctx, "UPDATE secrets SET value = ?, checksum = ? WHERE resource_key = ? AND name = ?",
			sealed, checksumOf(o.key, o.name, sealed), o.key, o.name)
		return err
	})
}

// VerifySecrets opens every secret. It sets aside those that do not open, and returns an error when there are any.
func (s *Store) VerifySecrets(ctx context.Context) (err error) {
	rows, err := s.read.QueryContext(ctx, "SELECT resource_key, name, value FROM secrets")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	lost := 0
	for rows.Next() {
		var k keptSecret
		if err := rows.Scan(&k.key, &k.name, &k.value); err != nil {
			return err
		}
		if _, err := s.sealer.Open(label(k.key, k.name), k.value); err != nil {
			s.setAside("secrets", label(k.key, k.name), err)
			lost++
		}
	}
	if lost > 0 {
		return fmt.Errorf("%d secret(s) cannot be opened with the key in secrets-key.txt", lost)
	}
	return rows.Err()
}

type keptSecret struct {
	key, name string
	value     []byte
}

// outdated are the secrets that the newest key does not open; current is how many it does.
func (s *Store) outdated(ctx context.Context) (all []keptSecret, current int, err error) {
	rows, err := s.read.QueryContext(ctx, "SELECT resource_key, name, value FROM secrets")
	if err != nil {
		return nil, 0, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var k keptSecret
		if err := rows.Scan(&k.key, &k.name, &k.value); err != nil {
			return nil, 0, err
		}
		if s.sealer.Sealed(k.value) {
			current++
		} else {
			all = append(all, k)
		}
	}
	return all, current, rows.Err()
}
