-- Several servers on one database, which only PostgreSQL has. A server is a data folder; gone_at is when the others found it gone.
CREATE TABLE servers (
  id      TEXT PRIMARY KEY,
  name    TEXT NOT NULL,                     -- the host, for messages
  gone_at BIGINT NOT NULL                    -- 0 while it runs
);

-- What was committed, in that order and without gaps, for the servers that have not read it yet.
CREATE TABLE changes (
  n      BIGINT PRIMARY KEY,
  server TEXT NOT NULL,                      -- which wrote it
  key    TEXT NOT NULL,
  state  TEXT NOT NULL,
  gone   BIGINT NOT NULL,                    -- 1: the row was removed
  at     BIGINT NOT NULL
);

-- The only server that may work on the row, because it runs the cluster; '' for any.
ALTER TABLE resources ADD COLUMN server TEXT NOT NULL DEFAULT '';
