package store

import (
	"context"
	"database/sql"
	"errors"

	"berth.dev/berth"
)

// label says whose a secret is: one that was moved to another row does not open.
func label(key, name string) string { return key + "#" + name }

// seal makes secrets unreadable. It comes before the transaction, which all writers wait for; release comes after it, so that
// no key is forgotten in between.
func (s *Store) seal(id berth.ID, secrets map[string][]byte) (sealed map[string][]byte, release func(), err error) {
	if len(secrets) == 0 {
		return nil, func() {}, nil
	}
	s.sealing.RLock()
	sealed = make(map[string][]byte, len(secrets))
	for name, value := range secrets {
		if sealed[name], err = s.sealer.Seal(label(id.Key(), name), value); err != nil {
			break
		}
	}
	return sealed, s.sealing.RUnlock, err
}

// Secret reads one secret of a resource. ErrNotFound when it has none by that name.
func (s *Store) Secret(ctx context.Context, id berth.ID, name string) ([]byte, error) {
	var v []byte
	err := s.read.QueryRowContext(ctx, "SELECT value FROM secrets WHERE resource_key = ? AND name = ?", id.Key(), name).Scan(&v)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	return s.sealer.Open(label(id.Key(), name), v)
}

// Reseal seals anew what is not sealed, or by an older key. Afterwards nothing is left that needs one, and nothing comes. It
// may be broken off and begun again.
func (s *Store) Reseal(ctx context.Context) (count int, err error) {
	s.sealing.Lock()
	defer s.sealing.Unlock()
	old, err := s.outdated(ctx)
	if err != nil {
		return 0, err
	}
	for _, o := range old {
		value, err := s.sealer.Open(label(o.key, o.name), o.value)
		if err != nil {
			return count, err
		}
		sealed, err := s.sealer.Seal(label(o.key, o.name), value)
		if err != nil {
			return count, err
		}
		err = s.tx(ctx, func(tx *txn) error {
			_, err := tx.ExecContext(ctx, "UPDATE secrets SET value = ? WHERE resource_key = ? AND name = ?", sealed, o.key, o.name)
			return err
		})
		if err != nil {
			return count, err
		}
		count++
	}
	if count > 0 { // what was deleted and overwritten is still in the file until it is written anew
		_, err = s.write.ExecContext(ctx, "VACUUM")
	}
	return count, storageError(err)
}

type keptSecret struct {
	key, name string
	value     []byte
}

func (s *Store) outdated(ctx context.Context) (all []keptSecret, err error) {
	rows, err := s.read.QueryContext(ctx, "SELECT resource_key, name, value FROM secrets")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var k keptSecret
		if err := rows.Scan(&k.key, &k.name, &k.value); err != nil {
			return nil, err
		}
		if !s.sealer.Sealed(k.value) {
			all = append(all, k)
		}
	}
	return all, rows.Err()
}
