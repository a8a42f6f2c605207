-- Who requested which change, and what came of it. The id is a UUID of version 7: it begins with the time, so that the table is
-- in the order of time and what is old is at its beginning.
CREATE TABLE activity (
  id           TEXT PRIMARY KEY,
  resource_key TEXT NOT NULL,                -- id of the resource, or address, in lower case
  provider     TEXT NOT NULL,                -- of the action, in lower case: "microsoft.containerservice"
  correlation  TEXT NOT NULL,                -- lower case
  caller       TEXT NOT NULL,                -- client id or user principal name, in lower case
  status       TEXT NOT NULL,                -- lower case
  body         TEXT NOT NULL,                -- JSON of the noun
  checksum     BIGINT
);
-- Who requested the operation: its end is an event of the same caller.
ALTER TABLE operations ADD COLUMN origin TEXT NOT NULL DEFAULT ''; -- JSON, or '' of one that an older Berth accepted
