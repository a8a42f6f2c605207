package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"berth.dev/berth"
)

const putRefresh = "INSERT INTO refresh_tokens (hash, family, person, client, signed_in, expires) VALUES (?, ?, ?, ?, ?, ?)"

// AddRefreshToken stores the first refresh token of a sign-in, and deletes those that have expired.
func (s *Store) AddRefreshToken(ctx context.Context, t berth.RefreshToken, now time.Time) error {
	return s.tx(ctx, func(tx *txn) error {
		if _, err := tx.ExecContext(ctx, "DELETE FROM refresh_tokens WHERE expires <= ?", now.Unix()); err != nil {
			return err
		}
		return addRefresh(ctx, tx, t)
	})
}

func addRefresh(ctx context.Context, tx *txn, t berth.RefreshToken) error {
	_, err := tx.ExecContext(ctx, putRefresh, t.Hash, t.Family, t.Person, t.Client, t.SignedIn.Unix(), t.Expires.Unix())
	return err
}

// ExchangeRefreshToken replaces a refresh token by a new one of the same sign-in, in one commit. The result has no hash when there is
// no such token for the client, when it has expired, or when it was used before and its grace is over. The last means that two have
// it, of whom one stole it: then all tokens of the sign-in are deleted.
func (s *Store) ExchangeRefreshToken(ctx context.Context, x berth.Exchange) (t berth.RefreshToken, err error) {
	err = s.tx(ctx, func(tx *txn) error {
		t = berth.RefreshToken{} // it may run twice
		var signedIn, expires, used int64
		row := tx.QueryRowContext(ctx, "SELECT family, person, client, signed_in, expires, used FROM refresh_tokens WHERE hash = ?", x.Old)
		if err := row.Scan(&t.Family, &t.Person, &t.Client, &signedIn, &expires, &used); errors.Is(err, sql.ErrNoRows) {
			return nil
		} else if err != nil {
			return err
		}
		now := x.Now.Unix()
		switch {
		case t.Client != x.Client || expires <= now:
			return nil
		case used != 0 && now > used+int64(x.Grace.Seconds()):
			_, err := tx.ExecContext(ctx, "DELETE FROM refresh_tokens WHERE family = ?", t.Family)
			return err
		}
		if _, err := tx.ExecContext(ctx, "UPDATE refresh_tokens SET used = ? WHERE hash = ? AND used = 0", now, x.Old); err != nil {
			return err
		}
		t.Hash = x.New
		t.SignedIn, t.Expires = time.Unix(signedIn, 0).UTC(), time.Unix(expires, 0).UTC()
		return addRefresh(ctx, tx, t)
	})
	return t, err
}

// DeleteRefreshTokens deletes all refresh tokens of a person, or of one sign-in of it (family). An empty text stands for none.
func (s *Store) DeleteRefreshTokens(ctx context.Context, person, family string) error {
	return s.tx(ctx, func(tx *txn) error {
		_, err := tx.ExecContext(ctx, "DELETE FROM refresh_tokens WHERE person = ? OR family = ?", person, family)
		return err
	})
}
