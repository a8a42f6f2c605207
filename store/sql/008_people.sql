-- People who sign in, and the groups of outside providers. Of passwords there is only a slow hash in the body.
CREATE TABLE people (
  id       TEXT PRIMARY KEY,                 -- object id
  body     TEXT NOT NULL,                    -- JSON of the noun
  checksum BIGINT
);
CREATE TABLE people_groups (
  id       TEXT PRIMARY KEY,                 -- object id
  body     TEXT NOT NULL,                    -- JSON of the noun
  checksum BIGINT
);
-- Of a refresh token there is its hash. A damaged row is a token that nobody has: no checksum.
CREATE TABLE refresh_tokens (
  hash      TEXT PRIMARY KEY,
  family    TEXT NOT NULL,
  person    TEXT NOT NULL,
  client    TEXT NOT NULL,
  signed_in BIGINT NOT NULL,                 -- Unix seconds, as all times here
  expires   BIGINT NOT NULL,
  used      BIGINT NOT NULL DEFAULT 0        -- 0: not yet
);
CREATE INDEX refresh_tokens_family ON refresh_tokens (family);
CREATE INDEX refresh_tokens_person ON refresh_tokens (person);
CREATE INDEX refresh_tokens_expires ON refresh_tokens (expires);
