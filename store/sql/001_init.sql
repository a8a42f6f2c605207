-- What is wanted and what was found. The table is also the work queue: a row with due_at is work.
-- Times are microseconds since 1970, UTC. Kept to what both SQLite and PostgreSQL can run.
CREATE TABLE resources (
  key          TEXT PRIMARY KEY,             -- the id in lower case
  id           TEXT NOT NULL,                -- the id in the caller's casing
  type         TEXT NOT NULL,                -- canonical casing
  subscription TEXT NOT NULL,                -- lower case
  group_key    TEXT NOT NULL,                -- key of the resource group; of a group its own
  parent_key   TEXT NOT NULL,                -- key of the enclosing resource; '' for a group
  location     TEXT NOT NULL,
  tags         TEXT NOT NULL,                -- JSON object
  body         TEXT NOT NULL,                -- JSON of the noun; never a secret
  state        TEXT NOT NULL,
  generation   BIGINT NOT NULL,
  created_at   BIGINT NOT NULL,
  created_by   TEXT NOT NULL,
  modified_at  BIGINT NOT NULL,
  modified_by  TEXT NOT NULL,
  operation_id TEXT NOT NULL,
  fault        TEXT NOT NULL,                -- JSON of the last failure, or ''
  due_at       BIGINT,                       -- when the engine should look; NULL: never
  lease_owner  TEXT NOT NULL DEFAULT '',
  lease_until  BIGINT NOT NULL DEFAULT 0,
  attempts     BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX resources_due ON resources (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX resources_group ON resources (group_key, type);
CREATE INDEX resources_parent ON resources (parent_key, type);
CREATE INDEX resources_type ON resources (subscription, type, key);

CREATE TABLE operations (
  id           TEXT PRIMARY KEY,
  resource_key TEXT NOT NULL,
  resource_id  TEXT NOT NULL,
  subscription TEXT NOT NULL,
  verb         TEXT NOT NULL,
  location     TEXT NOT NULL,
  generation   BIGINT NOT NULL,
  state        TEXT NOT NULL,
  message      TEXT NOT NULL,
  notes        TEXT NOT NULL,                -- JSON array of sentences
  fault        TEXT NOT NULL,
  caller       TEXT NOT NULL,
  started_at   BIGINT NOT NULL,
  ended_at     BIGINT NOT NULL               -- 0 while under way
);
CREATE INDEX operations_ended ON operations (ended_at);
CREATE INDEX operations_resource ON operations (resource_key);

-- Which compute has taken up which cluster. The primary key is the rule: one owner.
CREATE TABLE holds (
  cluster_key TEXT PRIMARY KEY,
  holder_key  TEXT NOT NULL,
  holder_id   TEXT NOT NULL,
  since       BIGINT NOT NULL
);
CREATE INDEX holds_holder ON holds (holder_key);

CREATE TABLE secrets (
  resource_key TEXT NOT NULL,
  name         TEXT NOT NULL,
  value        BLOB NOT NULL,
  PRIMARY KEY (resource_key, name)
);

-- What a detach could not clean because the cluster did not answer: cleaned when it is next seen.
CREATE TABLE residues (
  cluster_key  TEXT NOT NULL,
  holder_key   TEXT NOT NULL,
  detail       TEXT NOT NULL,                -- JSON: what attach had put in
  created_at   BIGINT NOT NULL,
  PRIMARY KEY (cluster_key, holder_key)
);
