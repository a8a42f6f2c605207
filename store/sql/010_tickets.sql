-- What lets somebody in for a short time: codes, devices that wait, links and sessions. All servers on the database share them. Of the
-- text that its holder has there is the hash. A damaged row is a ticket that nobody has: no checksum.
CREATE TABLE tickets (
  hash    TEXT PRIMARY KEY,
  kind    TEXT NOT NULL,
  owner   TEXT NOT NULL,                     -- whose it is: an object id, or the address that began it
  body    TEXT NOT NULL,                     -- JSON
  expires BIGINT NOT NULL                    -- Unix seconds
);
CREATE INDEX tickets_expires ON tickets (expires);
CREATE INDEX tickets_kind ON tickets (kind, owner);
