package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"hash/crc32"
	"time"

	"github.com/jackc/pgx/v5"

	"berth.dev/berth"
)

const (
	// serverLock is the first half of the keys of the locks that running servers hold: "BERS" in ASCII.
	serverLock = 0x42455253
	channel    = "berth"
	// pollEvery is how often a server looks for changes and for servers that have ended, whether it is notified or not.
	pollEvery = time.Second
	// goneAfter is how long the lock of a server must be free before the others take its work: a server that only lost its connection
	// takes the lock again within that time.
	goneAfter = 2 * time.Second
	// takePatience is how long a start waits for the lock of an earlier process of the same server.
	takePatience = 15 * time.Second
)

// writeChanges writes all changes of a transaction, and notifies the other servers when it commits: one round trip. The lock of the
// writers makes the numbers gapless and their order that of the commits.
const writeChanges = `WITH written AS (
  INSERT INTO changes (n, server, key, state, gone, at)
  SELECT (SELECT COALESCE(MAX(n), 0) FROM changes) + told.i, ?, told.e->>'key', told.e->>'state', (told.e->>'gone')::bigint, ?
    FROM json_array_elements(?::json) WITH ORDINALITY AS told(e, i)
  RETURNING n
) SELECT pg_notify('` + channel + `', '') FROM written LIMIT 1`

// lockOf is the second half of the key of a server's lock.
func lockOf(id string) int32 { return int32(crc32.ChecksumIEEE([]byte(id))) } // #nosec G115 -- the bits

// postgresServers keeps this server among those of the database. It has a connection of its own, which holds the server's lock: when the
// process ends, however it ends, PostgreSQL frees the lock, and the others see that.
type postgresServers struct {
	others  *others
	config  *pgx.ConnConfig
	conn    *pgx.Conn
	missing map[string]time.Time // servers whose lock is free, and since when
}

// join takes the server's lock and enters it into the list of servers.
func (p *postgresServers) join(ctx context.Context) error {
	deadline := time.Now().Add(takePatience)
	for {
		err := p.connect(ctx)
		if err == nil {
			break
		}
		if !errors.Is(err, errTaken) || time.Now().After(deadline) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pollEvery / 4):
		}
	}
	s, self := p.others.store, p.others.self
	return s.tx(ctx, func(tx *txn) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO servers (id, name, gone_at) VALUES (?, ?, 0)
			ON CONFLICT (id) DO UPDATE SET name = excluded.name, gone_at = 0`, self.ID, plain(self.Name))
		return err
	})
}

var errTaken = errors.New("a server with the same data folder, or with a copy of it, uses this database")

// connect opens the connection of the lock and of the notifications.
func (p *postgresServers) connect(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	conn, err := pgx.ConnectConfig(ctx, p.config)
	if err != nil {
		return err
	}
	var got bool
	err = conn.QueryRow(ctx, "SELECT pg_try_advisory_lock($1::integer, $2::integer)", serverLock, lockOf(p.others.self.ID)).Scan(&got)
	if err == nil && !got {
		err = errTaken
	}
	if err == nil {
		_, err = conn.Exec(ctx, "LISTEN "+channel)
	}
	if err != nil {
		return errors.Join(err, conn.Close(ctx))
	}
	p.conn = conn
	return nil
}

// run hears the notifications until the store is closed, and polls beside them.
func (p *postgresServers) run() {
	s := p.others.store
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		select {
		case <-s.closed:
			cancel()
		case <-ctx.Done():
		}
	}()
	for ctx.Err() == nil {
		if err := p.hear(ctx); err != nil && ctx.Err() == nil {
			s.log.Warn("the database does not answer; trying again", "error", err)
			p.again(ctx)
		}
	}
	p.leave()
}

// hear waits for a notification, at most until the next poll, and then reads what the others have done.
func (p *postgresServers) hear(ctx context.Context) error {
	wait, cancel := context.WithTimeout(ctx, pollEvery)
	_, err := p.conn.WaitForNotification(wait)
	polled := wait.Err() != nil
	cancel()
	if err != nil && !polled {
		return err
	}
	if err := p.others.store.Sync(ctx); err != nil {
		return err
	}
	if !polled {
		return nil
	}
	return p.look(ctx)
}

// again connects anew after the connection was lost.
func (p *postgresServers) again(ctx context.Context) {
	closing, cancel := context.WithTimeout(ctx, pollEvery)
	_ = p.conn.Close(closing) // it is lost
	cancel()
	for ctx.Err() == nil {
		if p.connect(ctx) == nil {
			p.missing = map[string]time.Time{}
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(pollEvery / 4):
		}
	}
}

// leave says that the server has ended in order: the others need not wait.
func (p *postgresServers) leave() {
	ctx, cancel := context.WithTimeout(context.Background(), pollEvery)
	defer cancel()
	_ = p.conn.Close(ctx) // PostgreSQL frees the lock when the connection ends
}

// look finds servers that have ended without releasing their leases, and frees these.
func (p *postgresServers) look(ctx context.Context) error {
	s := p.others.store
	held, err := p.held(ctx)
	if err != nil {
		return err
	}
	all, err := s.servers(ctx)
	if err != nil {
		return err
	}
	for _, other := range all {
		switch since, missing := p.missing[other.ID]; {
		case other.ID == p.others.self.ID, !other.GoneAt.IsZero():
		case held[lockOf(other.ID)]:
			delete(p.missing, other.ID)
		case !missing:
			p.missing[other.ID] = time.Now()
		case time.Since(since) >= goneAfter:
			delete(p.missing, other.ID)
			if err := p.bury(ctx, other.Server); err != nil {
				return err
			}
		}
	}
	return nil
}

// held are the locks of the servers that run.
func (p *postgresServers) held(ctx context.Context) (map[int32]bool, error) {
	rows, err := p.conn.Query(ctx, "SELECT objid::bigint FROM pg_locks JOIN pg_database AS here ON here.oid = database "+
		"WHERE locktype = 'advisory' AND classid::bigint = $1::bigint AND objsubid = 2 AND granted AND datname = current_database()", serverLock)
	if err != nil {
		return nil, err
	}
	all := map[int32]bool{}
	for rows.Next() {
		var n int64
		if err := rows.Scan(&n); err != nil {
			rows.Close()
			return nil, err
		}
		all[int32(uint32(n))] = true // #nosec G115 -- the bits
	}
	return all, rows.Err()
}

// bury frees the leases of a server that has ended, so that the others work on its resources at once.
func (p *postgresServers) bury(ctx context.Context, gone Server) error {
	s := p.others.store
	err := s.tx(ctx, func(tx *txn) error {
		res, err := tx.ExecContext(ctx, "UPDATE servers SET gone_at = ? WHERE id = ? AND gone_at = 0", s.now(), gone.ID)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return err // another server was first
		}
		tx.tell(Event{Key: ServersChanged})
		if err := freeLeases(ctx, tx, gone.ID+"/"); err != nil {
			return err
		}
		// What only followed a cluster to its host comes back: another server says what it waits for.
		_, err = tx.ExecContext(ctx, "UPDATE resources SET server = '' WHERE server = ? AND type <> ?", gone.ID, berth.TypeCluster)
		return errors.Join(err, s.tellWaiting(ctx, tx, gone))
	})
	if err != nil {
		return fmt.Errorf("free the leases of server %s: %w", gone.Name, err)
	}
	s.log.Warn("a server has ended; the others work on its resources, except clusters that it runs", "server", gone.Name, "id", gone.ID)
	return nil
}

// tellWaiting says in the operations of the clusters of a server that has ended what they wait for.
func (s *Store) tellWaiting(ctx context.Context, tx *txn, gone Server) error {
	rows, err := tx.QueryContext(ctx, "SELECT id, operation_id FROM resources WHERE server = ? AND state IN ('Accepted', 'Creating', "+
		"'Updating', 'Deleting')", gone.ID)
	if err != nil {
		return err
	}
	waiting := map[string]string{}
	for rows.Next() {
		var id, operation string
		if err := rows.Scan(&id, &operation); err != nil {
			return errors.Join(err, rows.Close())
		}
		waiting[operation] = id
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return err
	}
	for operation, name := range waiting {
		id, err := berth.ParseID(name)
		if err != nil {
			continue // a damaged row, which its own reading reports
		}
		if err := changeOperation(ctx, tx, operation, func(w *operationRow) { w.message = s.elsewhere(id, gone.Name, s.now()) }); err != nil {
			return err
		}
		tx.tell(Event{Key: id.Key()})
	}
	return nil
}

func (s *Store) elsewhere(id berth.ID, host string, goneAt int64) text {
	why := s.explain(&berth.ElsewhereError{Cluster: id, Host: host, GoneAt: fromMicros(goneAt)})
	return text(plain(why.Message))
}

// awaited is the message of a new operation on a cluster whose server does not run; empty when that is not so.
func (s *Store) awaited(ctx context.Context, tx *txn, id berth.ID) (string, error) {
	if s.others == nil {
		return "", nil
	}
	var host string
	var goneAt int64
	err := tx.QueryRowContext(ctx, "SELECT s.name, s.gone_at FROM resources r JOIN servers s ON s.id = r.server "+
		"WHERE r.key = ? AND s.gone_at > 0", id.Key()).Scan(&host, &goneAt)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return string(s.elsewhere(id, host, goneAt)), err
}

// Drift is how far the clock of this server is ahead of that of the database; 0 where there can be no other server. Leases are
// compared with the clocks of several servers, so these must agree.
func (s *Store) Drift(ctx context.Context) (time.Duration, error) {
	if s.others == nil {
		return 0, nil
	}
	var now int64
	before := s.clock.Now()
	err := s.read.QueryRowContext(ctx, "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint").Scan(&now)
	middle := before.Add(s.clock.Since(before) / 2)
	return middle.Sub(fromMicros(now)), s.storageError(err)
}

// ServerState is a server, and whether it runs.
type ServerState struct {
	Server
	GoneAt time.Time // when the others found that it has ended; zero while it runs
}

// servers lists all servers that ever used the database.
func (s *Store) servers(ctx context.Context) (all []ServerState, err error) {
	rows, err := s.read.QueryContext(ctx, "SELECT id, name, gone_at FROM servers ORDER BY name, id")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var one ServerState
		var gone int64
		if err := rows.Scan(&one.ID, &one.Name, &gone); err != nil {
			return nil, err
		}
		one.GoneAt = fromMicros(gone)
		all = append(all, one)
	}
	return all, rows.Err()
}

// Home is the server that alone may work on a resource, because it runs the cluster. Nil when every server may.
func (s *Store) Home(ctx context.Context, id berth.ID) (*ServerState, error) {
	var server string
	if s.others == nil {
		return nil, nil
	}
	err := s.read.QueryRowContext(ctx, "SELECT COALESCE(MAX(server), '') FROM resources WHERE key = ?", id.Key()).Scan(&server)
	if err != nil || server == "" {
		return nil, err
	}
	all, err := s.servers(ctx)
	for _, one := range all {
		if one.ID == server {
			return &one, err
		}
	}
	return nil, err
}
